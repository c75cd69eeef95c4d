"""mailhub's own tables in a real MariaDB: made and brought forward by command, written as the embedded directory is, with the same answers."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from support.mariadb import Mariadb, mariadb

from mailhub.cli.root import root
from mailhub.config import schema
from mailhub.config.schema import Directory as Section
from mailhub.control import words
from mailhub.control.accounts import Accounts
from mailhub.control.credentials import Credentials
from mailhub.directory import Directory, Hasher
from mailhub.directory.app_passwords import AppPasswords
from mailhub.directory.outside import own
from mailhub.directory.outside.own import OwnDirectory
from mailhub.directory.outside.source import opened
from mailhub.model.clock import SystemClock
from mailhub.model.errors import Exists, NotFound, Permanent, Temporary
from mailhub.store.api import BrowserLimits, BrowserRow
from mailhub.store.sqlite import SqliteStore

CLEAN = "drop database if exists own; create database own;"


@pytest.fixture(scope="module")
def server() -> Iterator[Mariadb]:
    with mariadb() as running:
        running.run(
            CLEAN + "create user 'own'@'127.0.0.1' identified by 'pa ss'; grant all on own.* to 'own'@'127.0.0.1'"
        )
        yield running


def section(server: Mariadb, folder: Path) -> Section:
    (folder / "secret").write_text("pa ss\n")
    return Section(
        kind="mysql", schema="mailhub", hosts=(f"inet:127.0.0.1:{server.port}",), user="own", database="own",
        password_file=str(folder / "secret"), timeout=5.0, retry_seconds=0.1,
    )  # fmt: skip


@pytest.fixture
async def kept(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    """The embedded store, which has what opens accounts besides passwords."""
    store = SqliteStore(tmp_path / "var", schema.Store(free_space_floor=0), SystemClock(), "mx.test")
    await store.open()
    yield store
    await store.close()


@pytest.fixture(params=["embedded", "mysql"])
async def directory(
    request: pytest.FixtureRequest, server: Mariadb, kept: SqliteStore, tmp_path: Path
) -> AsyncIterator[Directory]:
    """The same contract on both."""
    hasher, auth = Hasher(1, 100), schema.Auth(scheme="PLAIN", scram=())
    if request.param == "embedded":
        yield Directory(kept.directory, auth, hasher, domains=["conf.test"])
    else:
        server.run(CLEAN)
        source = await opened(section(server, tmp_path), SystemClock())
        await own.migrate(source.pool)
        made = OwnDirectory(kept.directory, auth, hasher, domains=["conf.test"]).read(source)
        yield made
        made.close()
    hasher.close()


async def test_accounts(directory: Directory) -> None:
    with pytest.raises(NotFound, match="not ours"):
        await directory.add_account("ann@a.test", "x")
    await directory.add_domain("A.test")
    with pytest.raises(Exists):
        await directory.add_domain("a.test")
    assert await directory.account("ann@a.test") is None
    await directory.add_account("Ann@A.test", "secret")
    with pytest.raises(Exists):
        await directory.add_account("ann@a.test", "other")
    row = await directory.stored("ann@a.test")
    assert row is not None
    assert (row.name, row.password, row.enabled) == ("ann@a.test", "{PLAIN}secret", True)
    await directory.set_password("ann@a.test", "pénc il'\\")
    await directory.set_enabled("ANN@a.test", False)
    row = await directory.stored("ann@a.test")
    assert row is not None
    assert (row.password, row.enabled) == ("{PLAIN}pénc il'\\", False)
    await directory.rehash(row, "again")
    await directory.rehash(row, "never")  # it has changed since
    row = await directory.stored("ann@a.test")
    assert row is not None
    assert row.password == "{PLAIN}again"
    for n in range(5):
        await directory.add_account(f"u{n}@conf.test", None)
    assert [one.name for one in await directory.accounts(limit=3)] == ["ann@a.test", "u0@conf.test", "u1@conf.test"]
    assert [one.name for one in await directory.accounts("u2@conf.test")] == ["u3@conf.test", "u4@conf.test"]
    await directory.remove_account("ann@a.test")
    assert await directory.account("ann@a.test") is None
    for change in (
        directory.remove_account("ann@a.test"),
        directory.set_password("ann@a.test", "x"),
        directory.set_enabled("ann@a.test", True),
    ):
        with pytest.raises(NotFound):
            await change


async def test_aliases_forwards_and_domains(directory: Directory) -> None:
    await directory.add_domain("a.test")
    await directory.add_account("ann@a.test", None)
    await directory.set_alias("Team@a.test", ["ann@a.test", "x@far.test", "ann@a.test"])
    assert await directory.alias("team@A.test") == ("ann@a.test", "x@far.test")
    await directory.set_alias("team@a.test", ["bob@far.test"])
    assert await directory.alias("team@a.test") == ("bob@far.test",)
    await directory.set_alias("@a.test", ["ann@a.test"])
    assert await directory.catch_all("a.test") == ("ann@a.test",)
    forward = await directory.set_forward("ann@a.test", ["x@far.test"], keep=True)
    assert (forward.targets, forward.keep) == (("x@far.test",), True)
    assert (await directory.set_forward("ann@a.test", [], keep=False)).targets == ()
    assert [alias.address for alias in await directory.aliases()] == ["@a.test", "team@a.test"]
    with pytest.raises(Permanent, match="in use"):
        await directory.remove_domain("a.test")
    for alias in ("team@a.test", "@a.test"):
        await directory.remove_alias(alias)
    with pytest.raises(NotFound):
        await directory.remove_alias("team@a.test")
    await directory.remove_account("ann@a.test")
    assert sorted(domain.name for domain in await directory.domains()) == ["a.test", "conf.test"]
    await directory.remove_domain("a.test")
    assert not await directory.domain("a.test")
    with pytest.raises(NotFound):
        await directory.remove_domain("a.test")


async def test_admins_of_domains(directory: Directory) -> None:
    for name in ("a.test", "b.test"):
        await directory.add_domain(name)
    await directory.add_account("ann@a.test", None)
    await directory.add_admin("B.test", "Ann@a.test")
    await directory.add_admin("b.test", "ann@a.test")
    assert await directory.admins("b.test") == ["ann@a.test"]
    assert await directory.administers("ann@a.test", "B.test")
    assert not await directory.administers("ann@a.test", "a.test"), "not of its own domain"
    assert not await directory.administers("bob@a.test", "b.test")
    await directory.set_enabled("ann@a.test", False)
    assert not await directory.administers("ann@a.test", "b.test")
    for wrong in (("c.test", "ann@a.test"), ("b.test", "nobody@a.test")):
        with pytest.raises(NotFound):
            await directory.add_admin(*wrong)
    assert await directory.administered("Ann@a.test") == ("b.test",)
    assert await directory.administered("bob@a.test") == ()
    await directory.remove_account("ann@a.test")
    assert await directory.administered("ann@a.test") == ()
    await directory.add_account("ann@a.test", None)
    await directory.add_admin("b.test", "ann@a.test")
    await directory.remove_domain("b.test")
    assert await directory.administered("ann@a.test") == ()
    await directory.add_domain("b.test")
    await directory.add_admin("b.test", "ann@a.test")
    await directory.remove_admin("b.test", "ann@a.test")
    with pytest.raises(NotFound):
        await directory.remove_admin("b.test", "ann@a.test")
    assert await directory.admins("b.test") == []


async def test_names_that_differ_by_an_accent_are_two(directory: Directory) -> None:
    await directory.add_account("zoe@conf.test", None)
    assert await directory.account("zoé@conf.test") is None
    assert await directory.account("' or 1=1 -- @conf.test") is None


async def test_who_is_disabled_is_signed_in_nowhere(directory: Directory, tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "browsers", schema.Store(free_space_floor=0), SystemClock(), "mx.test")
    await store.open()
    await directory.add_account("Ann@conf.test", None)
    accounts = Accounts(directory, store.mailboxes, store.texts, store.tokens, store.browsers)
    row = BrowserRow("d", "one", "ann@conf.test", "stamp", 1.0, 1.0, 1.0, "", "")
    await store.browsers.put(row, BrowserLimits(9, 9, -1.0, -1.0))
    await accounts.enable(words.UserEnable(address="Ann@conf.test", enabled=True))
    assert await store.browsers.found("d") == row
    await accounts.enable(words.UserEnable(address="Ann@conf.test", enabled=False))
    assert await store.browsers.found("d") is None
    await store.close()


async def test_what_else_opens_an_account_ends_with_it(directory: Directory, kept: SqliteStore) -> None:
    """Who has the name next is somebody else."""
    credentials = Credentials(directory, kept.directory, SystemClock(), "mx.test")
    with pytest.raises(NotFound):
        await credentials.add_app_password(words.AppPasswordAdd(address="ann@conf.test", name="phone"))
    await directory.add_account("Ann@conf.test", "x")
    made = await credentials.add_app_password(words.AppPasswordAdd(address="Ann@conf.test", name="phone"))
    await credentials.begin_second_factor(words.SecondFactorBegin(address="ann@conf.test"))
    apps = AppPasswords(kept.directory, SystemClock())
    assert await apps.right("ann@conf.test", made.password, "imap", "192.0.2.1")
    await directory.remove_account("ann@conf.test")
    await directory.add_account("ann@conf.test", "another")
    assert not await apps.right("ann@conf.test", made.password, "imap", "192.0.2.1")
    assert await kept.directory.second_factor("ann@conf.test") is None
    assert await credentials.app_passwords(words.AppPasswordList(address="ann@conf.test")) == ()


async def test_it_serves_what_it_knows_while_the_database_is_away(server: Mariadb, tmp_path: Path) -> None:
    server.run(CLEAN)
    server.run("set global innodb_flush_log_at_trx_commit = 1")
    source = await opened(section(server, tmp_path), SystemClock())
    await own.migrate(source.pool)
    nothing: Any = None
    hasher = Hasher(1, 100)
    directory = OwnDirectory(nothing, schema.Auth(scheme="PLAIN", scram=()), hasher).read(source)
    await directory.add_domain("a.test")
    await directory.add_account("ann@a.test", "x")
    assert await directory.account("ann@a.test") is not None
    await asyncio.to_thread(server.kill)
    try:
        assert await directory.account("ann@a.test") is not None
        with pytest.raises(Temporary):
            await directory.account("bob@a.test")
        with pytest.raises(Temporary):
            await directory.add_account("bob@a.test", "x")
    finally:
        await asyncio.to_thread(server.start)
    directory.close()
    hasher.close()


def test_by_command(server: Mariadb, tmp_path: Path) -> None:
    server.run(CLEAN)
    made = section(server, tmp_path)
    config = tmp_path / "config.toml"
    config.write_text(
        f'domains = ["conf.test"]\n[directory]\nkind = "mysql"\nschema = "mailhub"\nhosts = ["{made.hosts[0]}"]\ndatabase = "own"\n'
        f'user = "own"\npassword_file = "{made.password_file}"\n'
    )

    def run(*words: str, stdin: str = "") -> tuple[int, str]:
        done = CliRunner().invoke(root, ["--config", str(config), *words], input=stdin)
        return done.exit_code, done.output

    assert run("directory", "migrate")[0] == 3
    assert run("directory", "init") == (0, "the tables have version 1, before none\n")
    assert run("directory", "init")[0] == 4
    assert run("directory", "migrate") == (0, "the tables have version 1\n")
    assert run("user", "add", "ann@conf.test", "--password-stdin", stdin="secret\n")[0] == 0
    assert run("user", "list")[1].splitlines()[1:] == ["ann@conf.test  yes"]
    assert server.run("select name, enabled from own.mailhub_account").split() == ["ann@conf.test", "1"]
    server.run("update own.mailhub_schema set version = 99")
    code, told = run("directory", "migrate")
    assert (code, "use a newer mailhub" in told) == (1, True)
    config.write_text('domains = ["conf.test"]\n')
    assert run("directory", "init")[0] == 2
