"""The real authenticator over nothing but a table of passwords."""

from collections.abc import Callable, Mapping
from typing import Any

from mailhub.config import schema
from mailhub.directory import Authenticator, Hasher
from mailhub.directory.authenticator import Tokens
from mailhub.directory.providers import Secret
from mailhub.model.address import key
from mailhub.model.clock import Clock
from mailhub.model.errors import Temporary
from mailhub.store.api import AccountRow, PasskeyRow


class CountingHasher(Hasher):
    """A real hasher that tells how many hashes were verified."""

    verified = 0

    async def verify(self, stored: str, password: bytes, client: str = "") -> bool:
        self.verified += 1
        return await super().verify(stored, password, client)


class Passwords:
    """A Provider: `names(login, password)` is the account, None, or raises."""

    name = "a table"

    def __init__(self, names: Callable[[str, str], str | None], stored: Mapping[str, str] | None = None) -> None:
        self.names, self.stored = names, stored or {}

    async def verify(self, login: str, password: str, *, service: str, client: str) -> str | None:
        return self.names(login, password)

    async def secret(self, login: str) -> Secret | None:
        return Secret(login, self.stored[login]) if login in self.stored else None


class Everybody:
    """A directory and a store in which everybody has an account, and the provider alone tells who may use it."""

    async def stored(self, login: str) -> AccountRow:
        return AccountRow(key(login), "")

    async def app_password(self, account: str, digest: str) -> None:
        return None

    async def second_factor(self, account: str) -> None:
        return None

    async def passkeys(self, account: str) -> list[PasskeyRow]:
        return []


def authenticator(
    provider: Passwords, clock: Clock, auth: schema.Auth | None = None, tokens: Tokens | None = None
) -> Authenticator:
    """`auth.failure_delay` is kept: 0 spares a test the wait."""
    everybody: Any = Everybody()
    settings = auth or schema.Auth(failure_delay=0)
    return Authenticator(
        everybody, everybody, settings, clock, Hasher(1, 1_000), [provider], hostname="mx.mailhub.test", tokens=tokens
    )


def from_table(passwords: Mapping[str, str | None]) -> Passwords:
    """Login -> password; None: cannot be told now."""

    def names(login: str, password: str) -> str | None:
        right = passwords.get(login, "")
        if right is None:
            raise Temporary("the directory is away")
        return login if right and right == password else None

    return Passwords(names, {login: "{PLAIN}" + right for login, right in passwords.items() if right})
