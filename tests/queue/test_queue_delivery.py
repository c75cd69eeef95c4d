"""Mail through the queue: delivered, relayed, expanded, bounced; each on the real store."""

from pathlib import Path

import pytest
from support.queue_world import LATER, NEVER, World, world

from mailhub.model import ids
from mailhub.model.envelope import Notify
from mailhub.model.errors import Temporary
from mailhub.model.reply import Reply


async def test_a_message_is_filed_with_return_path_and_delivered_to(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        number = await w.put("Alice+news@mailhub.test", "x@far.test")
        await w.manager.idle()
        (mail,) = await w.mail("alice@mailhub.test")
        head = b"Return-Path: <sender@far.test>\r\nDelivered-To: Alice+news@mailhub.test\r\n"
        sent = b"Received: from test\r\nSubject: hello\r\n\r\nhow are you\r\n"
        assert mail == head + sent
        assert w.hosts.taken == [("x@far.test", sent)]  # what stands before it stays with us
        assert await w.queued() == []
        new = tmp_path / "mail" / "mailhub.test" / "alice" / "Maildir" / "new"
        assert [name.name.split(",")[0] for name in new.iterdir()] == [f"1800000000.Q{ids.text(number)}R0.mx.test"]


async def test_recipients_of_one_domain_share_a_job(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.put("a@far.test", "b@FAR.test", "c@near.test")
        await w.manager.idle()
        assert sorted(nexthop for _, nexthop in w.hosts.calls) == ["far.test", "near.test"]
        assert sorted(w.hosts.addresses()) == ["a@far.test", "b@FAR.test", "c@near.test"]


async def test_what_fails_in_one_attempt_is_told_in_one_report(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.hosts.says = {"b@far.test": NEVER, "near.test": Reply(552, "5.3.4", "Too big")}
        sender = "alice@mailhub.test"
        await w.put("a@far.test", "b@far.test", "c@near.test", "nobody@mailhub.test", sender=sender, envid="E=1")
        await w.manager.idle()
        (report,) = await w.mail(sender)
        assert report.startswith(b"Return-Path: <>\r\nDelivered-To: alice@mailhub.test\r\n")
        assert report.count(b"Action: failed") == 3
        for line in (
            b"Final-Recipient: rfc822; b@far.test",
            b"Final-Recipient: rfc822; c@near.test",
            b"Final-Recipient: rfc822; nobody@mailhub.test",
            b"Diagnostic-Code: smtp; 550 5.1.1 No such user",
            b"Remote-MTA: dns; mx.near.test",
            b"Original-Envelope-Id: E=1",
            b"Subject: hello\r\n",
        ):
            assert line in report
        assert b"how are you" not in report  # the header alone goes back
        assert await w.queued() == []


async def test_a_bounce_never_bounces(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with world(tmp_path, double_bounce_recipient="") as w:
        await w.put("nobody@mailhub.test", sender="ghost@mailhub.test")
        await w.manager.idle()
        assert await w.queued() == []
        assert await w.mail("alice@mailhub.test") == []
        assert "a bounce that cannot be delivered is dropped" in caplog.text


async def test_nobody_is_told_who_asked_never_to_be(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        sender = "alice@mailhub.test"
        await w.put("nobody@mailhub.test", sender=sender, notify=Notify.NEVER)
        await w.put("nobody@mailhub.test", sender=sender, notify=Notify.SUCCESS)
        await w.put("nobody@mailhub.test", sender=sender, notify=Notify.DELAY)
        await w.manager.idle()
        assert await w.mail(sender) == []
        await w.put("nobody@mailhub.test", sender=sender, notify=Notify.FAILURE)
        await w.manager.idle()
        assert len(await w.mail(sender)) == 1


async def test_a_report_carries_whole_lines_of_the_header_up_to_its_bound(tmp_path: Path) -> None:
    async with world(tmp_path, bounce_header_limit=1000) as w:
        text = b"".join(b"X-%d: %s\r\n" % (n, b"v" * 60) for n in range(50)) + b"\r\nthe-text\r\n"
        await w.put("nobody@mailhub.test", sender="alice@mailhub.test", text=text)
        await w.manager.idle()
        (report,) = await w.mail("alice@mailhub.test")
        assert b"X-12: " + b"v" * 60 + b"\r\n" in report
        assert b"X-49" not in report
        assert b"the-text" not in report


async def test_mail_that_comes_back_to_the_mailbox_it_left_is_refused(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        text = b"Subject: x\r\nDelivered-To: BOB@mailhub.test\r\n\r\nDelivered-To: alice@mailhub.test\r\n"
        await w.put("bob@mailhub.test", "alice@mailhub.test", sender="alice@mailhub.test", text=text)
        await w.manager.idle()
        assert await w.mail("bob@mailhub.test") == []
        report, mail = sorted(await w.mail("alice@mailhub.test"), key=lambda mail: text in mail)
        assert b"Status: 5.4.6" in report
        assert mail.endswith(text)


# --- aliases --------------------------------------------------------------------------------------------------------


async def test_an_alias_reaches_each_address_once_however_many_ways_lead_there(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.directory.set_alias("all@mailhub.test", ["team@mailhub.test", "alice@mailhub.test", "x@far.test"])
        await w.directory.set_alias("team@mailhub.test", ["bob@mailhub.test", "ALICE@mailhub.test", "X@far.test"])
        await w.put("all@mailhub.test", "bob@mailhub.test", "team@mailhub.test")
        await w.manager.idle()
        assert len(await w.mail("alice@mailhub.test")) == 1
        assert len(await w.mail("bob@mailhub.test")) == 1
        assert len(w.hosts.taken) == 1
        assert await w.queued() == []


async def test_an_alias_loop_ends_with_a_clear_bounce(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.directory.set_alias("a@mailhub.test", ["b@mailhub.test"])
        await w.directory.set_alias("b@mailhub.test", ["a@mailhub.test", "bob@mailhub.test"])
        await w.put("a@mailhub.test", "b@mailhub.test", sender="alice@mailhub.test")
        await w.manager.idle()
        (report,) = await w.mail("alice@mailhub.test")
        assert b"Status: 5.4.6" in report
        assert b"Alias loop" in report
        assert b"Original-Recipient: rfc822;" in report
        assert len(await w.mail("bob@mailhub.test")) == 1
        assert await w.queued() == []


async def test_too_many_levels_end_with_a_clear_bounce(tmp_path: Path) -> None:
    async with world(tmp_path, expansion_depth=3) as w:
        for n in range(6):
            await w.directory.set_alias(f"l{n}@mailhub.test", [f"l{n + 1}@mailhub.test"])
        await w.directory.set_alias("l6@mailhub.test", ["bob@mailhub.test"])
        await w.put("l0@mailhub.test", "l4@mailhub.test", sender="alice@mailhub.test")
        await w.manager.idle()
        (report,) = await w.mail("alice@mailhub.test")
        assert b"Status: 5.4.6" in report
        assert b"queue.expansion_depth" in report
        assert b"Original-Recipient: rfc822;l0@mailhub.test" in report
        assert len(await w.mail("bob@mailhub.test")) == 1  # l4 is three levels from bob


async def test_an_alias_of_too_many_addresses_ends_with_a_clear_bounce(tmp_path: Path) -> None:
    async with world(tmp_path, expansion_limit=2) as w:
        await w.directory.set_alias("wide@mailhub.test", ["a@far.test", "b@far.test", "c@far.test"])
        await w.put("wide@mailhub.test", sender="alice@mailhub.test")
        await w.manager.idle()
        (report,) = await w.mail("alice@mailhub.test")
        assert b"queue.expansion_limit" in report
        assert w.hosts.taken == []


async def test_a_kept_copy_and_a_catch_all(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.directory.set_alias("alice@mailhub.test", ["alice@mailhub.test", "x@far.test"])
        await w.directory.set_alias("@mailhub.test", ["bob@mailhub.test"])
        await w.put("alice@mailhub.test", "anybody@mailhub.test")
        await w.manager.idle()
        assert len(await w.mail("alice@mailhub.test")) == 1
        (caught,) = await w.mail("bob@mailhub.test")
        assert b"Delivered-To: bob@mailhub.test" in caught
        assert w.hosts.addresses() == ["x@far.test"]


async def test_a_child_keeps_what_was_asked_for_its_parent(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.hosts.says = {"far.test": LATER}
        await w.directory.set_alias("one@mailhub.test", ["x@far.test"])
        await w.directory.set_alias("two@mailhub.test", ["y@far.test", "z@far.test"])
        asked = Notify.SUCCESS | Notify.FAILURE
        await w.put("one@mailhub.test", notify=asked, orcpt="rfc822;first@else.test")
        await w.put("two@mailhub.test", notify=asked)
        await w.put("two@mailhub.test", notify=Notify.SUCCESS)
        await w.manager.idle()
        one, two, three = [item for item in await w.queued() if item.sender]
        (x,) = one.recipients
        assert (x.address, x.notify, x.orcpt) == ("x@far.test", asked, "rfc822;first@else.test")
        assert (x.parent, x.depth, x.path) == (0, 1, ("one@mailhub.test",))
        assert [r.notify for r in two.recipients] == [Notify.FAILURE] * 2
        assert {r.orcpt for r in two.recipients} == {"rfc822;two@mailhub.test"}
        assert [r.notify for r in three.recipients] == [Notify.NEVER] * 2


async def test_children_never_take_the_number_of_a_recipient_that_waits(tmp_path: Path) -> None:
    """A later expansion must not know less of the message than an earlier one."""
    async with world(tmp_path) as w:
        w.hosts.says = {"far.test": LATER}
        await w.directory.set_alias("one@mailhub.test", ["x@far.test"])
        await w.directory.set_alias("two@mailhub.test", ["y@far.test"])
        away: World = w
        plain = away.directory.alias

        async def troubled(address: str) -> tuple[str, ...] | None:
            if address == "two@mailhub.test":
                raise Temporary("the directory is away")
            return await plain(address)

        away.directory.alias = troubled  # type: ignore[method-assign]
        await w.put("one@mailhub.test", "two@mailhub.test")
        await w.manager.idle()
        away.directory.alias = plain  # type: ignore[method-assign]
        await w.clock.advance(301)
        (item,) = await w.queued()
        assert sorted(r.address for r in item.recipients) == ["x@far.test", "y@far.test"]
