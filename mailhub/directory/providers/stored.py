"""The directory's own passwords."""

import asyncio
import logging

from mailhub.config import schema
from mailhub.model.errors import MailError
from mailhub.store.api import AccountRow

from .. import passwords
from ..directory import Directory
from ..hasher import Hasher
from . import Secret

log = logging.getLogger("mailhub.directory")


class StoredPasswords:
    """A Provider. An unknown name costs as much time as a wrong password."""

    name = "directory"

    def __init__(self, directory: Directory, auth: schema.Auth, hasher: Hasher) -> None:
        self._directory, self._hasher, self.auth = directory, hasher, auth
        self._decoy = passwords.decoy()
        self.rehashes: set[asyncio.Task[None]] = set()

    async def verify(self, login: str, password: str, *, service: str, client: str) -> str | None:
        row = await self._directory.stored(login)
        stored = self._decoy if row is None else row.password or self._decoy
        right = await self._hasher.verify(stored, password.encode("utf-8", "surrogatepass"), client)
        if row is None or not row.password or not right:
            return None
        if (
            self._directory.writable
            and self.auth.rehash
            and passwords.outdated(row.password, self.auth.scheme, self.auth.scram, self.auth.scram_iterations)
        ):
            self._rehash(row, password)
        return row.name

    async def secret(self, login: str) -> Secret | None:
        row = await self._directory.stored(login)
        return Secret(row.name, row.password) if row is not None and row.password else None

    async def settled(self) -> None:
        """Until what was right is written as it is to stay."""
        while self.rehashes:
            await asyncio.wait(self.rehashes)

    def _rehash(self, row: AccountRow, password: str) -> None:
        """Write it anew, while the login goes on."""
        task = asyncio.create_task(self._write_anew(row, password), name=f"rehash {row.name}")
        self.rehashes.add(task)
        task.add_done_callback(self.rehashes.discard)

    async def _write_anew(self, row: AccountRow, password: str) -> None:
        try:
            await self._directory.rehash(row, password)
            log.info("password of %s written as %s", row.name, self.auth.scheme)
        except MailError as error:
            log.warning("password of %s not written anew: %s", row.name, error)
