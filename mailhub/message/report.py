"""Delivery status notifications: multipart/report for people and machines (RFC 3464, RFC 6522, RFC 6533)."""

import re
import textwrap
from dataclasses import dataclass

from mailhub.model.reply import Reply

from .stamps import date_time

_CONTROL = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]+")
_TEXT_LIMIT = 240  # characters of one value: even in UTF-8 its line stays below 998 octets
_WIDTH = 76


@dataclass(frozen=True, slots=True)
class Reported:
    """What became of one recipient. `action`: failed, delayed, delivered, relayed or expanded (RFC 3464 section 2.3.3)."""

    address: str
    action: str
    reply: Reply
    orcpt: str | None = None
    remote: str = ""  # the host that said it, "name[address]" or a name; "" for ourselves
    last_attempt: float | None = None
    will_retry_until: float | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """A report to `to` (the envelope sender of the message) on a message that arrived at `arrival`; times in seconds."""

    to: str
    hostname: str
    message_id: str
    date: float
    arrival: float
    recipients: tuple[Reported, ...]
    envid: str | None = None
    header: bytes = b""  # of the message, already cut to its bound


_SUBJECTS = {
    "failed": "Undelivered mail returned to sender",
    "delayed": "Delayed mail (still being retried)",
    "delivered": "Your mail was delivered",
    "relayed": "Your mail was passed on",
    "expanded": "Your mail was passed on to a list of recipients",
}
_OPENINGS = {
    "failed": "Your message could not be delivered to the recipients below. It will not be tried again.",
    "delayed": (
        "THIS IS A WARNING ONLY. YOU DO NOT NEED TO SEND YOUR MESSAGE AGAIN.\n\n"
        "Your message has not been delivered yet to the recipients below. Delivery goes on being tried."
    ),
    "delivered": "Your message was delivered to the recipients below, as you asked to be told.",
    "relayed": (
        "Your message was passed on for the recipients below to a mail system that sends no reports of success. "
        "You may hear nothing more of it."
    ),
    "expanded": "Your message was passed on to all those for whom the recipients below stand.",
}
_FALLBACK = {"failed": "5.0.0", "delayed": "4.0.0"}


def render(report: Report) -> bytes:
    """The whole message, CRLF line ends, ready to be queued with the null sender. Needs one recipient at the least."""
    utf8 = not all(r.address.isascii() and (r.orcpt or "").isascii() for r in report.recipients)
    boundary = f"=_{_CONTROL.sub('', report.message_id).strip('<>').partition('@')[0]}_report"
    parts = [
        _part("text/plain; charset=utf-8", _text(report).encode("utf-8", "replace")),
        _part(
            "message/global-delivery-status" if utf8 else "message/delivery-status",
            _status(report).encode("utf-8", "replace"),
        ),
        _part(
            "text/rfc822-headers" if report.header.isascii() else "message/global-headers",
            b"\r\n".join([line.replace(b"\r", b"") for line in report.header.rstrip(b"\r\n").split(b"\n")]) + b"\r\n",
        ),
    ]
    mark = f"--{boundary}\r\n".encode()
    return (
        _header(report, boundary, parts) + b"".join([mark + part + b"\r\n" for part in parts]) + mark[:-2] + b"--\r\n"
    )


def _header(report: Report, boundary: str, parts: list[bytes]) -> bytes:
    lines = [
        f"From: Mail Delivery System <MAILER-DAEMON@{report.hostname}>",
        f"To: <{_line(report.to)}>",
        f"Subject: {_SUBJECTS.get(report.recipients[0].action, 'Report on your mail')}",
        f"Date: {date_time(report.date)}",
        f"Message-ID: {report.message_id}",
        "Auto-Submitted: auto-replied",
        "MIME-Version: 1.0",
        f'Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary="{boundary}"',
    ]
    if not all(part.isascii() for part in parts):
        lines.append("Content-Transfer-Encoding: 8bit")
    return "\r\n".join([*lines, "", ""]).encode("utf-8", "replace")


def _part(content_type: str, content: bytes) -> bytes:
    encoding = "7bit" if content.isascii() else "8bit"
    return f"Content-Type: {content_type}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n".encode() + content


def _line(text: str) -> str:
    """Text from outside on one line of bounded length."""
    text = _CONTROL.sub(" ", text)
    return text if len(text) <= _TEXT_LIMIT else text[: _TEXT_LIMIT - 3] + "..."


def _text(report: Report) -> str:
    """What a person reads: each kind of outcome with its recipients and the reason in the words of who gave it."""
    paragraphs = [f"This is the mail system at {report.hostname}."]
    for action in dict.fromkeys(recipient.action for recipient in report.recipients):
        paragraphs += _OPENINGS.get(action, "This became of your message:").split("\n\n")
        for recipient in report.recipients:
            if recipient.action == action:
                paragraphs.append(_reason(recipient))
    wrapped = [
        "\r\n".join(textwrap.wrap(paragraph, _WIDTH, break_on_hyphens=False, break_long_words=False))
        if not paragraph.startswith("<")
        else paragraph
        for paragraph in paragraphs
    ]
    return "\r\n\r\n".join(wrapped) + "\r\n"


def _reason(recipient: Reported) -> str:
    said = f"{recipient.remote} said: {recipient.reply}" if recipient.remote else recipient.reply.text
    lines = [f"<{_line(recipient.address)}>"]
    asked = (recipient.orcpt or "").partition(";")[2]
    if asked and asked != recipient.address:
        lines.append(f"    (you wrote to {_line(asked)})")
    lines += textwrap.wrap(_line(said), _WIDTH, initial_indent="    ", subsequent_indent="    ", break_on_hyphens=False)
    if recipient.will_retry_until is not None:
        lines.append(f"    It will be tried until {date_time(recipient.will_retry_until)}.")
    return "\r\n".join(lines)


def _status(report: Report) -> str:
    """The fields for machines (RFC 3464 section 2)."""
    groups = [[f"Reporting-MTA: dns; {report.hostname}", f"Arrival-Date: {date_time(report.arrival)}"]]
    if report.envid is not None:
        groups[0].insert(0, f"Original-Envelope-Id: {_line(report.envid)}")
    groups += [_status_of(recipient) for recipient in report.recipients]
    return "\r\n\r\n".join("\r\n".join(group) for group in groups) + "\r\n"


def _status_of(recipient: Reported) -> list[str]:
    reply = recipient.reply
    kind = "rfc822" if recipient.address.isascii() else "utf-8"
    lines = [
        f"Final-Recipient: {kind}; {_line(recipient.address)}",
        f"Action: {recipient.action}",
        f"Status: {reply.enhanced or _FALLBACK.get(recipient.action, '2.0.0')}",
    ]
    if recipient.orcpt is not None:
        lines.insert(0, f"Original-Recipient: {_line(recipient.orcpt)}")
    if recipient.remote:
        lines.append(f"Remote-MTA: dns; {_line(recipient.remote.partition('[')[0] or recipient.remote)}")
        lines.append(f"Diagnostic-Code: smtp; {_line(str(reply))}")
    else:
        lines.append(f"Diagnostic-Code: x-mailhub; {_line(reply.text)}")
    if recipient.last_attempt is not None:
        lines.append(f"Last-Attempt-Date: {date_time(recipient.last_attempt)}")
    if recipient.will_retry_until is not None:
        lines.append(f"Will-Retry-Until: {date_time(recipient.will_retry_until)}")
    return lines
