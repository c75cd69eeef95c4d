"""DKIM signatures made (RFC 6376 section 5, RFC 8301, RFC 8463): keys, their DNS records, and the field itself. Pure."""

import base64
import hashlib
from collections.abc import Sequence

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from msgspec import Struct

from . import dkim

RSA_BITS = 2_048
KINDS = ("rsa", "ed25519")
# Signed as often as they are there, and once more: so that nobody can add another one (section 8.15).
_SEALED = (b"from", b"to", b"cc", b"subject", b"date", b"message-id", b"reply-to", b"sender", b"in-reply-to", b"references", b"mime-version",
           b"content-type", b"content-transfer-encoding")  # fmt: skip
# Signed where they are there.
_SIGNED = (b"list-id", b"list-unsubscribe", b"list-unsubscribe-post", b"list-help", b"list-post", b"autocrypt")
_MOST = 100  # names in h=
_WIDTH = 72

Private = rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


class SigningKey(Struct, frozen=True):
    """`kind`: one of KINDS."""

    domain: str
    selector: str
    kind: str
    private: Private


def made(kind: str) -> bytes:
    """A new private key, as PEM."""
    private: Private = (
        ed25519.Ed25519PrivateKey.generate() if kind == "ed25519" else rsa.generate_private_key(65_537, RSA_BITS)
    )
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return private.private_bytes(encoding, form, serialization.NoEncryption())


def loaded(pem: bytes) -> Private:
    """ValueError where it is no key for signatures of ours."""
    key = serialization.load_pem_private_key(pem, None)
    if not isinstance(key, rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey):
        raise ValueError("neither an RSA nor an Ed25519 key")
    return key


def record(private: Private) -> str:
    """The TXT record of its public half (section 3.6.1)."""
    if isinstance(private, ed25519.Ed25519PrivateKey):
        return f"v=DKIM1; k=ed25519; p={_text(private.public_key().public_bytes_raw())}"
    der = private.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return f"v=DKIM1; k=rsa; p={_text(der)}"


def names(header: Sequence[tuple[bytes, bytes]]) -> list[bytes]:
    """What h= names, for the fields of `dkim.fields`."""
    there = [name for name, _ in header]
    found = [name for name in _SEALED for _ in range(there.count(name) + 1)]
    found += [name for name in _SIGNED for _ in range(there.count(name))]
    return found[:_MOST]


def field(key: SigningKey, header: Sequence[tuple[bytes, bytes]], body_hash: bytes, now: int) -> bytes:
    """The DKIM-Signature field, folded, with its line end. `body_hash`: of the body's relaxed form."""
    named = b":".join(names(header)).decode("ascii")
    lines = [
        f"DKIM-Signature: v=1; a={key.kind}-sha256; c=relaxed/relaxed; d={key.domain};",
        f"s={key.selector}; t={now}; bh={_text(body_hash)};",
        *_folded("h=", named.split(":"), ":"),
        "b=",
    ]
    unsigned = "\r\n ".join(lines).encode("ascii")
    signature = dkim.read(unsigned + b"AAAA")
    digest = hashlib.sha256(dkim.signed(signature, header)).digest()
    if isinstance(key.private, ed25519.Ed25519PrivateKey):
        value = key.private.sign(digest)
    else:
        value = key.private.sign(digest, padding.PKCS1v15(), Prehashed(hashes.SHA256()))
    text = _text(value)
    pieces = [text[at : at + _WIDTH] for at in range(0, len(text), _WIDTH)]
    return unsigned + "\r\n ".join(pieces).encode("ascii") + b"\r\n"


def _folded(start: str, words: Sequence[str], between: str) -> list[str]:
    """One tag over several lines."""
    lines, line = [], start
    for n, word in enumerate(words):
        piece = word + (between if n < len(words) - 1 else ";")
        if len(line) + len(piece) > _WIDTH:
            lines.append(line)
            line = ""
        line += piece
    return [*lines, line]


def _text(octets: bytes) -> str:
    return base64.b64encode(octets).decode("ascii")
