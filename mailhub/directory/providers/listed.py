"""Passwords that stand in a table: a Dovecot or Postfix style passwd-file, or any lookup table whose values are
`{SCHEME}hash`."""

from mailhub.model.clock import Clock
from mailhub.model.errors import Permanent
from mailhub.tables import Table
from mailhub.tables.files import Content, FileTable

from .. import passwords
from ..hasher import Hasher
from . import Secret


class ListedPasswords:
    """A Provider over a table: login -> `{SCHEME}hash`. An unknown name costs as much time as a wrong password."""

    def __init__(self, name: str, table: Table, hasher: Hasher) -> None:
        self.name, self._table, self._hasher = name, table, hasher
        self._decoy = passwords.decoy()

    async def verify(self, login: str, password: str, *, service: str, client: str) -> str | None:
        stored = await self._table.lookup(login)
        right = await self._hasher.verify(stored or self._decoy, password.encode("utf-8", "surrogatepass"))
        return login if stored and right else None

    async def secret(self, login: str) -> Secret | None:
        stored = await self._table.lookup(login)
        return Secret(login, stored) if stored else None


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
        password = rest if rest[:7].upper() == "{PLAIN}" and ":" not in rest else rest.partition(":")[0]
        if password and password not in ("*", "!", "x"):
            stored.setdefault(user.lower(), password)
    return _Lines(stored)


def passwd_file(path: str, clock: Clock) -> FileTable:
    """The table of a passwd-file; read again by itself when it changes."""
    return FileTable(path, _parsed, clock)
