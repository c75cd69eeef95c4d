"""Passwords as they are stored: `{SCHEME}hash`, in Dovecot's spelling. Every call here computes for a while: see `hasher`.

New passwords get {ARGON2ID}. Those of other systems are verified as they are: bcrypt, and the crypt(3) family.
"""

import base64
import secrets
from collections.abc import Callable

import argon2
import bcrypt

from mailhub.model.errors import Temporary

LIMIT = 1_024  # octets of a password; longer ones are never right

# OWASP's second choice (2 passes over 19 MiB): 35 ms of one core. The memory bounds how many fit on a small server.
_PASSES, _KIBIBYTES, _LANES = 2, 19_456, 1
_ARGON2ID = argon2.PasswordHasher(time_cost=_PASSES, memory_cost=_KIBIBYTES, parallelism=_LANES)


def hashed(password: bytes) -> str:
    """`password` as it is to be stored."""
    return "{ARGON2ID}" + _ARGON2ID.hash(password)


def decoy() -> str:
    """A stored password that nothing matches, as dear to verify as a real one."""
    salt, tag = (base64.b64encode(secrets.token_bytes(n)).decode().rstrip("=") for n in (16, 32))
    return f"{{ARGON2ID}}$argon2id$v=19$m={_KIBIBYTES},t={_PASSES},p={_LANES}${salt}${tag}"


def verify(stored: str, password: bytes) -> bool:
    """Whether `password` is the one behind `stored`. Temporary where `stored` can not be understood."""
    scheme, digest = _divide(stored)
    check = _CHECKS.get(scheme)
    if check is None:
        raise Temporary(f"stored password of unknown scheme {scheme!r}")
    try:
        return check(digest, password)
    except (ValueError, TypeError, argon2.exceptions.InvalidHashError, argon2.exceptions.VerificationError) as error:
        raise Temporary(f"stored password of scheme {scheme} can not be verified: {type(error).__name__}") from None


def _divide(stored: str) -> tuple[str, str]:
    """Scheme in upper case and hash. Without a scheme, and for {CRYPT}, the hash's own mark decides ($2y$, $6$, ...)."""
    scheme, digest = "CRYPT", stored
    if stored.startswith("{"):
        scheme, _, digest = stored[1:].partition("}")
        scheme = scheme.upper()
    if scheme == "CRYPT":
        mark = digest.split("$", 2)[1] if digest.count("$") >= 2 and digest[0] == "$" else ""
        scheme = _MARKS.get(mark, f"CRYPT ${mark}$")
    return scheme, digest


def _argon2(digest: str, password: bytes) -> bool:
    try:
        return _ARGON2ID.verify(digest, password)
    except argon2.exceptions.VerifyMismatchError:
        return False


def _bcrypt(digest: str, password: bytes) -> bool:
    return bcrypt.checkpw(password[:72], digest.encode())  # bcrypt has never looked beyond 72 octets


def _sha512_crypt(digest: str, password: bytes) -> bool:
    from passlib.hash import sha512_crypt  # 25 ms to import, and most servers have no such password

    return bool(sha512_crypt.verify(password, digest))


def _sha256_crypt(digest: str, password: bytes) -> bool:
    from passlib.hash import sha256_crypt

    return bool(sha256_crypt.verify(password, digest))


_CHECKS: dict[str, Callable[[str, bytes], bool]] = {
    "ARGON2ID": _argon2,
    "ARGON2I": _argon2,
    "BLF-CRYPT": _bcrypt,
    "SHA512-CRYPT": _sha512_crypt,
    "SHA256-CRYPT": _sha256_crypt,
}
_MARKS = {
    "argon2id": "ARGON2ID",
    "argon2i": "ARGON2I",
    "2a": "BLF-CRYPT",
    "2b": "BLF-CRYPT",
    "2y": "BLF-CRYPT",
    "6": "SHA512-CRYPT",
    "5": "SHA256-CRYPT",
}
