"""Passwords as they are stored: `{SCHEME}hash`, in Dovecot's spelling. Every call here computes for a while: see `hasher`.

New passwords get {ARGON2ID}; those of other systems are verified as they are. Behind the first one others may stand, each
after a blank, for who can not show the password itself: `{ARGON2ID}$argon2id$... {SCRAM-SHA-256}20000,...`.
Adding a scheme: a row in `_CHECKS`, and in `_MAKERS` where it is to be written too.
"""

import base64
import re
import secrets
from collections.abc import Callable, Iterable, Mapping
from functools import partial

import argon2
import bcrypt

from mailhub.model.errors import Permanent, Temporary
from mailhub.wire.sasl import md5

from . import digests

LIMIT = 1_024  # octets of a password; longer ones are never right
DEFAULT = "ARGON2ID"
ITERATIONS = 20_000  # of SCRAM

# OWASP's second choice (2 passes over 19 MiB): 35 ms of one core. The memory bounds how many fit on a small server.
_PASSES, _KIBIBYTES, _LANES = 2, 19_456, 1
_ARGON2ID = argon2.PasswordHasher(time_cost=_PASSES, memory_cost=_KIBIBYTES, parallelism=_LANES)
_NEXT = re.compile(r" (?=\{[A-Za-z0-9.-]+\})")  # between two forms of one password


def hashed(password: bytes, scheme: str = DEFAULT, beside: Iterable[str] = (), iterations: int = ITERATIONS) -> str:
    """`password` as it is to be stored. `beside`: SCRAM schemes to be kept too, at `iterations`.
    Permanent where a scheme is not one that we write."""
    make = _MAKERS.get(scheme)
    if make is None:
        raise Permanent(f"{scheme} is no password scheme that can be written: {', '.join(_MAKERS)}")
    forms = [f"{{{scheme}}}{make(password)}"]
    forms += [f"{{{kind}}}{digests.new_scram(kind, password, iterations)}" for kind in _needed(scheme, beside)]
    return " ".join(forms)


def _needed(scheme: str, beside: Iterable[str]) -> tuple[str, ...]:
    """The schemes of `beside` that are kept behind a password in `scheme`: none behind one in the clear, which ends at the end of
    the line and from which SCRAM's keys can be derived at any time."""
    return () if scheme in digests.CLEAR else tuple(kind for kind in beside if kind != scheme)


def decoy() -> str:
    """A stored password that nothing matches, as dear to verify as a real one."""
    salt, tag = (base64.b64encode(secrets.token_bytes(n)).decode().rstrip("=") for n in (16, 32))
    return f"{{ARGON2ID}}$argon2id$v=19$m={_KIBIBYTES},t={_PASSES},p={_LANES}${salt}${tag}"


def verify(stored: str, password: bytes) -> bool:
    """Whether `password` is the one behind `stored`. Temporary where `stored` can not be understood."""
    scheme, encoding, digest = _divide(forms(stored)[0])
    try:
        if scheme in digests.PLAIN_DIGESTS:
            return digests.same_digest(scheme, encoding, digest, password)
        check = _CHECKS.get(scheme)
        if check is None:
            raise Temporary(f"stored password of unknown scheme {scheme!r}")
        return check(digest, password)
    except (ValueError, TypeError, argon2.exceptions.InvalidHashError, argon2.exceptions.VerificationError) as error:
        raise Temporary(f"stored password of scheme {scheme} can not be verified: {type(error).__name__}") from None


def outdated(stored: str, scheme: str, beside: Iterable[str], iterations: int = ITERATIONS) -> bool:
    """Whether `hashed` would write it in other schemes, or at another cost."""
    kept = {found: digest for found, _, digest in map(_divide, forms(stored))}
    found, _, digest = _divide(forms(stored)[0])
    if found != scheme or (scheme == "ARGON2ID" and _ARGON2ID.check_needs_rehash(digest)):
        return True
    return any(kept.get(kind, "").partition(",")[0] != str(iterations) for kind in _needed(scheme, beside))


def form(stored: str, *schemes: str) -> tuple[str, str] | None:
    """The first of `schemes` in which the password is kept, with what stands behind it: for challenge-response."""
    kept = {scheme: digest for scheme, _, digest in reversed([_divide(form) for form in forms(stored)])}
    return next(((scheme, kept[scheme]) for scheme in schemes if scheme in kept), None)


