"""Content-Transfer-Encoding undone (RFC 2045 section 6). Lenient: what is broken is read as far as it goes."""

import binascii
import quopri
from collections.abc import Iterator

BLOCK = 1 << 16  # octets decoded at a time
KNOWN = frozenset({b"7bit", b"8bit", b"binary", b"base64", b"quoted-printable"})
_LINE = 1_000  # octets of a line that are waited for

_BASE64 = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
_NOT_BASE64 = bytes(octet for octet in range(256) if octet not in _BASE64)


def octets(data: bytes, encoding: bytes) -> bytes:
    """The octets behind an encoded body; `encoding` in lower case. Unknown encodings: as they are."""
    return b"".join(blocks(data, 0, len(data), encoding))


def blocks(data: bytes, start: int, end: int, encoding: bytes) -> Iterator[bytes]:
    """The same of data[start:end], block by block."""
    decoder = Decoder(encoding)
    for at in range(start, end, BLOCK):
        if octets := decoder.feed(data[at : min(at + BLOCK, end)]):
            yield octets
    if octets := decoder.finish():
        yield octets


class Decoder:
    """Decodes an encoded body that comes in blocks; what it keeps back is shorter than a line."""

    def __init__(self, encoding: bytes) -> None:
        self._encoding, self._rest = encoding, b""

    def feed(self, block: bytes) -> bytes:
        """What is certain by now."""
        if self._encoding == b"base64":
            return self._base64(block)
        if self._encoding == b"quoted-printable":
            return self._quoted_printable(block)
        return block

    def finish(self) -> bytes:
        """The last octets."""
        rest, self._rest = self._rest, b""
        if self._encoding == b"base64":
            return binascii.a2b_base64(rest + b"=" * (4 - len(rest))) if len(rest) > 1 else b""
        return quopri.decodestring(rest)

    def _base64(self, block: bytes) -> bytes:
        """Octets outside the alphabet are skipped, padding among them."""
        signs = self._rest + block.translate(None, _NOT_BASE64)
        cut = len(signs) - len(signs) % 4
        self._rest = signs[cut:]
        return binascii.a2b_base64(signs[:cut])

    def _quoted_printable(self, block: bytes) -> bytes:
        data = self._rest + block
        cut = data.rfind(b"\n") + 1
        if not cut and len(data) > _LINE:  # a line that is too long: anywhere but inside an escape
            sign = data.rfind(b"=", len(data) - 2)
            cut = sign if sign >= 0 else len(data)
        self._rest = data[cut:]
        return quopri.decodestring(data[:cut])
