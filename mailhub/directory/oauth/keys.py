"""The keys of an issuer (RFC 7517): read when first needed, and again when they are old or one is asked for that is not there."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import jwt
import msgspec

from mailhub.model.clock import Clock
from mailhub.model.errors import MailError, Temporary

log = logging.getLogger("mailhub.directory")

KEYS_LIMIT = 100  # in one set
TRIES = 8  # keys that a token without the name of one is tried with
RSA_BITS = 2_048  # RFC 7518 section 3.3: no smaller key
PATIENCE = 5.0  # seconds after a failed reading until the next one

# RFC 7518 section 3.1, RFC 8037: what kind of key, and which curve, an algorithm takes.
_KINDS = {
    "RS": ("RSA", None), "PS": ("RSA", None),
    "ES256": ("EC", "P-256"), "ES384": ("EC", "P-384"), "ES512": ("EC", "P-521"), "EdDSA": ("OKP", "Ed25519"),
}  # fmt: skip


class Key(msgspec.Struct, frozen=True):
    """`name`: its kid, "" for none. `algorithm` "": any that fits its kind."""

    name: str
    kind: tuple[str, str | None]
    algorithm: str
    public: Any

    def fits(self, algorithm: str) -> bool:
        wanted = _KINDS.get(algorithm) or _KINDS.get(algorithm[:2])
        return self.kind == wanted and self.algorithm in ("", algorithm)


class _Jwk(msgspec.Struct):
    """What decides whether a key may be used at all."""

    kty: str
    kid: str = ""
    use: str = "sig"
    alg: str = ""
    crv: str | None = None


class KeySet:
    """`read` gets the set's JSON. A set is used for `seconds`, and read again in the background after half of them, so that a
    short absence of the issuer is not felt. `interval`: between two readings because of keys that are not there."""

    def __init__(self, read: Callable[[], Awaitable[bytes]], clock: Clock, *, seconds: float, interval: float) -> None:
        self._read, self._clock, self._seconds, self._interval = read, clock, seconds, interval
        self._keys: tuple[Key, ...] = ()
        self._good = self._tried = float("-inf")
        self._trouble = ""
        self._reading: asyncio.Task[None] | None = None

    async def find(self, name: str, algorithm: str) -> list[Key]:
        """The keys of that name that fit the algorithm; without a name, a few that may be it. Temporary where the issuer does not
        tell his keys."""
        age = self._clock.monotonic() - self._good
        if age >= self._seconds:
            await self._again()
        elif age >= self._seconds / 2:
            self._begin()
        found = self._matching(name, algorithm)
        if (
            not found
            and name
            and (self._reading is not None or self._clock.monotonic() - self._tried >= self._interval)
        ):
            await self._again()
            found = self._matching(name, algorithm)
        return found

    def _matching(self, name: str, algorithm: str) -> list[Key]:
        fitting = [key for key in self._keys if key.fits(algorithm)]
        return [key for key in fitting if key.name == name] if name else fitting[:TRIES]

    async def _again(self) -> None:
        """Read them now: one reading serves all who wait for it. Temporary where that fails, or has failed just now."""
        self._begin()
        if self._reading is not None:
            await asyncio.shield(self._reading)
        if self._trouble:
            raise Temporary(f"keys of tokens: {self._trouble}")

    def _begin(self) -> None:
        now = self._clock.monotonic()
        if self._reading is None and not (self._trouble and now - self._tried < PATIENCE):
            self._tried = now
            self._reading = asyncio.create_task(self._take(), name="keys of tokens")
            self._reading.add_done_callback(self._taken)

    def _taken(self, task: "asyncio.Task[None]") -> None:
        self._reading = None

    async def _take(self) -> None:
        try:
            keys = tuple(parsed(await self._read()))
            if not keys:
                raise Temporary("no key that can be used")
        except (MailError, ValueError) as error:
            self._trouble = str(error)
            log.warning("keys of tokens can not be read: %s", error)
            return
        if keys != self._keys:
            log.info("keys of tokens read: %s", ", ".join(key.name or "one without a name" for key in keys))
        self._keys, self._good, self._trouble = keys, self._clock.monotonic(), ""


def parsed(octets: bytes) -> list[Key]:
    """The keys of a set that may verify signatures; others, and those of unknown kinds, are left out (RFC 7517 section 5).
    ValueError where it is no set."""
    found: dict[str, Any] = msgspec.json.decode(octets, type=dict[str, Any])
    keys = found.get("keys")
    if not isinstance(keys, list) or len(keys) > KEYS_LIMIT:
        raise ValueError(f"no list of at most {KEYS_LIMIT} keys")
    return [key for item in keys if (key := _key(item)) is not None]


def _key(item: object) -> Key | None:
    try:
        head = msgspec.convert(item, _Jwk)
        if head.use != "sig" or head.kty not in ("RSA", "EC", "OKP"):
            return None
        public = jwt.PyJWK(msgspec.convert(item, dict[str, Any])).key
    except (jwt.PyJWTError, ValueError, TypeError, NotImplementedError) as error:  # the last one is said to "none"
        log.warning("a key of tokens is left out: %s", error)
        return None
    if head.kty == "RSA" and public.key_size < RSA_BITS:
        log.warning("a key of tokens is left out: %d bits", public.key_size)
        return None
    return Key(head.kid, (head.kty, head.crv), head.alg, public)
