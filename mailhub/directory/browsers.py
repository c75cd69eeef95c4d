"""Browsers that are signed in, as the store keeps them: they outlive a restart, and end by time, by their owner, or with the password.

Of what a browser shows (a secret of 256 bits, in its cookie) the store has the digest alone: who reads the database, or a copy of it, can not
be anybody. Times are wall times; a browser that began in the future, because the clock was set back, is over.
"""

import hashlib
import logging
import secrets

from msgspec.structs import replace

from mailhub.config.web import Web
from mailhub.model.address import key
from mailhub.model.clock import Clock
from mailhub.model.errors import MailError, NotFound
from mailhub.store.api import BrowserLimits, BrowserStore
from mailhub.store.api import BrowserRow as BrowserRow

from .directory import Directory

log = logging.getLogger("mailhub.directory")

_FRESH = 300.0  # seconds in which a password that was typed counts for changes of what opens the account
_NOTED = 300.0  # seconds: a use is noted no more often than that, nor than four times in web.session_idle
_BACK = 60.0  # seconds that a clock is set back without anybody being signed out
_AGENT = 200  # characters of what a browser calls itself


class Browsers:
    """One per hub. `secret` is always what a browser shows."""

    def __init__(self, store: BrowserStore, directory: Directory, config: Web, clock: Clock) -> None:
        self._store, self._directory, self._config, self._clock = store, directory, config, clock

    async def shown(self, secret: str, client: str, agent: str, used: bool = True) -> BrowserRow | None:
        """Whose browser that is now; that it is `used` is noted. None where nobody is signed in there."""
        row, now = await self._store.found(_digest(secret)), self._clock.now()
        if row is None:
            return None
        if self._over(row, now) or not await self._holds(row):
            await self._store.end(row.digest)
            return None
        if used and now - row.used >= min(_NOTED, self._config.session_idle / 4):
            row = replace(row, used=now, client=client, agent=agent[:_AGENT])
            try:
                await self._store.use(row.digest, now, client, row.agent)
            except MailError as error:  # a note, no more
                log.warning("use of a browser of %s not noted: %s", row.account, error)
        return row

    async def begin(self, account: str, stored: str, client: str, agent: str) -> tuple[BrowserRow, str]:
        """One that is signed in from now on, and what it has to show. `stored`: the account's password as it was stored when it was found
        right. NotFound where the account is gone meanwhile, or has another password."""
        stamp, now, config = _stamp(stored), self._clock.now(), self._config
        if await self._stamp(account) != stamp:
            raise NotFound(f"{account} may not sign in")
        secret = secrets.token_urlsafe(32)
        name = secrets.token_hex(8)
        row = BrowserRow(_digest(secret), name, account, stamp, now, now, now, client, agent[:_AGENT])
        limits = BrowserLimits(
            config.sessions_per_account,
            config.session_limit,
            now - config.session_idle,
            now - config.session_lifetime,
            tuple(map(key, config.admins)),
        )
        await self._store.put(row, limits)
        return row, secret

    def is_fresh(self, row: BrowserRow) -> bool:
        """Whether its user typed the password within the last minutes."""
        return 0 <= self._clock.now() - row.confirmed <= _FRESH

    async def confirm(self, row: BrowserRow) -> None:
        """Its user has typed the password."""
        await self._store.confirm(row.digest, self._clock.now())

    async def of(self, account: str) -> list[BrowserRow]:
        """Those of an account, the one used last first."""
        now = self._clock.now()
        return [row for row in await self._store.of(account) if not self._over(row, now)]

    async def end(self, secret: str) -> None:
        """Sign that browser out, if it is signed in."""
        await self._store.end(_digest(secret))

    async def end_one(self, account: str, name: str) -> None:
        """NotFound where the account has none of that name."""
        await self._store.end_one(account, name)

    async def end_others(self, row: BrowserRow) -> int:
        """All of the account but this one; how many there were."""
        return await self._store.end_others(row.account, row.digest)

    def _over(self, row: BrowserRow, now: float) -> bool:
        idle, lifetime = self._config.session_idle, self._config.session_lifetime
        return now - row.used >= idle or now - row.created >= lifetime or row.created - now > _BACK

    async def _holds(self, row: BrowserRow) -> bool:
        """Whether the password is the one it signed in with. What is remembered of it may be older than the browser, where that signed
        in at another node: nobody is signed out for that."""
        if await self._stamp(row.account) == row.stamp:
            return True
        self._directory.forget(row.account)
        return await self._stamp(row.account) == row.stamp

    async def _stamp(self, account: str) -> str:
        """Another one once the password is changed; "" where the account may not sign in."""
        row = await self._directory.stored(account)
        return _stamp(row.password) if row is not None and row.enabled else ""


def _stamp(stored: str) -> str:
    return hashlib.sha256(b"\1" + stored.encode()).hexdigest()


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
