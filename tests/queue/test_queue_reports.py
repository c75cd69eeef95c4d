"""What senders are told, when, and what not: every NOTIFY with every outcome on every way."""

from pathlib import Path
from typing import Literal

import msgspec
import pytest
from support.dsn_reader import Read, read
from support.queue_world import LATER, NEVER, TAKEN, World, world

from mailhub.config.schema import BounceText
from mailhub.model.envelope import DeliverBy, Envelope, MailParameters, Notify, Origin, Recipient
from mailhub.store.api import Content, Fate, NewContent, Outcome

ALICE = "alice@mailhub.test"
ASKED = {
    "nothing": Notify.DEFAULT,
    "NEVER": Notify.NEVER,
    "SUCCESS": Notify.SUCCESS,
    "FAILURE": Notify.FAILURE,
    "DELAY": Notify.DELAY,
    "all": Notify.SUCCESS | Notify.FAILURE | Notify.DELAY,
}
# What is reported: way, outcome, then by what was asked.
MATRIX = """
way         outcome    nothing    NEVER  SUCCESS    FAILURE  DELAY    all
local       delivered  -          -      delivered  -        -        delivered
local       failed     failed     -      -          failed   -        failed
dsn         delivered  -          -      -          -        -        -
dsn         failed     failed     -      -          failed   -        failed
dsn         late       delayed    -      -          -        delayed  delayed
plain       delivered  -          -      relayed    -        -        relayed
plain       failed     failed     -      -          failed   -        failed
plain       late       delayed    -      -          -        delayed  delayed
alias       delivered  -          -      relayed    -        -        relayed
alias       failed     failed     -      -          failed   -        failed
alias       late       delayed    -      -          -        delayed  delayed
list        delivered  -          -      expanded   -        -        expanded
list        failed     failed     -      expanded   failed   -        expanded+failed
list        late       delayed    -      expanded   -        delayed  expanded+delayed
secret      delivered  -          -      delivered  -        -        delivered
secret      failed     failed     -      delivered  failed   -        delivered+failed
secret      late       delayed    -      delivered  -        delayed  delivered+delayed
"""
_HEAD, *_ROWS = [line.split() for line in MATRIX.strip().split("\n")]


async def reports(w: World, account: str = ALICE) -> list[Read]:
    """The reports in the account's inbox, each of them faultless."""
    found = []
    for mail in await w.mail(account):
        assert mail.startswith(b"Return-Path: <>\r\n")
        report = read(mail)
        assert report.header["Auto-Submitted"] == "auto-replied"
        found.append(report)
    return found


@pytest.mark.parametrize("row", [pytest.param(row, id=f"{row[0]}-{row[1]}") for row in _ROWS])
async def test_what_is_told(tmp_path: Path, row: list[str]) -> None:
    """A message for each NOTIFY, whose ENVID says which."""
    way, outcome, *cells = row
    async with world(tmp_path, confidential_aliases=("Secret@mailhub.test",)) as w:
        await w.directory.set_alias("alias@mailhub.test", ["x@far.test"])
        await w.directory.set_alias("secret@mailhub.test", ["x@far.test"])
        await w.directory.set_alias("list@mailhub.test", ["x@far.test", "bob@mailhub.test"])
        w.hosts.reports = way == "dsn"
        w.hosts.says["far.test"] = {"delivered": TAKEN, "failed": NEVER, "late": LATER}[outcome]
        to = f"{way}@mailhub.test" if way in ("alias", "list", "secret") else "x@far.test"
        if way == "local":
            to = "bob@mailhub.test" if outcome == "delivered" else "nobody@mailhub.test"
        for envid, notify in ASKED.items():
            await w.put(to, sender=ALICE, notify=notify, envid=envid)
        await w.clock.advance(5 * 3600 if outcome == "late" else 60)
        told: dict[str, list[str]] = {envid: [] for envid in ASKED}
        for report in await reports(w):
            for fields in report.recipients:
                told[report.per_message["Original-Envelope-Id"]].append(fields["Action"])
                ours = fields["Action"] == "expanded" or way in ("local", "secret")
                if way in ("alias", "list") and not ours:
                    assert fields["Original-Recipient"] == f"rfc822;{to}"
                assert fields["Final-Recipient"] == f"rfc822; {to if ours else 'x@far.test'}"
                assert ("Remote-MTA" in fields) == (not ours)
        expected = {asked: [] if cell == "-" else cell.split("+") for asked, cell in zip(_HEAD[2:], cells, strict=True)}
        assert {envid: sorted(actions) for envid, actions in told.items()} == {
            envid: sorted(actions) for envid, actions in expected.items()
        }
        assert way != "secret" or not any(b"far.test" in mail for mail in await w.mail(ALICE))
        assert [item for item in await w.queued() if not item.sender] == [], "every report has arrived"


