"""The text of a message that SEARCH looks through (RFC 9051 section 6.4.4): headers and text parts, decoded, in pieces.

Pieces come as they are asked for, so a caller may stop or make way for others between any two. A piece of a text part begins
with the last OVERLAP characters of the one before it: a string of up to that length is found whole in one of them.
"""

import binascii
import quopri
from collections.abc import Iterator

from . import charset, headers, parameters
from .parts import TEXT, Part, parse

BLOCK = 1 << 16  # octets decoded at a time
OVERLAP = 1_000  # characters
LIMIT = 1 << 26  # octets of one message that are looked through


def whole(data: bytes) -> Iterator[str]:
    """SEARCH TEXT: the header, decoded and as it stands where that differs, and all that `body` gives."""
    root = parse(data[:LIMIT])
    yield from _header(data, root)
    yield from _inside(data, root)


def body(data: bytes) -> Iterator[str]:
    """SEARCH BODY: text parts, and the headers of parts and of messages inside."""
    yield from _inside(data, parse(data[:LIMIT]))


def _inside(data: bytes, part: Part) -> Iterator[str]:
    if part.type == TEXT:
        yield from text_of(data, part)
    for child in part.parts:
        yield from _header(data, child)
        yield from _inside(data, child)


def _header(data: bytes, part: Part) -> Iterator[str]:
    for start in range(part.start, part.body, BLOCK):  # nearly always once
        block = data[start : min(start + BLOCK, part.body)]
        lines = [b"%b: %b" % (name, headers.unfold(value)) for name, value in headers.fields(block)]
        plain = headers.text(b"\n".join(lines))
        yield plain
        if "=?" in plain:
            yield "\n".join([headers.decode(line) for line in lines])
    for value in (part.fields.get(b"content-type"), part.fields.get(b"content-disposition")):
        if value and b"*" in value:  # names of files that RFC 2231 wraps
            for name, text in parameters.parse(value)[1]:
                if name.endswith(b"*"):
                    encoding, octets = parameters.extended_value(text)
                    yield charset.decode(octets, encoding)


def text_of(data: bytes, part: Part) -> Iterator[str]:
    """A part's content as text, its transfer encoding and charset taken off."""
    name = dict(part.params).get(b"charset", b"utf-8").decode("ascii", "ignore")
    decoder = charset.decoder(name)
    tail = ""
    for octets in content(data, part):
        try:
            text = decoder.decode(octets)
        except UnicodeError:  # what a codec could not be told to replace
            decoder.reset()
            text = octets.decode("latin-1")
        if text:
            yield tail + text
            tail = (tail + text)[-OVERLAP:]


def content(data: bytes, part: Part) -> Iterator[bytes]:
    """A part's octets in blocks, its transfer encoding taken off (RFC 2045 section 6)."""
    encoding = part.encoding
    if encoding == b"base64":
        yield from _base64(data, part)
    elif encoding == b"quoted-printable":
        yield from _quoted_printable(data, part)
    else:
        for start in range(part.body, part.end, BLOCK):
            yield data[start : min(start + BLOCK, part.end)]


_NOT_BASE64 = bytes(
    octet for octet in range(256) if octet not in b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
)


def _base64(data: bytes, part: Part) -> Iterator[bytes]:
    """Octets outside the alphabet are skipped, padding among them."""
    rest = b""
    for start in range(part.body, part.end, BLOCK):
        signs = rest + data[start : min(start + BLOCK, part.end)].translate(None, _NOT_BASE64)
        cut = len(signs) - len(signs) % 4
        rest = signs[cut:]
        yield binascii.a2b_base64(signs[:cut])
    if len(rest) > 1:
        yield binascii.a2b_base64(rest + b"=" * (4 - len(rest)))


def _quoted_printable(data: bytes, part: Part) -> Iterator[bytes]:
    start = part.body
    while start < part.end:
        end = min(start + BLOCK, part.end)
        if end < part.end:  # cut behind a line, or before an "=" of a line without end
            line = data.rfind(b"\n", start, end) + 1
            sign = data.rfind(b"=", end - 2, end)
            end = line or (sign if sign > start else end)
        yield quopri.decodestring(data[start:end])
        start = end
