"""The Sender Rewriting Scheme: a forwarder's own address as reverse-path, from which the sender's can be told again.

    SRS0=HASH=TT=domain=local@us            the first forwarder, for local@domain
    SRS1=HASH=first==HASH=TT=...@us         each further one: bounces go to the first, which knows what its own hash is worth

The hash is an HMAC, compared in any case, for some hosts change it; TT are days, modulo 1024.
"""

import base64
import hashlib
import hmac
import re

from mailhub.model import address as addresses

LOCAL_LIMIT = 255  # octets: what we take back (wire.smtp.path)
_DAY = 86_400
_TURN = 1_024  # days after which a stamp comes again
_HASH = 8  # characters, five bits each
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_PLAIN = re.compile(r"[^\s\"(),:;<>@\[\\\].]+(\.[^\s\"(),:;<>@\[\\\].]+)*")


class SrsError(ValueError):
    """No address that we have made, or one that is too old; it says which."""


def is_rewritten(address: str) -> bool:
    """Whether its form is SRS's, whoever made it."""
    local = addresses.unquote(address.rpartition("@")[0]).upper()
    return local[:4] in ("SRS0", "SRS1") and local[4:5] in ("=", "+", "-")


def rewritten(sender: str, domain: str, key: bytes, now: float) -> str:
    """The reverse-path under which mail of `sender` is sent on by `domain`. SrsError where that would be too long."""
    local, host = addresses.split(sender)
    local = addresses.unquote(local)
    if not is_rewritten(sender):
        stamp = _stamp(int(now // _DAY))
        hashed = _hash(key, "SRS0", stamp, host, local)
        made = f"SRS0={hashed}={stamp}={host}={local}"
    else:
        first, rest = host, local[4:]
        if local[:4].upper() == "SRS1":  # whoever sent it on before us is left out
            _, first, rest = (*local[5:].split("=", 2), "", "")[:3]
        hashed = _hash(key, "SRS1", first, rest)
        made = f"SRS1={hashed}={first}={rest}"
    if len(made.encode("utf-8", "surrogatepass")) > LOCAL_LIMIT:
        raise SrsError("too long")
    return f"{_quoted(made)}@{domain}"


def original(address: str, key: bytes, now: float, lifetime: float) -> str:
    """The address behind one that we have made within `lifetime` seconds (whole days count)."""
    local = addresses.unquote(address.rpartition("@")[0])
    kind, fields = local[:4].upper(), local[5:]
    if kind == "SRS1":
        found, _, fields = fields.partition("=")
        first, _, rest = fields.partition("=")
        _check(found, _hash(key, "SRS1", first, rest))
        return f"{_quoted('SRS0' + rest)}@{first}"
    parts = fields.split("=", 3)
    if kind != "SRS0" or len(parts) < 4:
        raise SrsError("not an SRS address")
    found, stamp, host, user = parts
    _check(found, _hash(key, "SRS0", stamp, host, user))
    if _age(stamp, int(now // _DAY)) * _DAY > lifetime:
        raise SrsError("expired")
    return f"{_quoted(user)}@{host}"


def _hash(key: bytes, *words: str) -> str:
    text = "=".join(words).lower().encode("utf-8", "surrogatepass")
    return base64.b32encode(hmac.digest(key, text, hashlib.sha256))[:_HASH].decode()


def _check(found: str, right: str) -> None:
    if not hmac.compare_digest(found.upper().encode("utf-8", "surrogatepass"), right.encode()):
        raise SrsError("wrong hash")


def _stamp(day: int) -> str:
    high, low = divmod(day % _TURN, len(_ALPHABET))
    return _ALPHABET[high] + _ALPHABET[low]


def _age(stamp: str, today: int) -> int:
    """Days; of a stamp from the future nearly all there are."""
    high, low = (_ALPHABET.index(char) for char in stamp.upper())
    return (today - high * len(_ALPHABET) - low) % _TURN


def _quoted(local: str) -> str:
    """RFC 5321 section 4.1.2: a Quoted-string where it is no Dot-string."""
    if _PLAIN.fullmatch(local):
        return local
    return '"' + local.replace("\\", "\\\\").replace('"', '\\"') + '"'
