"""Reports as Python's own email package reads them, and a reader of ours that forgives nothing."""

import email
import email.policy
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from support.dsn_reader import Read
from support.dsn_reader import read as strict

from mailhub.message import report
from mailhub.message.report import Report, Returned
from mailhub.message.report_fields import Fields, Reported
from mailhub.model.reply import Reply

NO_SUCH_USER = Reply(550, "5.1.1", "<carol@c.example>: no such user")
FAILED = Reported(
    "carol@c.example", "failed", NO_SUCH_USER, "rfc822;c@b.example", "mx.c.example[192.0.2.9]", 1_795_687_200
)
FIELDS = Fields(
    hostname="mx.example",
    queue_id="0FQ6",
    sender="alice@a.example",
    arrival=1_795_687_100,
    recipients=(FAILED,),
    envid="envelope 1",
)
REPORT = Report(
    sender="MAILER-DAEMON@mx.example",
    to="alice@a.example",
    message_id="<0FQ7@mx.example>",
    date=1_795_687_300,
    subject="Undelivered mail",
    texts=(("failed", "It could not be delivered."),),
    fields=FIELDS,
    returned=Returned(b"From: alice@a.example\r\nSubject: hello\r\n\r\n"),
)


def with_fields(made: Report = REPORT, **changes: object) -> Report:
    return replace(made, fields=replace(made.fields, **changes))  # type: ignore[arg-type]


def written(made: Report, message: bytes = b"") -> bytes:
    rendered = report.render(made)
    return rendered.head + message + rendered.tail


