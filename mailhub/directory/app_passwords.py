"""Passwords made for one program each: named, limited to protocols, revocable, with their last use shown.

They are made here and shown once. Each has 99 bits, so that one SHA-256 is as good as a slow hash, and a look-up by its
digest costs as much as the look-up of an account. Blanks, hyphens and capitals that a person types into it do not count.
"""

import hashlib
import logging
from collections.abc import Iterable

from msgspec import Struct

from mailhub.model import generated
from mailhub.model.address import key
from mailhub.model.clock import Clock
from mailhub.model.errors import MailError, Permanent
from mailhub.store.api import AppPasswordRow, DirectoryStore

log = logging.getLogger("mailhub.directory")

SERVICES = ("smtp", "imap", "pop3", "managesieve", "api")
LIMIT = 100  # of one account
NAME_LIMIT = 100  # characters
_LENGTH = 20  # letters
_TOUCH = 3_600.0  # seconds: a use is noted no more often than that


class AppPassword(Struct, frozen=True):
    """One of them, without the password itself. `services` empty: all. `used`: wall time to the hour, 0: never."""

    name: str
    services: tuple[str, ...]
    created: float
    used: float
    client: str


class AppPasswords:
    """One per hub."""

    def __init__(self, store: DirectoryStore, clock: Clock) -> None:
        self._store, self._clock = store, clock

    async def add(self, account: str, name: str, services: Iterable[str] = ()) -> str:
        """A new one: the password, told this once. NotFound, Exists, LimitReached; Permanent where a name can not be used."""
        account = key(account)
        if not (0 < len(name) <= NAME_LIMIT and name.isprintable() and name == name.strip()):
            raise Permanent(f"{name!r} is no name for an app password: 1 to {NAME_LIMIT} printable characters")
        wanted = tuple(sorted(set(services)))
        if unknown := [service for service in wanted if service not in SERVICES]:
            raise Permanent(f"no protocol {unknown[0]!r}: {', '.join(SERVICES)}")
        letters = generated.letters(_LENGTH)
        row = AppPasswordRow(account, name, _digest(letters), wanted, self._clock.now())
        await self._store.put_app_password(row, LIMIT)
        return generated.grouped(letters)

    async def of(self, account: str) -> list[AppPassword]:
        """All of an account, by name."""
        rows = await self._store.app_passwords(key(account))
        return [AppPassword(row.name, row.services, row.created, row.used, row.client) for row in rows]

    async def remove(self, account: str, name: str) -> None:
        """It opens nothing from now on. NotFound where there is none."""
        await self._store.delete_app_password(key(account), name)

    async def right(self, account: str, password: str, service: str, client: str) -> bool:
        """Whether that is one of the account's, for that service; its use is noted."""
        letters = generated.typed(password)
        if len(letters) != _LENGTH or not all(char in generated.LETTERS for char in letters):
            return False  # no look-up for what can not be one
        row = await self._store.app_password(account, _digest(letters))
        if row is None:
            return False
        if row.services and _SAME.get(service, service) not in row.services:
            log.warning("%s: app password %r of %s is not for %s", client, row.name, account, service)
            return False
        now = self._clock.now()
        if now - row.used >= _TOUCH or row.client != client:
            try:
                await self._store.use_app_password(account, row.name, now, client)
            except MailError as error:  # a note, no more
                log.warning("use of app password %r of %s not noted: %s", row.name, account, error)
        return True


_SAME = {"submission": "smtp"}


def _digest(letters: str) -> str:
    return hashlib.sha256(letters.encode()).hexdigest()
