"""A message for hosts that take less than it holds: parts with 8-bit or binary content encoded, all else octet for octet.

`plan` walks the part tree once, through a `Window` where the message is large, and answers in offsets, so that the message can be
read again in blocks: what stays, what is encoded, and header fields in their new form. A leaf is encoded as quoted-printable where it is lines of text, else as base64.
What RFC 2046 forbids to encode (multiparts, message/rfc822: section 5.2.1) is entered, and what is signed (RFC 1847 section
2.1) is not touched: where content inside would have to change, `Unconvertible` says so.
"""

import base64
import binascii
import re
from codecs import getincrementaldecoder
from collections.abc import Iterator, Mapping
from typing import Literal, Protocol

from msgspec import Struct

from . import headers, parts
from .parts import Part
from .window import BLOCK, Window

Limit = Literal["7bit", "8bit"]
Encoding = Literal["quoted-printable", "base64", "mask"]  # mask: what is above 127 or NUL becomes "?"
MASK = bytes(octet if 0 < octet < 128 else ord("?") for octet in range(256))
_EIGHT = re.compile(rb"[\x80-\xff]|\0|\r(?!\n)|(?<!\r)\n")
_BINARY = re.compile(rb"\0|\r(?!\n)|(?<!\r)\n")
_IDENTITY = (b"7bit", b"8bit", b"binary")
_DECODED = (b"base64", b"quoted-printable")
_LINE = 57  # octets that make a line of base64
_RUN = 65_536  # octets of a line that are encoded before its end is seen


class Unconvertible(Exception):
    """It can not be sent so; the text says why."""


class Keep(Struct, frozen=True):
    """Octets of the message as they are: [start, end)."""

    start: int
    end: int


class Encode(Struct, frozen=True):
    """The same, encoded."""

    start: int
    end: int
    encoding: Encoding


Piece = Keep | Encode | bytes


def plan(data: bytes | Window, limit: Limit) -> list[Piece]:
    """The message with nothing in it beyond `limit`: 8bit forbids NUL and bare CR or LF, 7bit all above 127 too. 8-bit octets of
    header fields stay as they are: no encoding of a body helps them. Unconvertible."""
    return _Plan(data, limit).pieces


class _Plan:
    """One walk, in the order of the octets: what is searched for ahead is searched for once."""

    def __init__(self, data: bytes | Window, limit: Limit) -> None:
        self._data, self._limit = data, limit
        self._beyond = _EIGHT if limit == "7bit" else _BINARY
        self._next = -1  # the next octet beyond the limit, as far as is known
        self.pieces: list[Piece] = []
        self._part(parts.parse(data), is_message=True)

    def _clean(self, start: int, end: int) -> bool:
        if self._next < start:
            self._next = _first(self._beyond, self._data, start, len(self._data))
        return self._next >= end

    def _part(self, part: Part, *, is_message: bool) -> None:
        if self._clean(part.body, part.end):
            self.pieces.append(Keep(part.start, part.end))
        elif part.parts:
            self._container(part, is_message)
        else:
            self._leaf(part, is_message)

    def _container(self, part: Part, is_message: bool) -> None:
        if (part.type, part.subtype) == (parts.MULTIPART, b"signed"):
            if not all(self._clean(leaf.body, leaf.end) for leaf in _leaves(part)):
                raise Unconvertible("the signed part would not be what was signed any more")
            self.pieces.append(Keep(part.start, part.end))
            return
        if not dict(part.params).get(b"boundary", b"").isascii():
            raise Unconvertible("a boundary with octets above 127")
        new = {b"Content-Transfer-Encoding": self._limit.encode()} if part.encoding != b"7bit" else {}
        self._header(part, new, is_message)
        at = part.body
        for inner in part.parts:
            self._between(at, inner.start)
            self._part(inner, is_message=part.message)
            at = inner.end
        self._between(at, part.end)

    def _between(self, start: int, end: int) -> None:
        """Boundaries, and what stands before the first and behind the last of them, which nobody is shown."""
        if self._clean(start, end):
            self.pieces.append(Keep(start, end))
        else:
            self.pieces.append(Encode(start, end, "mask"))

    def _leaf(self, part: Part, is_message: bool) -> None:
        if part.type in (parts.MULTIPART, parts.MESSAGE) and not part.subtype.startswith(b"global"):
            raise Unconvertible(f"{_name(part)} may not be encoded, and can not be taken apart")
        if part.encoding in _DECODED:  # octets that no decoder knows
            self.pieces += [Keep(part.start, part.body), Encode(part.body, part.end, "mask")]
            return
        if part.encoding not in _IDENTITY:
            raise Unconvertible(f"{_name(part)} with the encoding {part.encoding.decode('ascii', 'replace')}")
        lines = part.type == parts.TEXT and _first(_BINARY, self._data, part.body, part.end) == part.end
        encoding: Literal["quoted-printable", "base64"] = "quoted-printable" if lines else "base64"
        new = {b"Content-Transfer-Encoding": encoding.encode()}
        if b"content-type" not in part.fields:
            new[b"Content-Type"] = b"text/plain; charset=" + _charset(self._data, part)
        self._header(part, new, is_message)
        self.pieces.append(Encode(part.body, part.end, encoding))

    def _header(self, part: Part, new: dict[bytes, bytes], is_message: bool) -> None:
        """The part's header with these fields instead of those of their names; a message that tells of no MIME begins to."""
        old = self._data[part.start : part.body]
        if is_message and headers.first(old, b"MIME-Version") is None:
            new[b"MIME-Version"] = b"1.0"
        names = {name.lower() for name in new}
        kept, at = [], 0
        for found in headers.FIELD.finditer(old):
            if found[1].lower() in names:
                kept.append(old[at : found.start()])
                at = min(found.end() + 1, len(old))
        kept.append(old[at:].removesuffix(b"\n").removesuffix(b"\r"))  # without the blank line
        kept += [b"%b: %b\r\n" % field for field in new.items()]
        self.pieces.append(b"".join(kept) + b"\r\n")


