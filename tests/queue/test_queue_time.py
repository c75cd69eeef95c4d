"""The retry ladder, delay warnings and expiry in virtual time."""

import random
from pathlib import Path

import pytest
from support.queue_world import LATER, TAKEN, world

from mailhub.config import schema
from mailhub.model.envelope import Notify
from mailhub.model.errors import Temporary
from mailhub.queue.schedule import Schedule
from mailhub.store.api import State

HOUR, DAY = 3600.0, 86400.0


async def test_a_deferred_recipient_climbs_the_ladder_until_it_is_taken(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        start = w.clock.now()
        w.hosts.says = {"x@far.test": LATER}
        await w.put("x@far.test", "y@far.test")
        await w.manager.idle()
        assert w.hosts.addresses() == ["y@far.test"]
        ((recipient,),) = [item.recipients for item in await w.queued()]
        assert (recipient.state, recipient.last, recipient.remote) == (State.DEFERRED, LATER, "mx.far.test[192.0.2.1]")
        assert recipient.due == start + 300
        await w.clock.advance(299)
        assert len(w.hosts.calls) == 1
        await w.clock.advance(4000)
        assert [when - start for when, _ in w.hosts.calls] == [0, 300, 900, 2100, 3300]
        w.hosts.says = {}
        await w.clock.advance(1300)
        assert w.hosts.addresses() == ["y@far.test", "x@far.test"]
        assert await w.queued() == []


async def test_the_sender_is_told_of_a_delay_once(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.hosts.says = {"far.test": LATER}
        sender = "alice@mailhub.test"
        await w.put("x@far.test", "y@far.test", sender=sender)
        await w.put("z@far.test", sender=sender, notify=Notify.FAILURE)
        await w.clock.advance(4 * HOUR - 1)
        assert await w.mail(sender) == []
        await w.clock.advance(12 * HOUR)
        (warning,) = await w.mail(sender)
        assert warning.count(b"Action: delayed") == 2
        assert b"Final-Recipient: rfc822; x@far.test" in warning
        assert b"Diagnostic-Code: smtp; 450 4.2.0 Greylisted" in warning
        assert b"Will-Retry-Until: " in warning
        assert b"z@far.test" not in warning


async def test_mail_is_given_up_at_its_age_with_the_last_answer(tmp_path: Path) -> None:
    async with world(tmp_path, delay_warning=0.0, retry=(1000.0, DAY)) as w:
        start = w.clock.now()
        w.hosts.says = {"far.test": LATER}
        await w.put("x@far.test", sender="alice@mailhub.test")
        await w.clock.advance(5 * DAY - 1)
        assert await w.mail("alice@mailhub.test") == []
        await w.clock.advance(1)
        (report,) = await w.mail("alice@mailhub.test")
        assert b"Action: failed" in report
        assert b"Status: 4.4.7" in report
        assert b"mx.far.test[192.0.2.1] said last: 450 4.2.0 Greylisted" in report
        assert b"expired after 5.0 days" in report
        assert w.hosts.calls[-1][0] == start + 5 * DAY  # the last try is made at the deadline itself
        assert await w.queued() == []


async def test_bounces_have_their_own_age(tmp_path: Path) -> None:
    async with world(tmp_path, bounce_lifetime=DAY) as w:
        w.hosts.says = {"far.test": LATER}
        await w.put("x@far.test", sender="")
        await w.clock.advance(DAY - 1)
        assert len(await w.queued()) == 1
        await w.clock.advance(1)
        assert await w.queued() == []


async def test_a_clock_that_jumps_expires_nothing_unless_an_attempt_fails_after_it(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.hosts.says = {"far.test": LATER}
        await w.put("x@far.test")
        await w.manager.idle()
        await w.stop()
        w.hosts.says = {}
        w.clock._time += 30 * DAY  # the host was off
        w.make_manager(w.queue)
        await w.start()
        await w.manager.idle()
        assert w.hosts.addresses() == ["x@far.test"]


async def test_an_attempt_that_began_in_time_does_not_expire_its_mail(tmp_path: Path) -> None:
    async with world(tmp_path, lifetime=100.0) as w:
        await w.stop()
        w.hosts.says = {"far.test": LATER}
        slow = w.hosts.deliver

        async def late(job):  # type: ignore[no-untyped-def]
            w.clock._time += 200
            return await slow(job)

        w.hosts.deliver = late  # type: ignore[method-assign]
        w.make_manager(w.queue)
        await w.start()
        await w.put("x@far.test")
        await w.manager.idle()
        assert len(await w.queued()) == 1


async def test_a_directory_that_is_away_defers(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        plain = w.directory.account

        async def away(address: str) -> None:
            raise Temporary("the database is away")

        w.directory.account = away  # type: ignore[assignment, method-assign]
        await w.put("alice@mailhub.test")
        await w.manager.idle()
        ((recipient,),) = [item.recipients for item in await w.queued()]
        assert recipient.last is not None
        assert recipient.last.temporary
        w.directory.account = plain  # type: ignore[method-assign]
        await w.clock.advance(300)
        assert len(await w.mail("alice@mailhub.test")) == 1


async def test_a_transport_that_raises_defers_and_harms_nobody_else(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with world(tmp_path) as w:
        w.hosts.breaks = {"far.test"}
        await w.put("x@far.test", "alice@mailhub.test")
        await w.manager.idle()
        assert len(await w.mail("alice@mailhub.test")) == 1
        assert "transport relay failed" in caplog.text
        ((recipient,),) = [item.recipients for item in await w.queued()]
        assert (recipient.address, recipient.attempts) == ("x@far.test", 1)
        w.hosts.breaks.clear()
        await w.clock.advance(300)
        assert w.hosts.taken[0][0] == "x@far.test"


async def test_a_result_that_is_missing_defers(tmp_path: Path) -> None:
    async with world(tmp_path) as w:

        async def forgets(job):  # type: ignore[no-untyped-def]
            return []

        w.hosts.deliver = forgets  # type: ignore[method-assign]
        await w.put("x@far.test")
        await w.manager.idle()
        assert [r.state for item in await w.queued() for r in item.recipients] == [State.DEFERRED]


def test_jitter_stays_in_its_share_and_varies() -> None:
    schedule = Schedule(schema.Queue(retry=(100.0, 1000.0), jitter=0.1), random.Random(7))
    first = [schedule.next_due(0, 1, 1e9) for _ in range(200)]
    later = [schedule.next_due(0, 9, 1e9) for _ in range(200)]
    assert 90 <= min(first) < 95 < 105 < max(first) <= 110
    assert 900 <= min(later) < max(later) <= 1100


def test_a_ladder_without_rungs_never_spins() -> None:
    assert Schedule(schema.Queue(retry=(), jitter=0.0), random.Random(7)).next_due(5.0, 1, 1e9) == 6.0


def test_the_next_attempt_is_not_beyond_the_deadline_but_after_it_time_goes_on() -> None:
    schedule = Schedule(schema.Queue(retry=(100.0,), jitter=0.0), random.Random(7))
    assert schedule.next_due(0, 1, 50) == 50
    assert schedule.next_due(60, 1, 50) == 160


async def test_flush_makes_all_due(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.hosts.says = {"far.test": LATER}
        await w.put("x@far.test")
        await w.manager.idle()
        w.hosts.says = {"far.test": TAKEN}
        await w.manager.flush()
        await w.manager.idle()
        assert w.hosts.addresses() == ["x@far.test"]
