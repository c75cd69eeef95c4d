"""A second factor for the web login: codes by time (TOTP, RFC 6238, on HOTP's truncation, RFC 4226), and recovery codes.

An account that has one signs in to the web with password and code; mail programs, which can not ask for a code, need an
app password. Six digits, 30 seconds, SHA-1: what every authenticator program knows. No code and no time step is taken twice.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
import struct
from urllib.parse import quote

from msgspec import Struct

from mailhub.model import generated
from mailhub.model.address import key
from mailhub.model.clock import Clock
from mailhub.model.errors import NotFound, Permanent
from mailhub.store.api import DirectoryStore, SecondFactorRow

STEP = 30  # seconds
DIGITS = 6
_DRIFT = 1  # steps that a telephone's clock may be wrong
_SECRET = 20  # octets, RFC 4226 section 4
_RECOVERY = 8  # codes


class Enrolment(Struct, frozen=True):
    """What is shown once: the secret, the same as an `otpauth:` address for a QR code, and the recovery codes."""

    secret: str
    uri: str
    recovery: tuple[str, ...]


class CodeWanted(Permanent):
    """The password was right; now the code."""


class SecondFactors:
    """One per hub. `issuer`: how authenticator programs call this host."""

    def __init__(self, store: DirectoryStore, clock: Clock, issuer: str) -> None:
        self._store, self._clock, self._issuer = store, clock, issuer

    async def active(self, account: str) -> bool:
        """Whether a code is asked for."""
        row = await self._store.second_factor(key(account))
        return row is not None and row.confirmed

    async def wants_more(self, account: str) -> bool:
        """Whether a password alone does not open the web login: the account has codes, or a passkey."""
        return await self.active(account) or bool(await self._store.passkeys(key(account)))

    async def left(self, account: str) -> int | None:
        """Recovery codes that were not used yet; None where no code is asked for."""
        row = await self._store.second_factor(key(account))
        return len(row.recovery) if row is not None and row.confirmed else None

    async def begin(self, account: str) -> Enrolment:
        """A new secret; it counts when `confirm` has seen a code made with it. Exists where one is active, NotFound where no account."""
        account = key(account)
        secret = base64.b32encode(secrets.token_bytes(_SECRET)).decode()
        codes = tuple(generated.letters(10) for _ in range(_RECOVERY))
        await self._store.put_second_factor(SecondFactorRow(account, secret, recovery=tuple(map(_digest, codes))))
        label = quote(f"{self._issuer}:{account}", safe="")
        uri = f"otpauth://totp/{label}?secret={secret}&issuer={quote(self._issuer, safe='')}"
        return Enrolment(secret, uri, tuple(map(generated.grouped, codes)))

    async def confirm(self, account: str, typed: str) -> None:
        """The first code. NotFound where nothing was begun, Permanent where the code is wrong."""
        row = await self._store.second_factor(key(account))
        if row is None or row.confirmed:
            raise NotFound(f"no second factor of {account} waits for its first code")
        step = self._step(row, typed)
        if step is None:
            raise Permanent("wrong code: is the clock of the other device right?")
        await self._store.confirm_second_factor(row.account, row.secret, step)

    async def right(self, account: str, typed: str) -> bool:
        """Whether that is a code of now, or a recovery code; it is spent by this. True where there is no second factor."""
        account = key(account)
        row = await self._store.second_factor(account)
        if row is None or not row.confirmed:
            return True
        step = self._step(row, typed)
        if step is not None:
            return await self._store.spend(account, step, "")
        code = generated.typed(typed)
        return len(code) == 10 and await self._store.spend(account, 0, _digest(code))

    async def wrong(self, account: str, typed: str) -> str:
        """Why that code does not open the web login; "" where it does, or none is asked for. CodeWanted where none was typed."""
        if not await self.wants_more(account):
            return ""
        if not typed:
            raise CodeWanted("the code of the second factor is wanted, or a passkey")
        return "" if await self.active(account) and await self.right(account, typed) else "wrong code"

    async def remove(self, account: str) -> None:
        """NotFound where there is none. Passkeys stay."""
        await self._store.delete_second_factor(key(account))

    async def remove_all(self, account: str) -> None:
        """With the account's passkeys: its password opens it alone. NotFound where there is nothing of both."""
        await self._store.delete_factors(key(account))

    def _step(self, row: SecondFactorRow, typed: str) -> int | None:
        """The time step whose code that is, within what clocks may differ and above the last one taken."""
        digits = generated.typed(typed)
        if len(digits) != DIGITS or not (digits.isascii() and digits.isdigit()):
            return None
        now = int(self._clock.now()) // STEP
        for step in range(now - _DRIFT, now + _DRIFT + 1):
            if hmac.compare_digest(code(row.secret, step), digits) and step > row.counter:
                return step
        return None


def code(secret: str, step: int) -> str:
    """The code of a time step (RFC 4226 section 5.3). ValueError where the secret is no base32."""
    try:
        octets = base64.b32decode(secret)
    except binascii.Error as error:
        raise ValueError(str(error)) from None
    digest = hmac.digest(octets, struct.pack(">Q", step), hashlib.sha1)
    start = digest[-1] & 15
    number = int.from_bytes(digest[start : start + 4]) & 0x7FFFFFFF
    return f"{number % 10**DIGITS:0{DIGITS}d}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
