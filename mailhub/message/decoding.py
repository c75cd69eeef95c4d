"""Content-Transfer-Encoding undone (RFC 2045 section 6). Lenient: what is broken is read as far as it goes."""

from base64 import b64decode
from binascii import Error
from quopri import decodestring

_BASE64 = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
_NOT_BASE64 = bytes(octet for octet in range(256) if octet not in _BASE64)


def octets(data: bytes, encoding: bytes) -> bytes:
    """The octets behind an encoded body; `encoding` in lower case. Unknown encodings: as they are."""
    if encoding == b"base64":
        clean = data.translate(None, _NOT_BASE64)
        try:
            return b64decode(clean[: len(clean) // 4 * 4] + _rest(clean))
        except (Error, ValueError):
            return b""
    if encoding == b"quoted-printable":
        return decodestring(data)
    return data


def _rest(clean: bytes) -> bytes:
    rest = clean[len(clean) // 4 * 4 :]
    return rest + b"=" * (4 - len(rest)) if len(rest) > 1 else b""
