"""Nobody waits behind a mailing: not those who write to other domains, nor local mail, nor those who come after a restart."""

import asyncio
from pathlib import Path

import msgspec
from support.queue_world import LADDER, LATER, World, until, world

from mailhub.config.schema import Destination, Queue
from mailhub.model.envelope import Envelope, Origin, Recipient
from mailhub.model.reply import Reply
from mailhub.store.api import Body, NewContent, NewItem, NewRecipient

TEXT = b"Subject: x\r\n\r\nhello\r\n"
LIST = "list@far.test"
SILENT = Reply(451, "4.4.1", "No answer")


async def mailing(w: World, count: int) -> asyncio.Event:
    """So many messages to one domain that hangs."""
    gate = w.hosts.hangs["slow.test"] = asyncio.Event()
    await asyncio.gather(*(w.put(f"u{n}@slow.test", sender=LIST) for n in range(count)))
    return gate


async def others_arrive(w: World) -> None:
    """At once: the clock does not move."""
    await w.put("x@fast.test", sender=LIST)
    await w.put("y@fast.test", sender="somebody@far.test")
    await w.put("alice@mailhub.test", sender="somebody@far.test")
    await until(lambda: {"x@fast.test", "y@fast.test"} <= set(w.hosts.addresses()))
    await until(lambda: w.mail("alice@mailhub.test"))


async def test_a_mailing_to_a_domain_that_hangs_delays_nobody(tmp_path: Path) -> None:
    async with world(tmp_path, active_limit=60, concurrency=30) as w:
        gate = await mailing(w, 400)
        await others_arrive(w)
        assert w.manager.active < 60
        del w.hosts.hangs["slow.test"]
        gate.set()
        await w.manager.idle()
        assert len(w.hosts.taken) == 402


async def test_nor_does_it_after_a_restart_when_it_is_due_before_all_others(tmp_path: Path) -> None:
    async with world(tmp_path, active_limit=60, concurrency=30) as w:
        gate = await mailing(w, 400)
        await w.stop()
        queue = w.store.queue
        for address, sender in (("x@fast.test", LIST), ("y@fast.test", "somebody@far.test")):
            number = queue.new_id()
            content = NewContent(number, b"", Body(len(TEXT), TEXT))
            now = w.clock.now()
            await queue.put(NewItem(number, content, sender, (NewRecipient(0, address),), now, now, in_line=True))
        w.make_manager(w.queue)
        await w.start()
        await until(lambda: {"x@fast.test", "y@fast.test"} <= set(w.hosts.addresses()))
        gate.set()
        await w.manager.idle()
        assert len(w.hosts.taken) == 402


async def test_nor_does_one_message_to_very_many(tmp_path: Path) -> None:
    async with world(tmp_path, active_limit=60, concurrency=30) as w:
        gate = w.hosts.hangs["slow.test"] = asyncio.Event()
        number = w.spool.new_id()
        many = tuple(Recipient(f"u{n}@slow.test") for n in range(3_000))
        await w.spool.put(number, Envelope(LIST, many), Body(len(TEXT), TEXT), b"", Origin())
        await others_arrive(w)
        gate.set()
        await w.manager.idle()
        assert len(w.hosts.taken) == 3_002


async def test_mail_that_shares_a_host_that_hangs_does_not_delay_local_mail(tmp_path: Path) -> None:
    """By a relayhost hundreds of domains are one destination; that is learnt from the first deliveries."""
    w = World(tmp_path, msgspec.structs.replace(Queue(), retry=LADDER, jitter=0.0, active_limit=60, concurrency=30))
    w.delivery = msgspec.structs.replace(w.delivery, relayhost="slow.test")
    await w.open()
    await w.directory.add_account("alice@mailhub.test", None)
    await w.start()
    gate = w.hosts.hangs["slow.test"] = asyncio.Event()
    await asyncio.gather(*(w.put(f"u@d{n}.test", sender=f"s{n}@far.test") for n in range(400)))
    await w.put("alice@mailhub.test")
    await until(lambda: w.mail("alice@mailhub.test"))
    gate.set()
    await w.manager.idle()
    await w.clock.advance(3_600)
    assert len(w.hosts.taken) == 400
    await w.stop()
    await w.close()


async def test_a_destination_may_have_its_own_ladder_and_lifetime(tmp_path: Path) -> None:
    entry = Destination(domain=".slow.test", retry=(50.0, 100.0), lifetime=300.0)
    async with world(tmp_path, destination=(entry,)) as w:
        w.hosts.says = {"mx.slow.test": LATER, "far.test": LATER}
        began = w.clock.now()
        await w.put("x@mx.slow.test", "y@far.test", sender="alice@mailhub.test")
        await w.clock.advance(1_000)
        times = [(when - began, name) for when, name in w.hosts.calls]
        assert [when for when, name in times if name == "mx.slow.test"] == [0, 50, 150, 250, 300]
        assert [when for when, name in times if name == "far.test"] == [0, 300, 900]
        (report,) = await w.mail("alice@mailhub.test")
        assert b"x@mx.slow.test" in report
        assert [r.address for item in await w.queued() for r in item.recipients] == ["y@far.test"]


# --- a destination in trouble ---------------------------------------------------------------------------------------


async def test_mail_for_a_destination_that_does_not_answer_is_deferred_with_its_trouble(tmp_path: Path) -> None:
    async with world(tmp_path, destination_concurrency_start=2) as w:
        w.hosts.says = {"far.test": SILENT}
        for n in range(6):
            await w.put(f"u{n}@far.test")
        await w.manager.idle()
        assert len(w.hosts.calls) == 2, "a round of trouble, and nobody else is tried"
        recipients = [r for item in await w.queued() for r in item.recipients]
        assert {r.attempts for r in recipients} == {1}
        reasons = sorted(str(r.last) for r in recipients)
        assert reasons[:2] == ["451 4.4.1 No answer"] * 2
        assert reasons[2:] == ["451 4.4.1 Not tried, for the destination was in trouble just now: No answer"] * 4
        w.hosts.says = {}
        await w.clock.advance(LADDER[0] + 1)
        assert len(w.hosts.taken) == 6


async def test_mail_expires_though_its_destination_rests(tmp_path: Path) -> None:
    async with world(tmp_path, destination_concurrency_start=1, lifetime=700.0, destination_pause=600.0) as w:
        w.hosts.says = {"far.test": SILENT}
        for n in range(3):
            await w.put(f"u{n}@far.test", sender="alice@mailhub.test")
        await w.clock.advance(1_000)
        assert await w.queued() == []
        reports = await w.mail("alice@mailhub.test")
        assert len(reports) == 3
        assert all(b"4.4.7" in report and b"No answer" in report for report in reports)


async def test_a_flush_asks_a_destination_that_rests(tmp_path: Path) -> None:
    async with world(tmp_path, destination_concurrency_start=1) as w:
        w.hosts.says = {"far.test": SILENT}
        await w.put("u@far.test")
        await w.manager.idle()
        w.hosts.says = {}
        assert await w.spool.turn("far.test") == 1  # ETRN
        await w.manager.idle()
        assert w.hosts.addresses() == ["u@far.test"]
