"""Delivery status notifications: multipart/report for people and machines (RFC 3464, RFC 6522, RFC 6533).

A report ends with the header of the message it is about, or with the whole of it; in that case what is made here stands
around it, and the message is never held.
"""

import base64
import binascii
from email.header import Header

from msgspec import Struct

from .report_fields import CONTROL, Fields, Reported, bounded, spoken
from .stamps import date_time

_TEXT_LINE = 240  # characters of a line for people: even in UTF-8 below 998 octets
_HEADER_LINE = 998  # octets of a line of the returned header
_BLOCK = 4


class Returned(Struct, frozen=True):
    """What goes back of the message. `header`: its header, or None where the whole message is to follow.

    `eight`: it has octets above 127; `unicode`: its header has, and they are UTF-8.
    """

    header: bytes | None = b""
    eight: bool = False
    unicode: bool = False


class Report(Struct, frozen=True):
    """A report from `sender`, in ASCII, to `to`. `texts`: by action what people read above those whom it befell; `date`: wall time."""

    sender: str
    to: str
    message_id: str
    date: float
    subject: str
    texts: tuple[tuple[str, str], ...]
    fields: Fields
    returned: Returned = Returned()


class Rendered(Struct, frozen=True):
    """The octets before and behind the returned message, CRLF line ends; all are `head` where only its header goes back."""

    head: bytes
    tail: bytes


def boundary(message_id: str) -> str:
    """What divides the parts of a report, as long as the returned message holds no such line."""
    return f"=_{CONTROL.sub('', message_id).strip('<>').partition('@')[0]}_report"


def render(report: Report) -> Rendered:
    """The whole report, ready to be queued with the null sender. Needs one recipient at the least."""
    international, returned = report.fields.international, report.returned
    kind = "global-delivery-status" if international else "delivery-status"
    parts = [
        _text(report),
        _part("Delivery report", f"message/{kind}", report.fields.text().encode("utf-8", "replace")),
        _returned(returned, international=international),
    ]
    mark = boundary(report.message_id)
    while any(mark.encode() in part for part in parts):
        mark += "_"
    line = b"--" + mark.encode() + b"\r\n"
    eight = returned.eight or not all(map(bytes.isascii, parts))
    head = _header(report, mark, "8bit" if eight else "7bit") + b"\r\n".join([line + part for part in parts])
    tail = b"\r\n" + line[:-2] + b"--\r\n"
    return Rendered(head, tail) if returned.header is None else Rendered(head + tail, b"")


def _header(report: Report, mark: str, encoding: str) -> bytes:
    fields = report.fields
    lines = [
        f"From: Mail Delivery System <{report.sender}>",
        f"To: <{bounded(CONTROL.sub('', report.to))}>",
        f"Subject: {_words(report.subject)}",
        f"Date: {date_time(report.date)}",
        f"Message-ID: {report.message_id}",
        "Auto-Submitted: auto-replied",  # RFC 3834 section 5: nobody answers by machine
        "MIME-Version: 1.0",
        f"Content-Type: multipart/report; report-type={'global-' if fields.international else ''}delivery-status;"
        f'\r\n\tboundary="{mark}"',
        f"Content-Transfer-Encoding: {encoding}",
    ]
    return "\r\n".join([*lines, "", ""]).encode("utf-8", "replace")


def _words(subject: str) -> str:
    """RFC 2047 where it is not ASCII."""
    subject = CONTROL.sub(" ", subject)
    return bounded(subject) if subject.isascii() else Header(subject, "utf-8").encode(linesep="\r\n")


def _part(description: str, content_type: str, content: bytes, encoding: str = "") -> bytes:
    encoding = encoding or ("7bit" if content.isascii() else "8bit")
    lines = (
        f"Content-Description: {description}", f"Content-Type: {content_type}",
        f"Content-Transfer-Encoding: {encoding}", "", "",
    )  # fmt: skip
    return "\r\n".join(lines).encode() + content


def _returned(returned: Returned, *, international: bool) -> bytes:
    """RFC 6522 section 4, RFC 6533 section 5: a header of other scripts has a type of its own."""
    unicode = international and returned.unicode
    encoding = "8bit" if returned.eight else "7bit"
    if returned.header is None:
        return _part("Message", "message/global" if unicode else "message/rfc822", b"", encoding)
    lines = [line.replace(b"\r", b"")[:_HEADER_LINE] for line in returned.header.rstrip(b"\r\n").split(b"\n")]
    kind = "message/global-headers" if unicode else "text/rfc822-headers"
    return _part("Message header", kind, b"\r\n".join(lines) + b"\r\n", encoding)


def _text(report: Report) -> bytes:
    """What a person reads: each kind of outcome with its recipients and the reason in the words of who gave it. Where eight
    bits may be too many it is encoded, by the shorter of the two ways."""
    paragraphs: list[str] = []
    for action, text in report.texts:
        paragraphs.append(text.strip("\n"))
        paragraphs += [_reason(r, report.fields) for r in report.fields.recipients if r.action == action]
    lines = [
        CONTROL.sub(" ", line[at : at + _TEXT_LINE])
        for line in "\n\n".join(paragraphs).split("\n")
        for at in range(0, max(len(line), 1), _TEXT_LINE)
    ]
    data = ("\r\n".join(lines) + "\r\n").encode("utf-8", "replace")
    if data.isascii():
        return _part("Notification", "text/plain; charset=us-ascii", data)
    if report.fields.international:
        return _part("Notification", "text/plain; charset=utf-8", data)
    quoted, packed = binascii.b2a_qp(data), base64.encodebytes(data).replace(b"\n", b"\r\n")
    if len(quoted) <= len(packed):
        return _part("Notification", "text/plain; charset=utf-8", quoted, "quoted-printable")
    return _part("Notification", "text/plain; charset=utf-8", packed, "base64")


def _reason(recipient: Reported, fields: Fields) -> str:
    """The address, the one that the sender wrote to, and who said what; in no language, so that it fits below every text."""
    asked = (recipient.orcpt or "").partition(";")[2]
    first = f"<{_one_line(recipient.address)}>"
    if asked and asked != recipient.address:
        first += f" (<{_one_line(asked)}>)"
    who = recipient.remote or fields.hostname
    said = spoken(recipient.reply) if recipient.remote else recipient.reply.text
    return f"{first}\n{_indented(f'{who}: {said}')}"


def _one_line(text: str) -> str:
    return CONTROL.sub(" ", text)[:_TEXT_LINE]


def _indented(text: str) -> str:
    """Lines of readable length, each behind blanks: none can look like the end of a part."""
    lines, line = [], ""
    for word in CONTROL.sub(" ", text)[:1_000].split():
        if line and len(line) + len(word) >= 72:
            lines.append(line)
            line = ""
        line = f"{line} {word}" if line else word[: _TEXT_LINE - _BLOCK]
    return "\n".join(" " * _BLOCK + line for line in [*lines, line])