async def test_the_delay_is_told_once(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.hosts.says["far.test"] = LATER
        await w.put("x@far.test", "y@far.test", sender=ALICE)
        await w.clock.advance(3 * 86_400)
        (report,) = await reports(w)
        assert [fields["Action"] for fields in report.recipients] == ["delayed", "delayed"]
        assert "after\r\n4 hours" in report.words


@pytest.mark.parametrize(("confirm", "told"), [(True, ["delayed", "relayed"]), (False, ["delayed"])])
async def test_that_the_delay_is_over_is_told_where_it_is_wanted(
    tmp_path: Path, confirm: bool, told: list[str]
) -> None:
    async with world(tmp_path, confirm_delay_cleared=confirm) as w:
        w.hosts.says["far.test"] = LATER
        await w.put("x@far.test", sender=ALICE)
        await w.clock.advance(5 * 3600)
        w.hosts.says["far.test"] = TAKEN
        await w.put("y@far.test", sender=ALICE)
        await w.clock.advance(3600)
        assert [report.recipients[0]["Action"] for report in await reports(w)] == told


async def test_very_many_recipients_are_told_of_in_several_reports(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.put(*(f"nobody{n}@mailhub.test" for n in range(501)), sender=ALICE)
        await w.clock.advance(60)
        assert sorted(len(report.recipients) for report in await reports(w)) == [1, 500]


# --- what goes back -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [10, 100_000])
async def test_the_whole_message_goes_back_where_it_is_asked_for(tmp_path: Path, size: int) -> None:
    """The larger one lies in a spool file, which the report shares."""
    text = b"Subject: hello\r\n\r\n" + b"x" * 60 + b"\r\n" + b".\xff line\r\n" * (size // 8)
    async with world(tmp_path, bounce_size_limit=1_000_000) as w:
        await w.put("nobody@mailhub.test", sender=ALICE, text=text, ret="FULL")
        await w.clock.advance(60)
        (report,) = await reports(w)
        assert report.parts[2].type == "message/rfc822"
        assert report.returned == b"Received: from test\r\n" + text
        assert (await w.queued(), list((tmp_path / "spool").iterdir())) == ([], [])


async def test_a_large_body_is_never_held_for_its_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read in blocks, and neither copied nor written again: the two have one spool file."""
    async with world(tmp_path, bounce_size_limit=10_000_000) as w:
        w.hosts.says["far.test"] = LATER
        writer = w.spool.body_writer()
        for _ in range(80):
            writer.feed(b"Subject: x\r\n\r\n" + b"y" * 65_000 + b"\r\n")
            await writer.drain()
        body = await writer.finish()
        envelope = Envelope(ALICE, (Recipient("x@far.test"),), MailParameters(ret="FULL"))
        await w.spool.put(w.spool.new_id(), envelope, body, b"", Origin())
        await w.manager.idle()
        (item,) = await w.queued()
        lengths: list[int] = []
        plain = type(item.content).read

        async def watched(self: Content, offset: int, length: int) -> bytes:
            lengths.append(length)
            return await plain(self, offset, length)

        monkeypatch.setattr(type(item.content), "read", watched)
        (report,) = await w.manager._shared.bounces.born(item, [Outcome(0, Fate.FAILED, NEVER)])
        assert isinstance(report.content, NewContent)
        assert report.content.body == body
        assert body.spool is not None
        assert len(report.content.prefix) + len(report.content.tail) < 3_000
        assert max(lengths) <= 262_144 < item.content.size


@pytest.mark.parametrize(
    ("asked", "limit"), [({"ret": "FULL"}, 100), ({"ret": "HDRS"}, 10_000), ({}, 10_000), ({"ret": "FULL"}, 0)]
)
async def test_else_the_header_alone(tmp_path: Path, asked: dict[str, str], limit: int) -> None:
    text = b"Subject: hello\r\n\r\n" + b"how are you\r\n" * 10
    async with world(tmp_path, bounce_size_limit=limit) as w:
        await w.put("nobody@mailhub.test", sender=ALICE, text=text, **asked)
        await w.clock.advance(60)
        (report,) = await reports(w)
        assert report.parts[2].type == "text/rfc822-headers"
        assert report.returned == b"Received: from test\r\nSubject: hello\r\n"


async def test_a_delay_never_returns_the_whole(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.hosts.says["far.test"] = LATER
        await w.put("x@far.test", sender=ALICE, ret="FULL")
        await w.clock.advance(5 * 3600)
        (report,) = await reports(w)
        assert report.parts[2].type == "text/rfc822-headers"


async def test_binary_content_does_not_go_back(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.put("nobody@mailhub.test", sender=ALICE, ret="FULL", body="BINARYMIME")
        await w.clock.advance(60)
        (report,) = await reports(w)
        assert report.parts[2].type == "text/rfc822-headers"


# --- double bounces, floods -----------------------------------------------------------------------------------------


async def test_what_can_not_be_returned_goes_to_postmaster_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with world(tmp_path) as w:
        await w.directory.set_alias("postmaster@mailhub.test", ["bob@mailhub.test"])
        await w.put("nobody@mailhub.test", sender="ghost@mailhub.test")
        await w.clock.advance(60)
        (report,) = await reports(w, "bob@mailhub.test")
        assert report.header["Subject"] == "Undeliverable bounce"
        assert report.per_message["X-Mailhub-Sender"] == "rfc822;"
        (fields,) = report.recipients
        assert (fields["Final-Recipient"], fields["Action"]) == ("rfc822; ghost@mailhub.test", "failed")
        assert report.parts[2].type == "message/rfc822"
        inner = read(report.returned)
        assert inner.recipients[0]["Final-Recipient"] == "rfc822; nobody@mailhub.test"
        assert await w.queued() == []


async def test_the_whole_message_is_inside_the_whole_report(tmp_path: Path) -> None:
    text = b"Subject: hello\r\n\r\n" + b"how are you\r\n" * 20_000
    async with world(tmp_path, bounce_size_limit=1_000_000) as w:
        await w.put("nobody@mailhub.test", sender="ghost@mailhub.test", text=text, ret="FULL")
        await w.clock.advance(60)
        (report,) = await reports(w)
        assert read(report.returned).returned == b"Received: from test\r\n" + text
        assert list((tmp_path / "spool").iterdir()) == []


async def test_there_is_no_triple(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with world(tmp_path, double_bounce_recipient="nowhere@mailhub.test") as w:
        await w.put("nobody@mailhub.test", sender="ghost@mailhub.test")
        await w.clock.advance(86_400)
        assert await w.queued() == []
        assert caplog.text.count("a bounce that cannot be delivered is dropped") == 1
        assert sum("double, to='nowhere@mailhub.test'" in line for line in caplog.text.splitlines()) <= 1
        assert await w.mail("bob@mailhub.test") == []


async def test_a_flood_of_reports_ends_and_the_log_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with world(tmp_path, bounce_rate_limit=3) as w:
        for _ in range(5):
            await w.put("nobody@mailhub.test", sender=ALICE)
            await w.put("nobody@mailhub.test", sender="bob@mailhub.test", notify=Notify.NEVER)
        await w.clock.advance(60)
        assert len(await reports(w)) == 3
        assert caplog.text.count("queue.bounce_rate_limit of 3 in an hour is reached") == 2
        await w.clock.advance(3600)
        await w.put("nobody@mailhub.test", sender=ALICE)
        await w.clock.advance(60)
        assert len(await reports(w)) == 4


# --- words ----------------------------------------------------------------------------------------------------------


async def test_several_languages_stand_one_below_the_other(tmp_path: Path) -> None:
    async with world(tmp_path, bounce_languages=("zh", "en")) as w:
        await w.put("nobody@mailhub.test", sender=ALICE)
        await w.clock.advance(60)
        (report,) = await reports(w)
        chinese, english = report.words.index("您的邮件"), report.words.index("Your message")
        assert chinese < english < report.words.index("<nobody@mailhub.test>")
        assert report.words.count("<nobody@mailhub.test>") == 1
        assert "邮件无法投递" not in report.header["Subject"]
        assert report.header["Subject"].startswith("=?utf-8?")


async def test_other_words_from_the_next_report_on(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.manager.configure(msgspec.structs.replace(w.config, bounce_languages=("zh",)))
        await w.put("nobody@mailhub.test", sender=ALICE)
        await w.clock.advance(60)
        (report,) = await reports(w)
        assert report.words.startswith("这是 mx.test 的邮件系统")


async def test_the_operators_own_words(tmp_path: Path) -> None:
    own = BounceText(
        language="en", action="failed", subject="Sorry: $queue_id", body="Dear ${sender}, $$5 from $hostname"
    )
    async with world(tmp_path, bounce_texts=(own,)) as w:
        await w.put("nobody@mailhub.test", sender=ALICE)
        await w.clock.advance(60)
        (report,) = await reports(w)
        assert report.header["Subject"] == f"Sorry: {report.per_message['X-Mailhub-Queue-ID']}"
        assert report.words.startswith(f"Dear {ALICE}, $5 from mx.test\r\n")


# --- extensions -----------------------------------------------------------------------------------------------------


async def test_by_that_has_passed_is_told_and_delivery_goes_on(tmp_path: Path) -> None:
    """RFC 2852 section 4.1.4.2."""
    async with world(tmp_path) as w:
        w.hosts.says["far.test"] = LATER
        by = DeliverBy(w.clock.now() + 1_000, "N")
        await w.put("x@far.test", sender=ALICE, deliver_by=by)
        await w.clock.advance(1_100)
        (report,) = await reports(w)
        (fields,) = report.recipients
        assert (fields["Action"], fields["Status"]) == ("delayed", "4.4.7")
        assert fields["Diagnostic-Code"] == "smtp; 450 4.4.7 Greylisted"
        assert "Deliver-By-Date" in report.per_message
        assert len([item for item in await w.queued() if item.sender]) == 1


async def test_by_that_has_passed_ends_it_where_that_was_asked(tmp_path: Path) -> None:
    """RFC 2852 section 4.1.4.1."""
    async with world(tmp_path) as w:
        w.hosts.says["far.test"] = LATER
        await w.put("x@far.test", sender=ALICE, deliver_by=DeliverBy(w.clock.now() + 1_000, "R"))
        await w.clock.advance(1_100)
        (report,) = await reports(w)
        assert (report.recipients[0]["Action"], report.recipients[0]["Status"][2:]) == ("failed", "4.7")
        assert await w.queued() == []


@pytest.mark.parametrize(("notify", "told"), [(Notify.DEFAULT, 1), (Notify.FAILURE, 1), (Notify.NEVER, 0)])
@pytest.mark.parametrize(("mode", "trace", "reporting"), [("N", True, True), ("R", True, False), ("N", False, False)])
async def test_a_relay_is_told_where_by_is_traced_or_ends(
    tmp_path: Path, notify: Notify, told: int, mode: Literal["N", "R"], trace: bool, reporting: bool
) -> None:
    """RFC 2852 sections 4.1.4 and 4.1.4.2."""
    async with world(tmp_path) as w:
        w.hosts.reports = reporting
        by = DeliverBy(w.clock.now() + 1_000, mode, trace)
        await w.put("x@far.test", sender=ALICE, deliver_by=by, notify=notify)
        await w.clock.advance(60)
        assert [report.recipients[0]["Action"] for report in await reports(w)] == ["relayed"] * told


async def test_a_report_is_as_urgent_as_what_it_tells_of(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.hosts.says["gone.test"] = LATER
        await w.put("nobody@mailhub.test", sender="a@gone.test", priority=4)
        await w.manager.idle()
        (report,) = await w.queued()
        assert (report.sender, report.parameters.priority) == ("", 4)
        assert report.recipients[0].notify == Notify.NEVER


async def test_a_report_needs_tls_where_the_message_did_and_returns_no_body(tmp_path: Path) -> None:
    """RFC 8689 section 5."""
    async with world(tmp_path) as w:
        w.hosts.says["gone.test"] = LATER
        await w.put(
            "nobody@mailhub.test",
            sender="a@gone.test",
            text=b"Subject: s\r\n\r\nsecret\r\n",
            requiretls=True,
            ret="FULL",
        )
        await w.manager.idle()
        (report,) = await w.queued()
        assert report.parameters.requiretls
        assert b"secret" not in await report.content.read(0, report.content.size)


@pytest.mark.parametrize(
    ("utf8", "kind"), [(True, "message/global-delivery-status"), (False, "message/delivery-status")]
)
async def test_addresses_of_other_scripts(tmp_path: Path, utf8: bool, kind: str) -> None:
    async with world(tmp_path) as w:
        await w.directory.set_alias("alias@mailhub.test", ["grüße@mailhub.test"])
        text = "Subject: grüße\r\n\r\nhello\r\n".encode() if utf8 else b"Subject: x\r\n\r\nhello\r\n"
        await w.put("alias@mailhub.test", sender=ALICE, smtputf8=utf8, text=text, ret="FULL")
        await w.clock.advance(60)
        (report,) = await reports(w)
        assert report.parts[1].type == kind
        final = report.recipients[0]["Final-Recipient"]
        assert final == ("utf-8; grüße@mailhub.test" if utf8 else r"utf-8; gr\x{FC}\x{DF}e@mailhub.test")
        assert report.parts[2].type == ("message/global" if utf8 else "message/rfc822")


async def test_postmaster_is_always_there(tmp_path: Path) -> None:
    """RFC 5321 section 4.5.1; also of a bounce that nobody else takes."""
    async with world(tmp_path) as w:
        await w.put("nobody@mailhub.test", sender="ghost@mailhub.test")
        await w.clock.advance(60)
        assert len(await reports(w)) == 1, "no alias: the first account"


@pytest.mark.parametrize("login", ["", "bob@mailhub.test"])
async def test_a_forged_loop_behind_an_alias_is_told_to_nobody_who_may_not_have_sent_it(
    tmp_path: Path, login: str
) -> None:
    """SMTP refuses it where the mailbox itself is named; whoever forged Delivered-To may have forged the sender, too."""
    async with world(tmp_path, double_bounce_recipient="bob@mailhub.test") as w:
        await w.directory.set_alias("team@mailhub.test", ["alice@mailhub.test", "x@far.test"])
        text = b"Delivered-To: alice@mailhub.test\r\nSubject: x\r\n\r\ntext\r\n"
        await w.put("team@mailhub.test", sender="victim@far.test", text=text, login=login)
        await w.manager.idle()
        assert await w.mail("alice@mailhub.test") == []
        assert sorted(w.hosts.addresses()) == (["victim@far.test", "x@far.test"] if login else ["x@far.test"])
        told = await w.mail("bob@mailhub.test")
        assert [b"Status: 5.4.6" in report for report in told] == ([] if login else [True])
        assert await w.queued() == []
