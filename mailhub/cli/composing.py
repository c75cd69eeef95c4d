"""A message as a program of this host gives it to `mailhub sendmail`, made whole."""

import email.utils
import os
import pwd
import sys
from email.parser import BytesHeaderParser
from typing import Literal

from msgspec import Struct, field

from mailhub.model.clock import SystemClock
from mailhub.model.envelope import Notify

from .sysexits import SysExit, give_up

_TO = ("to", "cc", "bcc")


class Order(Struct):
    """What the arguments ask for. `mode`: the letter behind -b; `dots`: a line with a dot alone ends the message; `queue`: what -q
    names, None without it; `notify`, `ret`, `envid`: which reports are wanted (RFC 3461)."""

    mode: str = "m"
    recipients: list[str] = field(default_factory=list)
    sender: str | None = None
    name: str = ""
    from_header: bool = False
    dots: bool = True
    queue: str | None = None
    config: str = ""
    notify: Notify = Notify.DEFAULT
    ret: Literal["FULL", "HDRS"] | None = None
    envid: str | None = None


def composed(order: Order, limit: int, domain: str) -> tuple[str, list[str], bytes]:
    """Sender, recipients and the text of the message on standard input. The program ends where there is none to send."""
    head, text = _completed(_message(order, limit), order, domain)
    if order.from_header:
        order.recipients += [address for name in _TO for address in head.get(name, [])]
    recipients = list(dict.fromkeys(whole(address, domain) for address in order.recipients if address))
    if not recipients:
        give_up(SysExit.USAGE, "no recipients: name some, or use -t and name them in the header")
    return whole(order.sender, domain) if order.sender else "", recipients, text


def whole(address: str, domain: str) -> str:
    """A name alone is one of ours."""
    return address if "@" in address else f"{address}@{domain}"


def _message(order: Order, limit: int) -> bytes:
    """With CRLF, as it goes out."""
    data = sys.stdin.buffer.read(limit + 1) if limit else sys.stdin.buffer.read()
    if limit and len(data) > limit:
        give_up(SysExit.DATAERR, f"the message is larger than {limit} octets (smtp.message_size_limit)")
    lines = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    if lines and lines[0].startswith(b"From "):
        del lines[0]  # of a mailbox, not of the message
    if order.dots and b"." in lines:
        del lines[lines.index(b".") :]
    if lines and not lines[-1]:
        lines.pop()
    return b"".join(line + b"\r\n" for line in lines)


def _completed(text: bytes, order: Order, domain: str) -> tuple[dict[str, list[str]], bytes]:
    """The addresses of its header by field, and the text with what RFC 5322 section 3.6 wants, and without Bcc."""
    start, blank, body = text.partition(b"\r\n\r\n")
    if text.startswith(b"\r\n"):
        start, blank, body = b"", b"\r\n", text[2:]
    if not _is_header(start):  # a text without any
        start, blank, body = b"", b"\r\n", text
    start += b"\r\n" if start else b""
    header = BytesHeaderParser().parsebytes(start)
    found = {
        name: [address for _, address in email.utils.getaddresses([str(one) for one in header.get_all(name, [])])]
        for name in _TO
    }
    us = pwd.getpwuid(os.getuid())
    if order.sender is None:
        order.sender = us.pw_name
    more = ""
    if "from" not in header:
        name = order.name or us.pw_gecos.split(",")[0]
        more += f"From: {email.utils.formataddr((name, whole(order.sender or us.pw_name, domain)))}\r\n"
    if "date" not in header:
        more += f"Date: {email.utils.formatdate(SystemClock().now(), localtime=True)}\r\n"
    if "message-id" not in header:
        more += f"Message-ID: <{int(SystemClock().now() * 1e6):x}.{os.getpid()}@{domain}>\r\n"
    if "bcc" in header:
        start = _without_bcc(start)
    return found, more.encode() + start + (blank[-2:] or b"\r\n") + body


def _is_header(start: bytes) -> bool:
    first = start.split(b"\r\n", 1)[0]
    name, colon, _ = first.partition(b":")
    return not start or bool(colon and name and all(33 <= octet <= 126 for octet in name.rstrip()))


def _without_bcc(start: bytes) -> bytes:
    kept, skipping = [], False
    for line in start.splitlines(keepends=True):
        if line[:1] not in b" \t":
            skipping = line.partition(b":")[0].strip().lower() == b"bcc"
        if not skipping:
            kept.append(line)
    return b"".join(kept)
