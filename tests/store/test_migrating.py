"""`mailhub store migrate`: a site moves to a cluster and back, and nothing of it is another than before."""

import asyncio
import contextlib
import os
import re
import secrets
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest
from support.galera import Node
from support.mariadb import Mariadb
from support.migrating import ALICE, BOB, CAROL, fill, fill_tables, put, rows_of, seen, waiting
from support.stores import Stores, emptied

from mailhub.config.schema import Store as StoreConfig
from mailhub.model.clock import VirtualClock
from mailhub.model.errors import Permanent, Temporary
from mailhub.store.migrate import Moved, Site, migrate, reopen
from mailhub.store.migrate.tables import TABLES
from mailhub.store.mysql import MysqlStore
from mailhub.store.sqlite import SqliteStore

WHO = (ALICE, BOB, CAROL)


class World:
    """A site in `old`, a cluster, and a place for what comes back."""

    def __init__(self, path: Path, server: Mariadb | Node, objects: str) -> None:
        self.path, self.clock = path, VirtualClock()
        self.stores = Stores(path, server, database="moving", objects=objects)
        embedded = StoreConfig(free_space_floor=0, sync_interval=0.01)
        cluster = msgspec.structs.replace(
            embedded, kind="mysql", hosts=self.stores.hosts("a"), user="root", database="moving",
            objects=objects or str(path / "objects"),
        )  # fmt: skip
        self.old = Site(path / "old", embedded, "mx.test")
        self.new = Site(path / "node", cluster, "mx.test")
        self.back = Site(path / "back", embedded, "mx.test")

    def store(self, site: Site) -> Any:
        kind = SqliteStore if site.config.kind == "sqlite" else MysqlStore
        return kind(site.data, site.config, self.clock, site.hostname)

    async def filled(self) -> None:
        store = self.store(self.old)
        await store.open()
        await fill(store, self.old.data)
        await store.mailboxes.sync()
        await store.close()
        fill_tables(self.old.data)

    async def move(self, source: Site, target: Site, *, dry: bool = False) -> Moved:
        return await migrate(source, target, self.clock, lambda done, total: None, dry=dry)

    async def looked_at(self, site: Site) -> "Looked":
        store = self.store(site)
        await store.open()
        try:
            for account in WHO:
                await store.mailboxes.folders(account)
                assert await store.mailboxes.check(account) == []
            return await seen(store, self.clock, *WHO), await waiting(store)
        finally:
            await store.close()


Looked = tuple[dict[str, list[bytes]], list[object]]


def different(before: Looked, after: Looked) -> list[object]:
    """The first lines that are not the same, in pairs; short, so that they can be read."""
    found: list[object] = [pair for pair in zip(before[1], after[1], strict=False) if pair[0] != pair[1]]
    for account, lines in before[0].items():
        found += [(a[:300], b[:300]) for a, b in zip(lines, after[0][account], strict=False) if a != b]
    return found[:6] or ([] if before == after else ["one is longer"])


@pytest.fixture(params=["mariadb_server", pytest.param("galera_node", marks=pytest.mark.slow)])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """On Galera large bodies lie in S3."""
    server = request.getfixturevalue(request.param)
    objects = next(request.getfixturevalue("places")) if request.param == "galera_node" else ""
    with emptied(server, tmp_path, "moving"):
        server.run("drop table if exists migrated", "moving")
        yield World(tmp_path, server, objects)


def files(data: Path) -> dict[str, tuple[bytes, int]]:
    """Messages below a data folder: octets and dates by name; where they lie in new/ is no matter of ours."""
    return {
        str(path.relative_to(data)).replace("/new/8.a.b", "/cur/8.a.b:2,"): (path.read_bytes(), int(path.stat().st_mtime))
        for path in sorted(data.glob("mail/**/*")) if path.is_file() and path.parent.name in ("new", "cur")
    }  # fmt: skip


