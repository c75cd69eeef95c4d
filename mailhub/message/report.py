"""Delivery status notifications: multipart/report for people and machines (RFC 3464, RFC 6522, RFC 6533)."""

import re
from dataclasses import dataclass

from mailhub.model.reply import Reply

from .stamps import date_time

_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")
_TEXT_LIMIT = 900  # characters of a peer's words in one field


@dataclass(frozen=True, slots=True)
class Reported:
    """What became of one recipient. `action`: failed, delayed, delivered, relayed or expanded (RFC 3464 section 2.3.3)."""

    address: str
    action: str
    reply: Reply
    orcpt: str | None = None
    remote: str = ""  # who said it; "" for ourselves
    last_attempt: float | None = None
    will_retry_until: float | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """A report to `to` (the envelope sender of the message) on a message that arrived at `arrival`."""

    to: str
    hostname: str
    message_id: str
    date: float
    arrival: float
    recipients: tuple[Reported, ...]
    envid: str | None = None
    header: bytes = b""  # of the message, already cut to its bound


def _line(text: str) -> str:
    return _CONTROL.sub(" ", text)[:_TEXT_LIMIT]


def _explain(reported: Reported) -> str:
    said = f"{reported.remote} said: " if reported.remote else ""
    return f"<{_line(reported.address)}>: {_line(said + str(reported.reply))}"


_SUBJECT = {"failed": "Undelivered mail returned to sender", "delayed": "Delayed mail (still being retried)"}
_OPENING = {
    "failed": "Your message could not be delivered to the recipients below.\nIt will not be tried again.",
    "delayed": "Your message has not been delivered yet to the recipients below.\n"
    "You need not send it again: delivery goes on being tried.",
}


def _utf8(report: Report) -> bool:
    return not all(r.address.isascii() and (r.orcpt or "").isascii() for r in report.recipients)


def _status_part(report: Report) -> str:
    lines = [f"Reporting-MTA: dns; {report.hostname}"]
    if report.envid is not None:
        lines.append(f"Original-Envelope-Id: {_line(report.envid)}")
    lines.append(f"Arrival-Date: {date_time(report.arrival)}")
    kind = "utf-8" if _utf8(report) else "rfc822"
    for reported in report.recipients:
        lines.append("")
        if reported.orcpt is not None:
            lines.append(f"Original-Recipient: {_line(reported.orcpt)}")
        lines += [
            f"Final-Recipient: {kind}; {_line(reported.address)}",
            f"Action: {reported.action}",
            f"Status: {reported.reply.enhanced or ('5.0.0' if reported.reply.permanent else '4.0.0')}",
        ]
        if reported.remote:
            lines.append(f"Remote-MTA: dns; {_line(reported.remote.partition('[')[0] or reported.remote)}")
            lines.append(f"Diagnostic-Code: smtp; {_line(str(reported.reply))}")
        else:
            lines.append(f"Diagnostic-Code: X-mailhub; {_line(reported.reply.text)}")
        if reported.last_attempt is not None:
            lines.append(f"Last-Attempt-Date: {date_time(reported.last_attempt)}")
        if reported.will_retry_until is not None:
            lines.append(f"Will-Retry-Until: {date_time(reported.will_retry_until)}")
    return "\n".join(lines) + "\n"


def render(report: Report) -> bytes:
    """The whole message, CRLF line ends, ready to be queued with the null sender."""
    action = report.recipients[0].action
    utf8 = _utf8(report)
    status_type = "message/global-delivery-status" if utf8 else "message/delivery-status"
    header_type = "text/rfc822-headers" if report.header.isascii() else "message/global-headers"
    boundary = f"=_{report.message_id.strip('<>').partition('@')[0]}_report"
    why = "\n".join(_explain(reported) for reported in report.recipients)
    text = f"This is the mail system at {report.hostname}.\n\n{_OPENING.get(action, 'A report on your message.')}\n\n{why}\n"
    head = (
        f"From: Mail Delivery System <MAILER-DAEMON@{report.hostname}>\nTo: <{_line(report.to)}>\n"
        f"Subject: {_SUBJECT.get(action, 'Delivery report')}\nDate: {date_time(report.date)}\n"
        f"Message-ID: {report.message_id}\nAuto-Submitted: auto-replied\nMIME-Version: 1.0\n"
        f'Content-Type: multipart/report; report-type=delivery-status;\n boundary="{boundary}"\n\n'
    )
    body = (
        f"--{boundary}\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n{text}\n"
        f"--{boundary}\nContent-Type: {status_type}\n{_eight_bit(utf8)}\n{_status_part(report)}\n"
        f"--{boundary}\nContent-Type: {header_type}\n{_eight_bit(not report.header.isascii())}\n"
    )
    start = (head + body).replace("\n", "\r\n").encode("utf-8", "replace")
    return start + report.header.rstrip(b"\r\n") + f"\r\n\r\n--{boundary}--\r\n".encode()


def _eight_bit(needed: bool) -> str:
    return "Content-Transfer-Encoding: 8bit\n" if needed else ""
