"""Passwords that stand in a table: a Dovecot or Postfix style passwd-file, or any lookup table whose values are
`{SCHEME}hash`. A name without a domain is one of `auth.default_domain`."""

import logging

from mailhub.model.address import split
from mailhub.model.clock import Clock
from mailhub.model.errors import Permanent
from mailhub.tables import Table
from mailhub.tables.files import Content, FileTable

from .. import passwords
from ..hasher import Hasher
from . import Secret

log = logging.getLogger("mailhub.directory")

_LOCKED = ("*", "!")  # what a hash begins with that nothing matches (shadow(5))
_PLACES = ("x",)  # the password is elsewhere (passwd(5))
# Dovecot's extra fields that close an account, or open it to some clients alone, which we can not tell from others here.
_CLOSING = ("nologin", "allow_nets", "allow_real_nets")


class ListedPasswords:
    """A Provider over a table: login -> `{SCHEME}hash`. An unknown name costs as much time as a wrong password. `domain`: of the
    names that have none."""

    def __init__(self, name: str, table: Table, hasher: Hasher, domain: str = "") -> None:
        self.name, self._table, self._hasher, self._domain = name, table, hasher, domain.lower()
        self._decoy = passwords.decoy()

    async def verify(self, login: str, password: str, *, service: str, client: str) -> str | None:
        stored = await self._stored(login)
        right = await self._hasher.verify(stored or self._decoy, password.encode("utf-8", "surrogatepass"), client)
        return login if stored and right else None

    async def secret(self, login: str) -> Secret | None:
        stored = await self._stored(login)
        return Secret(login, stored) if stored else None

    async def _stored(self, login: str) -> str | None:
        found = await self._table.lookup(login)
        local, domain = split(login)
        if found is None and domain and domain == self._domain:
            found = await self._table.lookup(local)
        return found


class _Lines:
    def __init__(self, stored: dict[str, str]) -> None:
        self._stored = stored

    def find(self, key: str) -> str | None:
        return self._stored.get(key.lower())


def _parsed(text: str) -> Content:
    """`user:password:uid:gid:gecos:home:shell:extra`; all behind the password may be missing. A hash without {SCHEME} is
    crypt(3)'s, as in passwd(5)."""
    stored: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        user, colon, rest = line.partition(":")
        if not colon or not user:
            raise Permanent(f"line {number}: not user:password")
        password, *fields = rest.split(":", 6)
        extra = fields[5].split() if len(fields) == 6 else []
        if closing := [word for word in extra if word.partition("=")[0] in _CLOSING]:
            log.warning("passwd-file, line %d: %s stays closed here: %s", number, user, closing[0])
        elif password and password not in _PLACES and not password.startswith(_LOCKED):
            stored.setdefault(user.lower(), password)
    return _Lines(stored)


def passwd_file(path: str, clock: Clock) -> FileTable:
    """The table of a passwd-file; read again by itself when it changes."""
    return FileTable(path, _parsed, clock)