async def test_there_and_back_again(world: World) -> None:
    await world.filled()
    before = await world.looked_at(world.old)
    assert len(before[0][ALICE]) > 400
    told = await world.move(world.old, world.new)
    assert (told.wrong, told.messages, told.queued) == ((), 239, 3)
    assert all(told.rows.values()), "each table has some"
    assert different(before, await world.looked_at(world.new)) == []
    again = await world.move(world.new, world.back)
    for site in (world.old, world.new):
        with pytest.raises(Permanent, match="was moved to"):
            await world.store(site).open()
    assert (again.wrong, again.messages, again.octets, again.rows) == ((), told.messages, told.octets, told.rows)
    assert rows_of(world.back.data) == rows_of(world.old.data)
    assert files(world.back.data) == files(world.old.data)
    assert different(before, await world.looked_at(world.back)) == []


async def test_ids_go_on_where_they_were(world: World) -> None:
    """No queue id and no UIDVALIDITY is given twice, whatever the clock shows."""
    await world.filled()
    world.clock = VirtualClock(world.clock.now() + 1_000_000)
    store = world.store(world.old)
    await store.open()
    last = (await put(store, 3, "x@example.org")).id
    used = (await store.mailboxes.create(BOB, "New")).uidvalidity
    await store.close()
    world.clock = VirtualClock()  # it goes back
    await world.move(world.old, world.new)
    store = world.store(world.new)
    await store.open()
    assert store.queue.new_id() > last
    made = await store.mailboxes.create(BOB, "Newer")
    assert made.uidvalidity > used
    last = store.queue.new_id()
    await store.close()
    await world.move(world.new, world.back)
    store = world.store(world.back)
    await store.open()
    assert store.queue.new_id() > last
    assert (await store.mailboxes.create(BOB, "Newest")).uidvalidity > made.uidvalidity
    await store.close()


async def test_mail_in_the_queue_is_delivered_from_where_it_came_to(world: World) -> None:
    await world.filled()
    await world.move(world.old, world.new)
    store = world.store(world.new)
    await store.open()
    try:
        leased = {r.address for item in await store.queue.lease(2_000_000_000.0, 10) for r in item.recipients}
        assert leased == {"x@example.org", "y@example.org", BOB}, "one is held, one is due later"
        assert (await store.queue.counts()).items == 3
    finally:
        await store.close()


_KILLED = """
import asyncio, os, signal, sys
import msgspec
from pathlib import Path
from mailhub.config.schema import Store
from mailhub.model.clock import SystemClock
from mailhub.store.files import Files
from mailhub.store.migrate import Site, migrate
from mailhub.store.migrate import embedded, maildirs
from mailhub.store.mysql.engine import Tx

left = int(sys.argv[2])

def counted(function):
    def step(*values, **options):
        global left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*values, **options)
    return step

Tx.run, Tx.all = counted(Tx.run), counted(Tx.all)
for name in ("append", "rename", "sync_all", "replace_text", "set_modified"):
    setattr(Files, name, counted(getattr(Files, name)))
real = embedded.transaction
embedded.transaction = maildirs.transaction = counted(real)
sites = [Site(Path(d), msgspec.convert(c, Store), h) for d, c, h in msgspec.json.decode(sys.argv[1])]
moved = asyncio.run(migrate(*sites, SystemClock(), lambda done, total: None))
print(len(moved.wrong), moved.went_on, sys.argv[2], left)
"""


