"""The lines that a mail host puts before a message: Received, Return-Path, Delivered-To; dates and Message-IDs.

What a client said stands in them only after `_word`: it can neither end a line nor open or close a comment.
"""

import functools
import re
from collections.abc import Iterable
from email.utils import formatdate

from mailhub.model.envelope import Origin

_ODD = re.compile(r"[^A-Za-z0-9.:_+=/@\[\]-]")  # what may not stand in a word of Received
_CONTROL = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]")
_FOLD = re.compile(r"\r?\n(?=[ \t])")
_FIELD = re.compile(r"[!-9;-~]+:")
_WORD_LIMIT = 255
_LATEST = 253_402_300_799  # the last second of the year 9999


def _word(text: str) -> str:
    return _ODD.sub("?", text[:_WORD_LIMIT])


def _line(text: str) -> bytes:
    return _CONTROL.sub("?", text).encode("utf-8", "replace")


def date_time(when: float) -> str:
    """RFC 5322 section 3.3, in UTC."""
    return _second(int(min(max(when, 0), _LATEST)))


@functools.lru_cache(maxsize=4)  # 1.3 % of the loop's time with mail of 4 KB
def _second(when: int) -> str:
    return formatdate(when)[:-5] + "+0000"


def received(origin: Origin, hostname: str, queue_id: str, recipient: str | None, when: float) -> bytes:
    """A Received field (RFC 5321 section 4.4, RFC 3848). `recipient` only where there is a single one (section 7.2)."""
    lines = []
    if origin.client:
        literal = f"[{'IPv6:' if ':' in origin.client else ''}{_word(origin.client)}]"
        place = f"{_word(origin.name)} {literal}" if origin.name else literal
        lines.append(f"from {_word(origin.helo) or 'unknown'} ({place})")
        if origin.tls:
            lines.append(f"(using {' '.join(_word(word) for word in origin.tls.split())})")
    lines.append(f"by {hostname} (mailhub) with {_word(origin.protocol)} id {queue_id}")
    if recipient is not None:
        lines.append(f"for <{recipient}>")
    return b"Received: " + b"\r\n\t".join([_line(line) for line in lines]) + f";\r\n\t{date_time(when)}\r\n".encode()


def prepended(fields: Iterable[str]) -> bytes:
    """Header fields that the operator's tables (access(5), PREPEND) and daemons put before the message, folded as they are; what is no
    field is left out."""
    return b"".join(_unfolded(field) for field in fields if _FIELD.match(field))


def _unfolded(field: str) -> bytes:
    """A line break stays where the next line begins with a blank and holds more than blanks."""
    first, *more = _FOLD.split(field)
    kept = [(line, text) for line in more if (text := line.lstrip(" \t"))]
    return b"\r\n".join((_line(first), *(line[: -len(text)].encode() + _line(text) for line, text in kept))) + b"\r\n"


def folded(name: bytes, lines: Iterable[str]) -> bytes:
    """A field of several lines that are divided by "; ", in ASCII."""
    harmless = [_CONTROL.sub("?", line).encode("ascii", "replace") for line in lines]
    return name + b": " + b";\r\n\t".join(harmless) + b"\r\n"


def return_path(sender: str) -> bytes:
    """RFC 5321 section 4.4: put on at final delivery."""
    return b"Return-Path: <%b>\r\n" % _line(sender)


def delivered_to(address: str) -> bytes:
    """The mailbox that a copy went to: what a loop is known by (RFC 9228)."""
    return b"Delivered-To: %b\r\n" % _line(address)


def delivered(sender: str, address: str) -> bytes:
    """What stands before a message in a mailbox."""
    return return_path(sender) + delivered_to(address)


def message_id(queue_id: str, hostname: str) -> str:
    """A Message-ID with its angle brackets (RFC 5322 section 3.6.4)."""
    return f"<{queue_id}@{hostname}>"