def _first(pattern: re.Pattern[bytes], data: bytes | Window, start: int, end: int) -> int:
    """Where the first octet lies that it finds, `end` where there is none. Seen are the octet before it and the one behind it."""
    for at in range(start, end, BLOCK):
        low, high = max(at - 1, 0), min(at + BLOCK, end)
        found = pattern.search(data[low : min(high + 1, end)], at - low)
        if found and low + found.start() < high:
            return low + found.start()
    return end


def _name(part: Part) -> str:
    return f"{part.type.decode('ascii', 'replace')}/{part.subtype.decode('ascii', 'replace')}"


def _leaves(part: Part) -> Iterator[Part]:
    waiting = [part]
    while waiting:
        part = waiting.pop()
        waiting += reversed(part.parts)
        if not part.parts:
            yield part


def _charset(data: bytes | Window, part: Part) -> bytes:
    """Of text that does not say: a name that does not claim what nobody knows (RFC 1428 section 3)."""
    start = data[part.body : min(part.end, part.body + _RUN)]
    try:
        getincrementaldecoder("utf-8")().decode(start, final=len(start) == part.end - part.body)
    except UnicodeDecodeError:
        return b"unknown-8bit"
    return b"utf-8"


class Encoder(Protocol):
    """Octets in blocks, however they are cut: `feed` them, then `finish`."""

    def feed(self, block: bytes) -> bytes: ...

    def finish(self) -> bytes: ...


def encoder(encoding: Encoding) -> Encoder:
    """A new one."""
    return _ENCODERS[encoding]()


class _Base64:
    """RFC 2045 section 6.8; the line end behind the last line is left to what follows."""

    __slots__ = ("_begun", "_rest")

    def __init__(self) -> None:
        self._rest, self._begun = b"", False

    def feed(self, block: bytes) -> bytes:
        data = self._rest + block
        cut = len(data) - len(data) % _LINE
        self._rest = data[cut:]
        return self._lines(data[:cut])

    def finish(self) -> bytes:
        return self._lines(self._rest)

    def _lines(self, data: bytes) -> bytes:
        if not data:
            return b""
        out = base64.encodebytes(data)[:-1].replace(b"\n", b"\r\n")
        before, self._begun = b"\r\n" if self._begun else b"", True
        return before + out


class _QuotedPrintable:
    """RFC 2045 section 6.7, for lines that end with CRLF."""

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, block: bytes) -> bytes:
        data = self._rest + block
        cut = data.rfind(b"\n") + 1
        self._rest = data[cut:]
        return b"".join([_quoted(data[:cut]), *self._soft()])

    def _soft(self) -> Iterator[bytes]:
        """A line that does not end: its beginning, with a soft line break; a CR waits for its LF."""
        if len(self._rest) > _RUN:
            begun, self._rest = self._rest[:-1], self._rest[-1:]
            yield _quoted(begun) + b"=\r\n"

    def finish(self) -> bytes:
        return _quoted(self._rest)


def _quoted(data: bytes) -> bytes:
    return binascii.b2a_qp(data).replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


class _Mask:
    """Not decoded by anybody, so nothing is lost."""

    def feed(self, block: bytes) -> bytes:
        return block.translate(MASK)

    def finish(self) -> bytes:
        return b""


_ENCODERS: Mapping[Encoding, type[Encoder]] = {"quoted-printable": _QuotedPrintable, "base64": _Base64, "mask": _Mask}
