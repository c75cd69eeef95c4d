"""Where the addresses of a header field stand, so that one can be replaced and all else stays octet for octet (RFC 5322
section 3.4)."""

import re
from collections.abc import Iterator

from msgspec import Struct

from .address_list import LIMIT

SENDERS = frozenset(
    (b"from", b"sender", b"reply-to", b"errors-to", b"return-receipt-to", b"disposition-notification-to", b"resent-from",
     b"resent-sender", b"resent-reply-to")
)  # fmt: skip
RECIPIENTS = frozenset(
    (b"to", b"cc", b"bcc", b"apparently-to", b"mail-followup-to", b"resent-to", b"resent-cc", b"resent-bcc")
)

_TOKEN = re.compile(
    rb'[ \t\r\n]++|"(?:[^"\\]|\\.)*"?|\[[^\]]*+\]?|[^ \t\r\n"(<>@,:;\[]++|[<>@,:;]|\(', re.DOTALL
)  # fmt: skip
_COMMENT_SIGN = re.compile(rb"[()]|\\.", re.DOTALL)
_ADDR_SPEC = re.compile(
    rb'([^\s"(),:;<>@\[\\\]]++|"(?:[^"\\\r\n]|\\[^\r\n])*")@([^\s"(),:;<>@\[\\\]]++|\[[^\[\]\s]*+\])', re.DOTALL
)


class Span(Struct, frozen=True):
    """An addr-spec: `value[start:end]`. `address`: as text."""

    start: int
    end: int
    address: str


def spans(value: bytes) -> Iterator[Span]:
    """Those of a field's raw value, in their order, LIMIT at the most. One with comments or blanks in it, or none that UTF-8 can
    say, is left out: it stays as it is."""
    found, start, angle = 0, 0, -1  # where the item begins; where its addr-spec does, behind "<"
    at, end, route = 0, -1, False
    while at <= len(value) and found < LIMIT:
        token = _TOKEN.match(value, at) if at < len(value) else None
        sign = token[0] if token is not None else b","
        if sign == b"(":
            at = _past_comment(value, at + 1)
            continue
        if sign == b"<" and angle < 0:
            angle, end = at + 1, -1
        elif sign == b"@" and angle >= 0 and end < 0 and not value[angle:at].strip():
            route = True  # <@host,@host:local@domain>
        elif sign == b":" and route:
            angle, route = at + 1, False
        elif sign == b":" and angle < 0:
            start = at + 1  # a group's name
        elif sign == b">" and angle >= 0:
            end = at
        elif (sign == b"," and not route) or sign == b";":
            if (span := _span(value, *((angle, end if end >= 0 else at) if angle >= 0 else (start, at)))) is not None:
                found += 1
                yield span
            start, angle, end, route = at + 1, -1, -1, False
        at += len(sign) if token is not None else 1


def _span(value: bytes, start: int, end: int) -> Span | None:
    text = _without_comments(value[start:end])
    spec = _ADDR_SPEC.fullmatch(text.strip())
    if spec is None:
        return None
    begins = start + len(text) - len(text.lstrip())
    try:
        return Span(begins, begins + len(spec[0]), spec[0].decode())
    except UnicodeDecodeError:
        return None


def _without_comments(text: bytes) -> bytes:
    """With blanks in their places."""
    if b"(" not in text:
        return text
    out, at = b"", 0
    while token := _TOKEN.match(text, at):
        if token[0] == b"(":
            at = _past_comment(text, at + 1)
            out = out.ljust(at)
        else:
            out, at = out + token[0], token.end()
    return out


def _past_comment(value: bytes, start: int) -> int:
    depth = 1
    for sign in _COMMENT_SIGN.finditer(value, start):
        depth += {b"(": 1, b")": -1}.get(sign[0], 0)
        if not depth:
            return sign.end()
    return len(value)