def run(source: Site, target: Site, steps: int) -> "subprocess.CompletedProcess[str]":
    """The migration in a process of its own, killed at a step of its (0: never)."""
    sites = msgspec.json.encode([(str(site.data), site.config, site.hostname) for site in (source, target)]).decode()
    command = [sys.executable, "-c", _KILLED, sites, str(steps)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def taken(done: "subprocess.CompletedProcess[str]") -> int:
    """Steps of a run that was not killed."""
    assert done.returncode == 0, done.stderr
    wrong, _, _, left = done.stdout.split()
    assert wrong == "0", done
    return -int(left)


@pytest.mark.slow
async def test_killed_ten_times_it_goes_on(world: World, tmp_path: Path) -> None:
    """At moments all over its way, there and back, others each time; what comes out is what there was."""
    seed = secrets.randbits(32)
    print(f"seed {seed}")
    chance = Random(seed)
    await world.filled()
    before = await world.looked_at(world.old)
    probe = Site(tmp_path / "probe", world.new.config, "mx.test")
    steps = await asyncio.to_thread(lambda: taken(run(world.old, probe, 0)))
    await reopen(world.old, world.clock)
    with emptied(world.stores.server, tmp_path, "moving"):  # type: ignore[arg-type]
        pass
    for source, target in ((world.old, world.new), (world.new, world.back)):
        killed = 0
        for n in range(10):
            # each gets further than the one before, and all of them together not to the end
            step = 120 + steps * n // 60 + chance.randrange(max(1, steps // 60))
            done = await asyncio.to_thread(run, source, target, step)
            assert done.returncode in (0, -signal.SIGKILL), done.stderr
            killed += done.returncode == -signal.SIGKILL
            if done.returncode == 0:
                break
            with pytest.raises(Permanent, match="run the same"):
                await world.store(target).open()
        assert killed >= (10 if target is world.new else 3), (killed, steps)
        if done.returncode:
            taken(await asyncio.to_thread(run, source, target, 0))
        assert different(before, await world.looked_at(target)) == []
    assert rows_of(world.back.data) == rows_of(world.old.data)
    assert files(world.back.data) == files(world.old.data)


async def test_who_was_left_behind_may_be_told_to_go_on(world: World) -> None:
    await world.filled()
    assert await reopen(world.old, world.clock) == ""
    before = await world.looked_at(world.old)
    await world.move(world.old, world.new)
    for site, target in ((world.old, world.new), (world.new, world.back)):
        if site is world.new:
            await world.move(site, target)
        with pytest.raises(Permanent, match="mailhub store reopen") as told:
            await world.store(site).open()
        assert target.where in str(told.value)
        assert await reopen(site, world.clock) == target.where
        assert different(before, await world.looked_at(site)) == []


async def test_it_moves_into_an_empty_store_alone(world: World) -> None:
    await world.filled()
    await world.move(world.old, world.new)
    with pytest.raises(Permanent, match="not empty"):
        await world.move(world.old, world.new)
    with pytest.raises(Permanent, match="not empty"):
        await world.move(world.new, world.old)
    with pytest.raises(Permanent, match="nothing to move"):
        await world.move(world.old, world.back)
    with pytest.raises(Permanent, match="data folder"):
        await world.move(world.old, Site(world.old.data, world.new.config, "mx.test"))


async def test_other_mailhubs_are_to_be_stopped_first(world: World) -> None:
    await world.filled()
    store = world.store(Site(world.path / "other", world.new.config, "other.test"))
    await store.open()
    try:
        with pytest.raises(Permanent, match=r"other\.test"):
            await world.move(world.old, world.new)
    finally:
        await store.close()


async def test_what_came_wrong_is_said_and_nothing_starts_on_it(world: World) -> None:
    """A message that is spoilt on its way, and a source that went on in between."""
    await world.filled()
    damaged = asyncio.Event()

    def spoil(done: int, total: int) -> None:
        if not damaged.is_set() and world.stores.count("message"):
            damaged.set()
            world.stores.run("update octets set data = concat('X', substr(data, 2)) limit 1")
            world.stores.run("update directory_account set password = 'other' limit 1")

    moved = await migrate(world.old, world.new, world.clock, spoil)
    assert [line.partition(":")[0] for line in moved.wrong] == [ALICE, "accounts"], moved.wrong
    assert "other octets" in moved.wrong[0]
    with pytest.raises(Permanent, match="half of what is moved"):
        await world.store(world.new).open()


async def test_an_account_that_changed_in_between_is_not_passed_over(world: World) -> None:
    await world.filled()

    def stop(done: int, total: int) -> None:
        if "account alice" in world.stores.server.run("select name from migrated", "moving"):  # type: ignore[union-attr]
            raise Temporary("enough")

    with pytest.raises(Temporary, match="enough"):
        await migrate(world.old, world.new, world.clock, stop)
    store = world.store(world.old)
    await store.open()
    (inbox, *_) = await store.mailboxes.folders(ALICE)
    await store.mailboxes.expunge(inbox.id, [1])
    await store.close()
    with pytest.raises(Permanent, match=r"alice@mailhub\.test has changed"):
        await world.move(world.old, world.new)


async def test_dry_it_counts_and_touches_nothing(world: World) -> None:
    await world.filled()
    told = await world.move(world.old, world.new, dry=True)
    assert (told.dry, told.messages, told.queued, told.accounts) == (True, 239, 3, 3)
    made = world.stores.count("information_schema.tables where table_schema = database() and table_name = 'folder'")
    assert not made or world.stores.count("folder") == 0, "tables may stay from the tests before"
    assert not world.new.data.exists()


def test_every_table_of_an_embedded_store_is_thought_of(tmp_path: Path) -> None:
    """One that is new has to move, too, or to be named here."""
    asyncio.run(_opened(tmp_path))
    db = sqlite3.connect(tmp_path / "mailhub.db")
    there = {name for (name,) in db.execute("select name from sqlite_master where type = 'table'")}
    db.close()
    by_hand = {"content", "item", "recipient", "reached", "folder", "message", "rendered"}
    made = {"flow", "tally", "total", "filed", "adopting", "intent", "sqlite_sequence"}
    assert there == {table.embedded for table in TABLES if not table.junk} | by_hand | made


async def _opened(data: Path) -> None:
    store = SqliteStore(data, StoreConfig(free_space_floor=0), VirtualClock(), "mx.test")
    await store.open()
    await store.close()


def written(world: World, folder: Path) -> None:
    """Their configurations."""
    for name, site in (("old", world.old), ("new", world.new)):
        options = {key: value for key, value in msgspec.to_builtins(site.config).items() if key != "mail_location"}
        lines = [f"{key} = {msgspec.json.encode(value).decode()}" for key, value in options.items()]
        (folder / f"{name}.toml").write_text(
            "\n".join([f'data = "{site.data}"', 'hostname = "mx.test"', "[store]", *lines])
        )


async def test_the_command(world: World, tmp_path: Path) -> None:
    await world.filled()
    written(world, tmp_path)
    command = [sys.executable, "-m", "mailhub", "store", "migrate", "--from", f"{tmp_path}/old.toml", "--to",
               f"{tmp_path}/new.toml"]  # fmt: skip

    def said(*more: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [*command, *more], capture_output=True, text=True, check=False, timeout=120, env=os.environ
        )

    dry = await asyncio.to_thread(said, "--dry-run")
    assert dry.returncode == 0, dry
    assert "239 messages" in dry.stdout
    assert "would move" in dry.stdout
    done = await asyncio.to_thread(said, "--json")
    assert done.returncode == 0, done
    assert msgspec.json.decode(done.stdout)["messages"] == 239
    again = await asyncio.to_thread(said)
    assert again.returncode == 1
    assert "not empty" in again.stderr
    reopened = await asyncio.to_thread(_said, "reopen", "--config", f"{tmp_path}/old.toml")
    assert reopened.returncode == 0, reopened
    assert world.new.where in reopened.stdout
    assert (await asyncio.to_thread(_said, "reopen", "--config", f"{tmp_path}/old.toml")).returncode == 3


def _said(*words: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "mailhub", "store", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


async def test_at_a_terminal_there_is_a_bar(world: World, tmp_path: Path) -> None:
    await world.filled()
    written(world, tmp_path)
    words = ("migrate", "--from", f"{tmp_path}/old.toml", "--to", f"{tmp_path}/new.toml")
    status, shown = await asyncio.to_thread(_shown, *words)
    assert status == 0, shown
    steps = [int(step) for step in re.findall(rb"migrate  \[[#-]+\] +(\d+)%", shown)]
    assert steps == sorted(steps)
    assert (steps[0], steps[-1]) == (0, 100)
    assert len(set(steps)) > 4, shown


def _shown(*words: str) -> tuple[int, bytes]:
    """The exit code, and what came on a terminal."""
    ours, theirs = os.openpty()
    command = [sys.executable, "-m", "mailhub", "store", *words]
    with subprocess.Popen(command, stderr=theirs, stdout=subprocess.DEVNULL) as moving:
        os.close(theirs)
        shown = b""
        with contextlib.suppress(OSError):  # EIO: the other end is closed
            while part := os.read(ours, 65_536):
                shown += part
        os.close(ours)
    return moving.returncode, shown
