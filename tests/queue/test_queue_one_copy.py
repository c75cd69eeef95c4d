"""By whichever ways a message leads to an address, and however late one of them is found: it gets there once."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.queue_world import LATER, World, world

from mailhub.model.errors import Temporary
from mailhub.store.api import Act, QueueFilter

ALICE, BOB, TEAM = "alice@mailhub.test", "bob@mailhub.test", "team@mailhub.test"


@contextmanager
def away(w: World, *names: str) -> Iterator[None]:
    """The directory can not say what these stand for."""
    plain = w.directory.alias

    async def troubled(address: str) -> tuple[str, ...] | None:
        if address in names:
            raise Temporary("the directory is away")
        return await plain(address)

    w.directory.alias = troubled  # type: ignore[method-assign]
    yield
    w.directory.alias = plain  # type: ignore[method-assign]


def remembered(w: World) -> list[str]:
    db = w.store._writer._db
    assert db is not None
    return [row[0] for row in db.execute("select address from reached order by address").fetchall()]


async def test_an_alias_that_could_not_be_asked_leads_to_nobody_who_has_it(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.directory.set_alias("others@mailhub.test", ["x@far.test", "Nobody@mailhub.test"])
        await w.directory.set_alias("inner@mailhub.test", [BOB, "X@far.test", "new@far.test"])
        await w.directory.set_alias(TEAM, ["inner@mailhub.test", "nobody@mailhub.test", ALICE])
        with away(w, TEAM):
            await w.put(BOB, "others@mailhub.test", TEAM, sender=ALICE)
            await w.manager.idle()
            assert len(await w.mail(BOB)) == 1
            assert remembered(w) == [BOB, "nobody@mailhub.test", "x@far.test"]
        await w.crash()  # that is known to the store, not to the process
        await w.reopen()
        await w.clock.advance(301)
        assert len(await w.mail(BOB)) == 1
        assert w.hosts.addresses() == ["x@far.test", "new@far.test"]
        report, mail = sorted(await w.mail(ALICE), key=lambda text: b"multipart/report" not in text)
        assert report.count(b"Action: failed") == 1
        assert mail.endswith(b"how are you\r\n")
        assert await w.queued() == []
        assert remembered(w) == []


async def test_ordinary_mail_leaves_no_memory(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.hosts.says = {"b@far.test": LATER, "near.test": LATER}
        await w.put(ALICE)
        await w.put(ALICE, "x@far.test")
        await w.put("a@far.test", "b@far.test", "c@near.test")
        await w.put(ALICE, BOB)
        await w.manager.idle()
        assert len(await w.queued()) == 1
        assert remembered(w) == []


async def test_a_script_that_sends_on_late_sends_to_nobody_who_has_it(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.script(f'require "copy"; redirect :copy "{BOB}"; redirect "x@far.test"; keep;')
        plain = w.store.sieve.active

        def troubled(account: str) -> bytes | None:
            if account == ALICE:
                raise Temporary("scripts are away")
            return plain(account)

        w.store.sieve.active = troubled  # type: ignore[method-assign]
        await w.put(ALICE, BOB, "x@far.test")
        await w.manager.idle()
        assert len(await w.mail(BOB)) == 1
        w.store.sieve.active = plain  # type: ignore[method-assign]
        await w.clock.advance(301)
        assert len(await w.mail(ALICE)) == len(await w.mail(BOB)) == 1
        assert w.hosts.addresses() == ["x@far.test"]


async def test_two_scripts_that_send_to_one_address(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        for account in (ALICE, BOB):
            await w.script('redirect "x@far.test";', account)
        await w.put(ALICE, BOB)
        await w.manager.idle()
        assert w.hosts.addresses() == ["x@far.test"]
        assert await w.queued() == []


async def test_a_part_that_was_held_leads_to_nobody_who_has_it(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.directory.set_alias(TEAM, ["x@far.test", "y@far.test", BOB])
        w.hosts.says = {"far.test": LATER}
        with away(w, TEAM):
            await w.put(TEAM, "x@far.test")
            await w.manager.idle()
        await w.queue.act_on_all(Act.HOLD, QueueFilter(recipient=TEAM), w.clock.now())
        w.hosts.says = {}
        await w.clock.advance(301)
        assert w.hosts.addresses() == ["x@far.test"]
        await w.queue.act_on_all(Act.UNHOLD, QueueFilter(), w.clock.now())
        w.manager.forgive()
        await w.manager.idle()
        assert sorted(w.hosts.addresses()) == ["x@far.test", "y@far.test"]
        assert len(await w.mail(BOB)) == 1


async def test_aliases_in_two_parts_of_a_very_wide_message(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.directory.set_alias("zeta@mailhub.test", ["x@far.test", BOB])
        await w.directory.set_alias("alpha@mailhub.test", ["x@far.test", BOB, "u7@far.test"])
        many = [f"u{n}@far.test" for n in range(1_300)]
        await w.put("alpha@mailhub.test", BOB, *many, "zeta@mailhub.test")
        await w.manager.idle()
        assert sorted(w.hosts.addresses()) == sorted([*many, "x@far.test"])
        assert len(await w.mail(BOB)) == 1
        assert await w.queued() == []
        assert remembered(w) == []


async def test_a_loop_that_is_found_late_is_still_told(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.directory.set_alias("a@mailhub.test", ["b@mailhub.test"])
        await w.directory.set_alias("b@mailhub.test", ["a@mailhub.test"])
        with away(w, "b@mailhub.test"):
            await w.put("a@mailhub.test", "b@mailhub.test", sender=ALICE)
            await w.manager.idle()
        await w.clock.advance(301)
        (report,) = await w.mail(ALICE)
        assert b"Alias loop" in report
        assert await w.queued() == []
