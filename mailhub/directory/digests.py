"""Password schemes that are one digest: with salt or without, PBKDF2, SCRAM's keys, CRAM-MD5's states, and the clear.

All as Dovecot writes them. `{SCHEME.HEX}` and `{SCHEME.B64}` say how the digest is written; without, base64 and hex are told
apart by their length. None of these is made for new passwords by default; they are read so that people can move in.
"""

import base64
import binascii
import hashlib
import hmac
import secrets

from mailhub.wire.sasl import md5, scram

SALT = 16  # octets of a new salt
_ITERATIONS_LIMIT = 10_000_000
_PBKDF2_ROUNDS = 100_000

# Scheme: hash, and whether a salt stands behind the digest.
PLAIN_DIGESTS = {
    "PLAIN-MD5": ("md5", False), "LDAP-MD5": ("md5", False), "SMD5": ("md5", True),
    "SHA": ("sha1", False), "SHA1": ("sha1", False), "SSHA": ("sha1", True),
    "SHA256": ("sha256", False), "SSHA256": ("sha256", True),
    "SHA512": ("sha512", False), "SSHA512": ("sha512", True),
}  # fmt: skip
CLEAR = ("PLAIN", "CLEAR", "CLEARTEXT")


def same_digest(scheme: str, encoding: str, text: str, password: bytes) -> bool:
    """A scheme of PLAIN_DIGESTS. `encoding`: "HEX", "B64" or "". ValueError where `text` is malformed."""
    name, salted = PLAIN_DIGESTS[scheme]
    size = hashlib.new(name).digest_size
    raw = _octets(text, encoding, None if salted else size)
    digest, salt = raw[:size], raw[size:]
    if len(digest) != size or bool(salt) != salted:
        raise ValueError("wrong length")
    return hmac.compare_digest(hashlib.new(name, password + salt).digest(), digest)


def new_digest(scheme: str, password: bytes) -> str:
    """`password` in a scheme of PLAIN_DIGESTS."""
    name, salted = PLAIN_DIGESTS[scheme]
    salt = secrets.token_bytes(SALT) if salted else b""
    raw = hashlib.new(name, password + salt).digest() + salt
    return raw.hex() if scheme == "PLAIN-MD5" else base64.b64encode(raw).decode()


def _octets(text: str, encoding: str, size: int | None) -> bytes:
    """`size`: of the digest, where nothing else stands in `text`."""
    try:
        hexadecimal = encoding == "HEX" or (not encoding and size is not None and len(text) == 2 * size)
        return bytes.fromhex(text) if hexadecimal else base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from None


def same_pbkdf2(text: str, password: bytes) -> bool:
    """Dovecot's `$1$salt$rounds$hex`."""
    empty, mark, salt, rounds, digest = text.split("$")
    if empty or mark != "1" or not 0 < int(rounds) <= _ITERATIONS_LIMIT:
        raise ValueError("not $1$salt$rounds$digest")
    wanted = bytes.fromhex(digest)
    made = hashlib.pbkdf2_hmac("sha1", password, salt.encode(), int(rounds), len(wanted))
    return bool(wanted) and hmac.compare_digest(made, wanted)


def new_pbkdf2(password: bytes) -> str:
    salt = secrets.token_hex(8)
    return (
        f"$1${salt}${_PBKDF2_ROUNDS}${hashlib.pbkdf2_hmac('sha1', password, salt.encode(), _PBKDF2_ROUNDS, 20).hex()}"
    )


def same_scram(scheme: str, text: str, password: bytes) -> bool:
    kept = scram.parse_secret(scheme, text)
    made = scram.derive(scheme, password, kept.salt, kept.iterations)
    return hmac.compare_digest(made.stored_key, kept.stored_key)


def new_scram(scheme: str, password: bytes, iterations: int) -> str:
    return scram.derive(scheme, password, secrets.token_bytes(SALT), iterations).text()


def same_cram_md5(text: str, password: bytes) -> bool:
    if len(bytes.fromhex(text)) != 32:
        raise ValueError("a CRAM-MD5 secret has 64 hex digits")
    return hmac.compare_digest(md5.cram_secret(password), text.lower())


def same_text(text: str, password: bytes) -> bool:
    return hmac.compare_digest(text.encode("utf-8", "surrogatepass"), password)
