"""Crashes, failures of the store, and stopping: each accepted recipient ends once, whatever happens between."""

import asyncio
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
from support.queue_world import LATER, NEVER, Faulty, World, until, world

from mailhub.config import schema
from mailhub.model.errors import LimitReached, Temporary
from mailhub.model.trace import Event
from mailhub.store.api import QueueFilter, State
from mailhub.trace import Trace

AWAY = Temporary("disk full")


async def test_a_delivery_made_again_after_a_crash_is_there_once(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        faulty = Faulty(w.queue)
        faulty.gate = asyncio.Event()
        await w.restart(faulty)
        await w.put("alice@mailhub.test", "bob@mailhub.test")
        await faulty.settling.wait()
        new = tmp_path / "mail" / "mailhub.test" / "alice" / "Maildir" / "new"
        before = [file.name for file in new.iterdir()]
        assert len(before) == 1  # the file stands, and nobody knows of it
        await w.crash()
        await w.reopen()
        await w.manager.idle()
        assert [file.name for file in new.iterdir()] == before
        assert len(await w.mail("alice@mailhub.test")) == 1
        assert len(await w.mail("bob@mailhub.test")) == 1
        assert await w.queued() == []


async def test_a_crash_at_each_step_of_an_expansion_sends_nobody_a_second_copy(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        for n in range(10):
            await w.directory.set_alias(f"l{n}@mailhub.test", [f"l{n + 1}@mailhub.test"])
        await w.directory.set_alias("l10@mailhub.test", ["alice@mailhub.test", "bob@mailhub.test", "x@far.test"])
        faulty = Faulty(w.queue)
        await w.restart(faulty)
        await w.put("l0@mailhub.test")
        crashes = 0
        while True:
            await faulty.settling.wait()  # one unit, and down
            await w.crash()
            crashes += 1
            await w.open()
            if not await w.queued():
                break
            faulty = Faulty(w.queue)
            w.make_manager(faulty)
            await w.start()
        await w.start()
        assert crashes > 11
        assert len(await w.mail("alice@mailhub.test")) == 1
        assert len(await w.mail("bob@mailhub.test")) == 1
        assert w.hosts.addresses() == ["x@far.test"]
        assert await w.queued() == []


async def test_what_a_crash_cut_is_told_by_the_trace(tmp_path: Path) -> None:
    events: list[Event] = []

    async def write(some: Sequence[Event], keep: float, limit: int) -> None:
        events.extend(some)

    async with world(tmp_path / "first") as w:
        gate = w.hosts.hangs["far.test"] = asyncio.Event()
        number = await w.put("x@far.test")
        await w.put("alice@mailhub.test")
        await w.hosts.begun.wait()
        await until(lambda: w.manager.active == 1)
        shutil.copytree(tmp_path / "first", tmp_path / "second")  # what a process leaves that is killed now
        gate.set()
    second = World(tmp_path / "second")
    await second.open()
    assert list(second.queue.interrupted) == [(number, "x@far.test")]
    trace = second.manager._shared.trace = Trace(schema.Trace(), second.clock, write)
    await second.start()
    await second.manager.idle()
    await trace.close()
    assert [event.message for event in events if "arrives twice" in event.text] == [number]
    await second.stop()
    await second.close()
    await second.open()
    assert list(second.queue.interrupted) == []  # who ends by himself has given all leases back
    await second.close()


@pytest.mark.parametrize("committed", [False, True])
async def test_a_unit_that_the_store_did_not_take_is_given_again(tmp_path: Path, committed: bool) -> None:
    async with world(tmp_path) as w:
        faulty = Faulty(w.queue)
        (faulty.lost if committed else faulty.errors).extend([AWAY] * 3)
        await w.restart(faulty)
        await w.put("alice@mailhub.test", "nobody@mailhub.test", sender="bob@mailhub.test")
        await w.manager.idle()
        await w.clock.advance(60)
        assert len(faulty.units) >= 4
        assert faulty.units[0] == faulty.units[1] == faulty.units[2] == faulty.units[3]
        assert len(await w.mail("alice@mailhub.test")) == 1
        assert len(await w.mail("bob@mailhub.test")) == 1  # one report
        assert await w.queued() == []


async def test_idle_does_not_wait_for_a_store_that_is_away(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        faulty = Faulty(w.queue)
        faulty.errors = [AWAY] * 5
        await w.restart(faulty)
        await w.put("alice@mailhub.test")
        await w.manager.idle()
        assert len(faulty.units) == 1
        await w.clock.advance(1)
        assert len(faulty.units) == 2
        await w.clock.advance(2)
        assert len(faulty.units) == 3


async def test_mail_that_cannot_be_filed_is_deferred_not_lost(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        faulty = Faulty(w.queue)
        faulty.errors = [LimitReached("no UIDs left")]
        await w.restart(faulty)
        await w.put("alice@mailhub.test")
        await w.manager.idle()
        ((recipient,),) = [item.recipients for item in await w.queued()]
        assert recipient.state == State.DEFERRED
        await w.clock.advance(300)
        assert len(await w.mail("alice@mailhub.test")) == 1


async def test_mail_that_can_never_be_filed_is_given_up_with_a_report(tmp_path: Path) -> None:
    async with world(tmp_path, lifetime=0.0) as w:
        faulty = Faulty(w.queue)
        faulty.errors = [LimitReached("no UIDs left")]
        await w.restart(faulty)
        await w.put("alice@mailhub.test", sender="bob@mailhub.test")
        await w.manager.idle()
        (report,) = await w.mail("bob@mailhub.test")
        assert b"Action: failed" in report
        assert await w.queued() == []


async def test_a_message_to_very_many_is_settled_in_bounded_units(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        faulty = Faulty(w.queue)
        await w.restart(faulty)
        w.hosts.says = {f"u{n}@far.test": NEVER for n in range(0, 900, 100)}
        await w.put(*(f"u{n}@far.test" for n in range(900)), sender="alice@mailhub.test")
        await w.manager.idle()
        assert [(len(unit.outcomes), unit.last) for unit in faulty.units[:2]] == [(500, False), (400, True)]
        (report,) = await w.mail("alice@mailhub.test")
        assert report.count(b"Action: failed") == 9
        assert await w.queued() == []


async def test_an_attempt_that_breaks_is_made_again_later(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with world(tmp_path) as w:
        plain = w.router.route

        async def broken(address: str, path: tuple[str, ...] = ()) -> object:
            raise ZeroDivisionError

        w.router.route = broken  # type: ignore[assignment, method-assign]
        await w.put("alice@mailhub.test")
        await w.manager.idle()
        assert "the attempt broke" in caplog.text
        (item,) = await w.queued()
        assert [recipient.due - w.clock.now() for recipient in item.recipients] == [300.0]
        w.router.route = plain  # type: ignore[method-assign]
        assert await w.mail("alice@mailhub.test") == []
        await w.clock.advance(301)
        assert len(await w.mail("alice@mailhub.test")) == 1


async def test_a_core_task_that_breaks_says_so(tmp_path: Path) -> None:
    async with world(tmp_path) as w:

        async def broken(now: float, limit: int, busy: object) -> list[object]:
            raise ZeroDivisionError

        w.queue.lease = broken  # type: ignore[assignment, method-assign]
        w.manager.wake()
        with pytest.raises(ZeroDivisionError):
            await w.running
        w.running = asyncio.get_running_loop().create_task(asyncio.sleep(0))


async def test_a_store_that_cannot_be_read_is_asked_again(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        plain, calls = w.queue.lease, []

        async def away(now: float, limit: int, busy: object) -> list[object]:
            calls.append(now)
            if len(calls) < 3:
                raise AWAY
            return await plain(now, limit, busy)  # type: ignore[return-value]

        w.queue.lease = away  # type: ignore[assignment, method-assign]
        w.hosts.says = {"far.test": LATER}
        await w.put("x@far.test")
        await w.clock.advance(300)
        w.hosts.says = {}
        await w.clock.advance(15)
        assert len(calls) >= 3
        assert w.hosts.addresses() == ["x@far.test"]


# --- stopping -------------------------------------------------------------------------------------------------------


async def test_stop_waits_for_what_is_under_way(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        gate = w.hosts.hangs["far.test"] = asyncio.Event()
        await w.put("x@far.test")
        await w.hosts.begun.wait()
        stopping = asyncio.ensure_future(w.manager.stop(30))
        await w.put("alice@mailhub.test")  # too late: stored, and left to the next start
        gate.set()
        await stopping
        assert w.hosts.addresses() == ["x@far.test"]
        assert [r.address for item in await w.queued() for r in item.recipients] == ["alice@mailhub.test"]
        w.make_manager(w.queue)
        w.clock._settlers.clear()
        await w.start()
        await w.manager.idle()
        assert len(await w.mail("alice@mailhub.test")) == 1


async def test_who_waits_for_a_turn_when_stop_comes_is_not_begun(tmp_path: Path) -> None:
    async with world(tmp_path, destination_concurrency=1) as w:
        gate = w.hosts.hangs["far.test"] = asyncio.Event()
        await w.put("x@far.test")
        await w.put("y@far.test")
        await w.hosts.begun.wait()
        stopping = asyncio.ensure_future(w.stop(30))
        await until(lambda: w.manager.active == 1)
        gate.set()
        await stopping
        assert w.hosts.addresses() == ["x@far.test"]
        assert [r.address for item in await w.queued() for r in item.recipients] == ["y@far.test"]
        w.make_manager(w.queue)
        await w.start()


async def test_after_its_grace_stop_cuts_and_releases(tmp_path: Path) -> None:
    events: list[Event] = []

    async def write(some: Sequence[Event], keep: float, limit: int) -> None:
        events.extend(some)

    async with world(tmp_path, destination_concurrency=1) as w:
        trace = w.manager._shared.trace = Trace(schema.Trace(), w.clock, write)
        w.hosts.hangs["far.test"] = asyncio.Event()
        await w.put("x@far.test", "nobody@mailhub.test", sender="alice@mailhub.test")
        await w.put("y@far.test")
        await w.hosts.begun.wait()
        await w.stop(0)
        assert w.manager.active == 0
        assert w.hosts.calls == [(w.clock.now(), "far.test")]  # who waited for a turn was not begun
        left = [r.address for item in await w.queued() for r in item.recipients]
        assert left == [
            "x@far.test",
            "y@far.test",
            "alice@mailhub.test",
        ]  # what was decided is settled, with its report
        await trace.close()
        assert [event.address for event in events if "arrives twice" in event.text] == ["x@far.test"]
        assert [item.lease for item in await w.queued()] == [0, 0, 0]
        assert State.ACTIVE not in [r.state for item in await w.queued() for r in item.recipients]
        w.make_manager(w.queue)
        await w.start()


async def test_a_cancellation_between_delivery_and_record_is_felt_after_the_record(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        faulty = Faulty(w.queue)
        faulty.gate = asyncio.Event()
        await w.restart(faulty)
        await w.put("x@far.test", "alice@mailhub.test")
        await until(lambda: len(faulty.units) == 1 and w.hosts.taken)
        for task in tuple(w.manager._active.values()):
            task.cancel()
            await asyncio.sleep(0)
            task.cancel()
        for _ in range(10):
            await asyncio.sleep(0)
        assert w.manager.active == 1
        faulty.gate.set()
        await w.manager.idle()
        assert await w.queue.page(QueueFilter()) == []
        assert w.hosts.addresses() == ["x@far.test"]
        assert len(await w.mail("alice@mailhub.test")) == 1


async def test_stop_ends_though_the_store_is_away(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with world(tmp_path) as w:
        faulty = Faulty(w.queue)
        faulty.errors = [AWAY] * 100
        await w.restart(faulty)
        await w.put("alice@mailhub.test")
        await w.manager.idle()
        await w.stop(0)
        assert "cannot be recorded" in caplog.text
        w.make_manager(w.queue)
        await w.start()
