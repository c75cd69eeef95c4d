"""Reports as Python's own email package reads them: three parts, right fields, lines that can be sent."""

import email
import email.policy
from dataclasses import replace
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhub.message import report
from mailhub.message.report import Report, Reported
from mailhub.model.reply import Reply

NO_SUCH_USER = Reply(550, "5.1.1", "<carol@c.example>: no such user")
FAILED = Reported(
    "carol@c.example", "failed", NO_SUCH_USER, "rfc822;c@b.example", "mx.c.example[192.0.2.9]", 1_795_687_200
)
REPORT = Report(
    to="alice@a.example",
    hostname="mx.example",
    message_id="<0FQ7@mx.example>",
    date=1_795_687_300,
    arrival=1_795_687_100,
    recipients=(FAILED,),
    envid="envelope 1",
    header=b"From: alice@a.example\r\nSubject: hello\r\n\r\n",
)


def read(data: bytes) -> EmailMessage:
    message = email.message_from_bytes(data, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


def test_a_failure() -> None:
    message = read(report.render(REPORT))
    assert message["From"] == "Mail Delivery System <MAILER-DAEMON@mx.example>"
    assert message["To"] == "alice@a.example"
    assert message["Auto-Submitted"] == "auto-replied"
    assert message["Date"].datetime.timestamp() == 1_795_687_300
    assert message.get_content_type() == "multipart/report"
    assert message["Content-Type"].params["report-type"] == "delivery-status"
    text, status, header = message.iter_parts()
    words = text.get_content()
    assert "could not be delivered" in words
    assert "<carol@c.example>\r\n    (you wrote to c@b.example)" in words
    assert "mx.c.example[192.0.2.9] said: 550 5.1.1" in words
    whole, recipient = status.get_payload()
    assert dict(whole.items()) == {
        "Original-Envelope-Id": "envelope 1",
        "Reporting-MTA": "dns; mx.example",
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
    }
    assert header.get_content_type() == "text/rfc822-headers"
    assert "Subject: hello" in header.get_payload()
    assert report.render(REPORT).isascii()


def test_a_delay_says_until_when() -> None:
    late = replace(FAILED, action="delayed", reply=Reply(451, "4.4.1", "no answer"), remote="", orcpt=None,
                   will_retry_until=1_796_000_000)  # fmt: skip
    message = read(report.render(replace(REPORT, recipients=(late,))))
    assert message["Subject"] == "Delayed mail (still being retried)"
    text, status, _ = message.iter_parts()
    assert "DO NOT NEED TO SEND YOUR MESSAGE AGAIN" in text.get_content()
    fields = status.get_payload()[1]
    assert (fields["Action"], fields["Status"]) == ("delayed", "4.4.1")
    assert fields["Diagnostic-Code"] == "x-mailhub; no answer"
    assert fields["Will-Retry-Until"] == "Mon, 30 Nov 2026 00:53:20 +0000"


@pytest.mark.parametrize("action", ["delivered", "relayed", "expanded"])
def test_success(action: str) -> None:
    done = replace(FAILED, action=action, reply=Reply(250, "", "ok"), remote="")
    _, status, _ = read(report.render(replace(REPORT, recipients=(done,)))).iter_parts()
    fields = status.get_payload()[1]
    assert (fields["Action"], fields["Status"]) == (action, "2.0.0")


def test_several_recipients_each_have_their_fields() -> None:
    many = tuple(replace(FAILED, address=f"u{n}@c.example") for n in range(100))
    text, status, _ = read(report.render(replace(REPORT, recipients=many))).iter_parts()
    found = [fields["Final-Recipient"] for fields in status.get_payload()[1:]]
    assert found == [f"rfc822; u{n}@c.example" for n in range(100)]
    assert text.get_content().count("could not be delivered") == 1


def test_an_internationalized_address_makes_a_global_report() -> None:
    global_one = replace(FAILED, address="grüße@c.example")
    data = report.render(replace(REPORT, recipients=(global_one, FAILED), header="Subject: grüße\r\n\r\n".encode()))
    message = read(data)
    assert [part.get_content_type() for part in message.iter_parts()] == [
        "text/plain", "message/global-delivery-status", "message/global-headers",
    ]  # fmt: skip
    assert "Final-Recipient: utf-8; grüße@c.example\r\n".encode() in data
    assert b"Final-Recipient: rfc822; carol@c.example\r\n" in data


_ANY = st.text(max_size=2_000)


@given(_ANY, _ANY, _ANY, st.none() | _ANY, st.none() | _ANY, st.binary(max_size=200))
def test_whatever_a_peer_says_lines_stay_lines(
    address: str, said: str, remote: str, orcpt: str | None, envid: str | None, header: bytes
) -> None:
    one = Reported(address, "failed", Reply(550, "5.0.0", said), orcpt, remote)
    data = report.render(replace(REPORT, recipients=(one,), envid=envid, header=header))
    start = data.partition(b"/rfc822-headers\r\n")[0].partition(b"message/global-headers\r\n")[0]
    assert b"\n" not in data.replace(b"\r\n", b"")
    assert b"\r" not in data.replace(b"\r\n", b"")
    assert max(len(line) for line in start.split(b"\r\n")) <= 998
    assert data.endswith(b"--\r\n")
