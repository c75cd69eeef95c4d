"""What a sender asked for in time: FUTURERELEASE (RFC 4865) and DELIVERBY (RFC 2852), on virtual time."""

from pathlib import Path

from support.queue_world import world

from mailhub.model.envelope import DeliverBy
from mailhub.model.reply import Reply

SENDER = "alice@mailhub.test"
AWAY = {"far.test": Reply(451, "4.3.0", "not now")}


async def test_a_held_message_waits_for_its_release_and_for_nothing_else(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        release = w.clock.now() + 86_400
        await w.put("x@far.test", release=release)
        await w.manager.idle()
        await w.spool.turn("far.test")
        await w.manager.flush()
        await w.clock.advance(86_000)
        assert w.hosts.calls == []
        await w.clock.advance(400)
        assert w.hosts.calls == [(release, "far.test")]


async def test_age_counts_from_the_release(tmp_path: Path) -> None:
    async with world(tmp_path, lifetime=1_000.0, delay_warning=0.0) as w:
        w.hosts.says = AWAY
        await w.put("x@far.test", sender=SENDER, release=w.clock.now() + 5_000)
        await w.clock.advance(5_500)
        assert len(await w.queued()) == 1
        await w.clock.advance(1_000)
        assert b"Action: failed" in (await w.mail(SENDER))[0]


async def test_by_mode_r_returns_it_in_time(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.hosts.says = AWAY
        until = w.clock.now() + 450
        await w.put("x@far.test", sender=SENDER, deliver_by=DeliverBy(until, "R"))
        await w.clock.advance(440)
        w.hosts.says = {}
        calls = len(w.hosts.calls)
        await w.clock.advance(20)
        assert len(w.hosts.calls) == calls  # too late to be delivered
        (report,) = await w.mail(SENDER)
        assert b"Action: failed" in report
        assert b"5.4.7" in report
        assert await w.queued() == []


async def test_by_mode_n_tells_of_the_delay_and_goes_on(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.hosts.says = AWAY
        await w.put("x@far.test", sender=SENDER, deliver_by=DeliverBy(w.clock.now() + 450, "N"))
        await w.clock.advance(460)
        (report,) = await w.mail(SENDER)
        assert b"Action: delayed" in report
        w.hosts.says, w.hosts.reports = {}, True
        await w.clock.advance(86_400)
        assert w.hosts.addresses() == ["x@far.test"]
        assert len(await w.mail(SENDER)) == 1