def forms(stored: str) -> list[str]:
    """Each `{SCHEME}hash` of a stored password. A password in the clear may hold anything and stands alone."""
    clear = stored[:1] == "{" and stored[1:].partition("}")[0].upper() in digests.CLEAR
    return [stored] if clear else _NEXT.split(stored)


def _divide(stored: str) -> tuple[str, str, str]:
    """Scheme in upper case, encoding ("HEX", "B64" or ""), hash. Without a scheme, and for {CRYPT}, the hash's own mark
    decides ($2y$, $6$, ...)."""
    scheme, digest = "CRYPT", stored
    if stored.startswith("{"):
        scheme, _, digest = stored[1:].partition("}")
        scheme = scheme.upper()
    scheme, _, encoding = scheme.partition(".")
    if scheme == "CRYPT":
        mark = digest.split("$", 2)[1] if digest.count("$") >= 2 and digest[0] == "$" else ""
        scheme = _MARKS.get(mark, f"CRYPT ${mark}$")
    return scheme, {"BASE64": "B64"}.get(encoding, encoding), digest


def _argon2(digest: str, password: bytes) -> bool:
    try:
        return _ARGON2ID.verify(digest, password)
    except argon2.exceptions.VerifyMismatchError:
        return False


def _bcrypt(digest: str, password: bytes) -> bool:
    return bcrypt.checkpw(password[:72], digest.encode())  # bcrypt has never looked beyond 72 octets


def _new_bcrypt(password: bytes) -> str:
    return bcrypt.hashpw(password[:72], bcrypt.gensalt(12)).decode()


def _crypt(name: str, digest: str, password: bytes) -> bool:
    """One of the crypt(3) family. 25 ms to import, and most servers have no such password."""
    import passlib.hash

    return bool(getattr(passlib.hash, name).verify(password, digest))


def _new_crypt(name: str, password: bytes) -> str:
    import passlib.hash

    return str(getattr(passlib.hash, name).hash(password))


def _new_text(password: bytes) -> str:
    return password.decode("utf-8")


Check = Callable[[str, bytes], bool]
_CHECKS: Mapping[str, Check] = {
    "ARGON2ID": _argon2,
    "ARGON2I": _argon2,
    "BLF-CRYPT": _bcrypt,
    "SHA512-CRYPT": partial(_crypt, "sha512_crypt"),
    "SHA256-CRYPT": partial(_crypt, "sha256_crypt"),
    "MD5-CRYPT": partial(_crypt, "md5_crypt"),
    "PBKDF2": digests.same_pbkdf2,
    "SCRAM-SHA-1": partial(digests.same_scram, "SCRAM-SHA-1"),
    "SCRAM-SHA-256": partial(digests.same_scram, "SCRAM-SHA-256"),
    "CRAM-MD5": digests.same_cram_md5,
    **dict.fromkeys(digests.CLEAR, digests.same_text),
}
_MAKERS: Mapping[str, Callable[[bytes], str]] = {
    "ARGON2ID": _ARGON2ID.hash,
    "BLF-CRYPT": _new_bcrypt,
    "SHA512-CRYPT": partial(_new_crypt, "sha512_crypt"),
    "SHA256-CRYPT": partial(_new_crypt, "sha256_crypt"),
    "MD5-CRYPT": partial(_new_crypt, "md5_crypt"),
    "PBKDF2": digests.new_pbkdf2,
    **{name: partial(digests.new_digest, name) for name in digests.PLAIN_DIGESTS},
    "SCRAM-SHA-1": lambda password: digests.new_scram("SCRAM-SHA-1", password, ITERATIONS),
    "SCRAM-SHA-256": lambda password: digests.new_scram("SCRAM-SHA-256", password, ITERATIONS),
    "CRAM-MD5": md5.cram_secret,
    "PLAIN": _new_text,
}
SCHEMES = tuple(_MAKERS)
_MARKS = {
    "argon2id": "ARGON2ID",
    "argon2i": "ARGON2I",
    "2a": "BLF-CRYPT",
    "2b": "BLF-CRYPT",
    "2y": "BLF-CRYPT",
    "6": "SHA512-CRYPT",
    "5": "SHA256-CRYPT",
    "1": "MD5-CRYPT",
}
