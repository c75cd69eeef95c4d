"""Content-Transfer-Encoding undone (RFC 2045 section 6). Lenient: what is broken is read as far as it goes."""

import binascii
import quopri
from collections.abc import Iterator

BLOCK = 1 << 16  # octets decoded at a time

_BASE64 = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
_NOT_BASE64 = bytes(octet for octet in range(256) if octet not in _BASE64)


def octets(data: bytes, encoding: bytes) -> bytes:
    """The octets behind an encoded body; `encoding` in lower case. Unknown encodings: as they are."""
    return b"".join(blocks(data, 0, len(data), encoding))


def blocks(data: bytes, start: int, end: int, encoding: bytes) -> Iterator[bytes]:
    """The same of data[start:end], block by block."""
    if encoding == b"base64":
        return _base64(data, start, end)
    if encoding == b"quoted-printable":
        return _quoted_printable(data, start, end)
    return (data[at : min(at + BLOCK, end)] for at in range(start, end, BLOCK))


def _base64(data: bytes, start: int, end: int) -> Iterator[bytes]:
    """Octets outside the alphabet are skipped, padding among them."""
    rest = b""
    for at in range(start, end, BLOCK):
        signs = rest + data[at : min(at + BLOCK, end)].translate(None, _NOT_BASE64)
        cut = len(signs) - len(signs) % 4
        rest = signs[cut:]
        yield binascii.a2b_base64(signs[:cut])
    if len(rest) > 1:
        yield binascii.a2b_base64(rest + b"=" * (4 - len(rest)))


def _quoted_printable(data: bytes, start: int, end: int) -> Iterator[bytes]:
    while start < end:
        cut = min(start + BLOCK, end)
        if cut < end:  # behind a line; where one is too long, not inside an escape
            line = data.rfind(b"\n", start, cut) + 1
            sign = data.rfind(b"=", cut - 2, cut)
            cut = line or (sign if sign > start else cut)
        yield quopri.decodestring(data[start:cut])
        start = cut