def read(data: bytes) -> EmailMessage:
    message = email.message_from_bytes(data, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    assert not message.defects
    assert not any(part.defects for part in message.walk())
    return message


def test_a_failure() -> None:
    data = written(REPORT)
    message = read(data)
    assert message["From"] == "Mail Delivery System <MAILER-DAEMON@mx.example>"
    assert message["To"] == "alice@a.example"
    assert message["Auto-Submitted"] == "auto-replied"
    assert message["Date"].datetime.timestamp() == 1_795_687_300
    assert message.get_content_type() == "multipart/report"
    assert message["Content-Type"].params["report-type"] == "delivery-status"
    text, status, header = message.iter_parts()
    assert text.get_content().replace("\r\n", "\n") == (
        "It could not be delivered.\n\n"
        "<carol@c.example> (<c@b.example>)\n"
        "    mx.c.example[192.0.2.9]: 550 5.1.1 <carol@c.example>: no such user\n"
    )
    whole, recipient = status.get_payload()
    assert dict(whole.items()) == {
        "Original-Envelope-Id": "envelope 1",
        "Reporting-MTA": "dns; mx.example",
        "X-Mailhub-Queue-ID": "0FQ6",
        "X-Mailhub-Sender": "rfc822; alice@a.example",
        "Arrival-Date": "Thu, 26 Nov 2026 09:58:20 +0000",
    }
    assert dict(recipient.items()) == {
        "Original-Recipient": "rfc822;c@b.example",
        "Final-Recipient": "rfc822; carol@c.example",
        "Action": "failed",
        "Status": "5.1.1",
        "Remote-MTA": "dns; mx.c.example",
        "Diagnostic-Code": "smtp; 550 5.1.1 <carol@c.example>: no such user",
        "Last-Attempt-Date": "Thu, 26 Nov 2026 10:00:00 +0000",
        "Final-Log-ID": "0FQ6",
    }
    assert header.get_content_type() == "text/rfc822-headers"
    assert "Subject: hello" in header.get_payload()
    assert data.isascii()
    strict(data)


def test_a_delay_says_until_when_and_what_was_asked() -> None:
    late = replace(FAILED, action="delayed", reply=Reply(451, "4.4.1", "no answer"), remote="", orcpt=None,
                   will_retry_until=1_796_000_000)  # fmt: skip
    made = with_fields(replace(REPORT, texts=(("delayed", "Not yet."),)), recipients=(late,), deliver_by=1_795_700_000)
    found = strict(written(made))
    (fields,) = found.recipients
    assert (fields["Action"], fields["Status"]) == ("delayed", "4.4.1")
    assert fields["Diagnostic-Code"] == "x-mailhub; no answer"
    assert fields["Will-Retry-Until"] == "Mon, 30 Nov 2026 00:53:20 +0000"
    assert found.per_message["Deliver-By-Date"] == "Thu, 26 Nov 2026 13:33:20 +0000"
    assert "<carol@c.example>\r\n    mx.example: no answer" in found.words


@pytest.mark.parametrize("action", ["delivered", "relayed", "expanded"])
def test_success(action: str) -> None:
    done = replace(FAILED, action=action, reply=Reply(250, "", "ok"), remote="")
    (fields,) = strict(written(with_fields(recipients=(done,)))).recipients
    assert (fields["Action"], fields["Status"]) == (action, "2.0.0")


def test_several_recipients_each_have_their_fields() -> None:
    many = tuple(replace(FAILED, address=f"u{n}@c.example") for n in range(100))
    found = strict(written(with_fields(recipients=many)))
    assert [fields["Final-Recipient"] for fields in found.recipients] == [f"rfc822; u{n}@c.example" for n in range(100)]
    assert found.words.count("could not be delivered") == 1
    assert found.words.count("<u") == 100


GLOBAL = replace(FAILED, address="grüße@c.example", orcpt="utf-8;straße=1@b.example")
HEADER = "Subject: grüße\r\n\r\n".encode()


def test_who_reads_utf8_gets_a_report_in_it() -> None:
    made = replace(REPORT, returned=Returned(HEADER, eight=True, unicode=True), to="jürgen@a.example")
    data = written(with_fields(made, recipients=(GLOBAL, FAILED), international=True, sender="jürgen@a.example"))
    found = strict(data)
    assert [part.type for part in found.parts] == [
        "text/plain", "message/global-delivery-status", "message/global-headers",
    ]  # fmt: skip
    assert found.header["To"] == "<jürgen@a.example>"
    assert found.per_message["X-Mailhub-Sender"] == "utf-8; jürgen@a.example"
    assert [fields["Final-Recipient"] for fields in found.recipients] == [
        "utf-8; grüße@c.example", "rfc822; carol@c.example",
    ]  # fmt: skip
    assert found.recipients[0]["Original-Recipient"] == "utf-8;straße=1@b.example"
    read(data)


def test_all_others_get_what_seven_bits_can_say() -> None:
    made = with_fields(recipients=(replace(GLOBAL, reply=Reply(550, "5.1.1", "grüße: unbekannt")), FAILED))
    data = written(replace(made, texts=(("failed", "无法投递"),), subject="邮件无法投递"))
    assert data.isascii()
    found = strict(data)
    assert found.parts[1].type == "message/delivery-status"
    assert found.recipients[0]["Final-Recipient"] == r"utf-8; gr\x{FC}\x{DF}e@c.example"
    assert found.recipients[0]["Original-Recipient"] == r"utf-8;stra\x{DF}e\x{3D}1@b.example"
    assert found.recipients[0]["Diagnostic-Code"] == "smtp; 550 5.1.1 gr??e: unbekannt"
    assert found.words.startswith("无法投递\r\n\r\n<grüße@c.example> (<straße=1@b.example>)\r\n")
    message = read(data)
    assert message["Subject"] == "邮件无法投递"


@pytest.mark.parametrize(
    ("text", "how"),
    [("plain", "7bit"), ("a word of grüße among many others", "quoted-printable"), ("无法投递" * 40, "base64")],
)
def test_words_are_encoded_the_shorter_way(text: str, how: str) -> None:
    found = strict(written(replace(REPORT, texts=(("failed", text),))))
    assert found.parts[0].header["Content-Transfer-Encoding"] == how
    assert found.words.startswith(text)


def test_a_long_reply_is_folded_and_whole() -> None:
    reply = Reply(550, "5.7.1", "because " * 90)
    (fields,) = strict(written(with_fields(recipients=(replace(FAILED, reply=reply),)))).recipients
    assert fields["Diagnostic-Code"].split() == ["smtp;", "550", "5.7.1", *["because"] * 90]


@pytest.mark.parametrize(
    ("message", "eight", "unicode", "kind"),
    [
        (b"Subject: x\r\n\r\nhello", False, False, "message/rfc822"),
        (b"Subject: x\r\n\r\n\xff\xfe\r\n", True, False, "message/rfc822"),
        ("Subject: ü\r\n\r\nhello\r\n".encode(), True, True, "message/global"),
        (b"", False, False, "message/rfc822"),
    ],
)
def test_a_whole_message_stands_between_head_and_tail(message: bytes, eight: bool, unicode: bool, kind: str) -> None:
    made = with_fields(replace(REPORT, returned=Returned(None, eight, unicode)), international=True)
    data = written(made, message)
    found = strict(data)
    assert (found.parts[2].type, found.returned) == (kind, message)
    (inner,) = list(read(data).iter_parts())[2].iter_parts()
    assert inner["Subject"] == read(message)["Subject"]


def test_a_message_that_knows_the_boundary_does_not_break_out() -> None:
    mark = report.boundary(REPORT.message_id).encode()
    header = b"Subject: x\r\n--" + mark + b"--\r\n--" + mark + b"\r\n\r\n"
    found = strict(written(replace(REPORT, returned=Returned(header))))
    assert mark in found.returned


_ANY = st.text(max_size=2_000)
_HOSTILE = _ANY | st.sampled_from(
    ["x\r\nBcc: y@z", "a\n\nb", "\r\n\r\n--=_0FQ7_report--\r\n", "--=_0FQ7_report", "\x00\x7f", "\u2028\ud800", "ü" * 999]
)  # fmt: skip
_REPLIES = st.builds(Reply, st.integers(200, 599), st.sampled_from(["", "5.1.1", "4.4.7", "2.0.0"]), _HOSTILE)
_TIMES = st.floats(0, 1e12)


@st.composite
def _recipients(draw: st.DrawFn) -> Reported:
    action = draw(st.sampled_from(["failed", "delayed", "delivered", "relayed", "expanded"]))
    until = draw(st.none() | _TIMES) if action == "delayed" else None
    orcpt = draw(st.none() | st.builds("{};{}".format, st.sampled_from(["rfc822", "utf-8", "x400"]), _HOSTILE))
    remote = draw(_HOSTILE.map(lambda text: f"mx.{text}[192.0.2.1]") | st.just(""))
    return Reported(draw(_HOSTILE), action, draw(_REPLIES), orcpt, remote, draw(st.none() | _TIMES), until)


@given(
    st.lists(_recipients(), min_size=1, max_size=4), _HOSTILE, st.none() | _HOSTILE, _HOSTILE, _HOSTILE,
    st.binary(max_size=3_000), st.booleans(),
)  # fmt: skip
def test_nothing_from_outside_leaves_its_place(
    recipients: list[Reported], sender: str, envid: str | None, subject: str, text: str, header: bytes, utf8: bool
) -> None:
    made = replace(REPORT, to=sender, subject=subject, texts=tuple((r.action, text) for r in recipients))
    try:
        unicode = bool(header.decode())
    except UnicodeDecodeError:
        unicode = False
    made = replace(made, returned=Returned(header, not header.isascii(), unicode and not header.isascii()))
    data = written(with_fields(made, recipients=tuple(recipients), sender=sender, envid=envid, international=utf8))
    found = strict(data)
    assert [fields["Action"] for fields in found.recipients] == [recipient.action for recipient in recipients]
    assert set(found.header) == set(strict(written(REPORT)).header)
    expected: Read = strict(written(with_fields(made, envid=envid, international=utf8)))
    assert set(found.per_message) == set(expected.per_message)
    message = email.message_from_bytes(data, policy=email.policy.compat32)
    assert [part.get_content_type() for part in message.get_payload()][:2] == [part.type for part in found.parts][:2]  # type: ignore[union-attr]


@given(st.binary(max_size=5_000), st.booleans())
def test_any_message_comes_back_as_it_was(message: bytes, utf8: bool) -> None:
    made = with_fields(replace(REPORT, returned=Returned(None, not message.isascii())), international=utf8)
    rendered = report.render(made)
    data = rendered.head + message + rendered.tail
    mark = b"--" + report.boundary(REPORT.message_id).encode()
    assert rendered.tail == b"\r\n" + mark + b"--\r\n"
    assert data[len(rendered.head) : -len(rendered.tail)] == message
    if b"\r" not in message and b"\n" not in message:
        assert strict(data, long_lines=True).returned == message
