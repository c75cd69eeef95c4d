"""The Sieve scripts of accounts, as their owners keep them: checked before they are stored, within limits."""

from collections.abc import Sequence

from mailhub.config import schema
from mailhub.model.errors import LimitReached, Permanent
from mailhub.store.api import ScriptLimits, ScriptRow, SieveStore
from mailhub.wire.sieve import Limits, ScriptError, check, parse

from .heavy import HeavyLane

__all__ = ["BadScript", "ScriptRow", "Scripts"]

_NAME_LIMIT = 128  # characters (RFC 5804 section 1.6 wants them)


class BadScript(Permanent):
    """A script with mistakes; the cause has a line for each."""


class Scripts:
    """Accounts by their key form. NotFound, Exists, LimitReached as in store.api."""

    def __init__(self, store: SieveStore, config: schema.Sieve, lane: HeavyLane | None = None) -> None:
        self._store, self._config, self._lane = store, config, lane

    def configure(self, config: schema.Sieve) -> None:
        """Take over a new configuration."""
        self._config = config

    @property
    def size_limit(self) -> int:
        """Octets of one script."""
        return self._config.script_limit

    @property
    def redirect_limit(self) -> int:
        return self._config.redirect_limit

    async def check(self, text: bytes) -> None:
        """BadScript. In the lane, where there is one: a large script takes a while."""
        limits = Limits(size=self._config.script_limit)

        def work() -> None:
            check(parse(text, limits))

        try:
            if self._lane is None:
                work()
            else:
                await self._lane.call(work)
        except ScriptError as error:
            raise BadScript(str(error)) from error

    async def check_space(self, account: str, name: str, size: int) -> None:
        """LimitReached where a script of that size would not fit in (RFC 5804 section 2.5)."""
        _checked(name)
        config = self._config
        others = [row for row in await self._store.scripts(account) if row.name != name]
        if size > config.script_limit:
            raise LimitReached("sieve.script_limit")
        if len(others) >= config.script_count:
            raise LimitReached("sieve.script_count")
        if size + sum(row.size for row in others) > config.quota:
            raise LimitReached("sieve.quota")

    async def list(self, account: str) -> Sequence[ScriptRow]:
        return await self._store.scripts(account)

    async def get(self, account: str, name: str) -> bytes:
        return await self._store.script(account, name)

    async def put(self, account: str, name: str, text: bytes) -> None:
        await self.check(text)
        await self._store.put(
            account, _checked(name), text, ScriptLimits(self._config.script_count, self._config.quota)
        )

    async def activate(self, account: str, name: str) -> None:
        """ "" switches all off."""
        await self._store.activate(account, name)

    async def delete(self, account: str, name: str) -> None:
        await self._store.delete(account, name)

    async def rename(self, account: str, name: str, new_name: str) -> None:
        await self._store.rename(account, name, _checked(new_name))


def _checked(name: str) -> str:
    """A name that can be shown: no controls, no line ends of any kind (RFC 5804 section 1.6)."""
    if not 0 < len(name) <= _NAME_LIMIT or not name.replace(" ", "_").isprintable():
        raise Permanent(f"{name[:40]!r} can not be the name of a script")
    return name
