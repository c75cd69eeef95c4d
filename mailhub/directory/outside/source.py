"""The database: asked by a few connections, left alone for a while where it is away, and told about."""

import logging
from collections.abc import Awaitable, Callable, Sequence

from mailhub.config import schema
from mailhub.model.clock import Clock
from mailhub.model.errors import Permanent
from mailhub.tables.mysql import READ_ONLY, Answer, Away, Pool

from ..directory import State
from ..oauth import files
from .kept import Kept
from .queries import Queries
from .schemas import ExtMail, Found, PostfixAdmin, Schema

log = logging.getLogger("mailhub.directory")

Quotas = Callable[[str, int], Awaitable[None]]


class Source:
    """One per hub. `quotas(account, octets)` is told what an account may hold, each time that its tables are asked."""

    def __init__(
        self, config: schema.Directory, pool: Pool, tables: Schema, clock: Clock, quotas: Quotas | None = None
    ) -> None:
        self._config, self._pool, self.tables, self._clock, self._quotas = config, pool, tables, clock, quotas
        self._names: Kept[Found] = Kept(config, clock, bool)
        self._domains: Kept[bool] = Kept(config, clock, bool)
        self._away, self._cause, self._next = 0.0, "", 0.0

    async def name(self, name: str) -> Found:
        """Temporary where it can not be told."""
        return await self._names.get(name, self._name)

    async def _name(self, name: str) -> Found:
        found = await self.tables.name(self.ask, name)
        if found.account is not None and found.storage is not None and self._quotas is not None:
            await self._quotas(found.account.name, found.storage)
        return found

    async def domain(self, name: str) -> bool:
        return await self._domains.get(name, lambda name: self.tables.domain(self.ask, name))

    def forget(self, name: str) -> None:
        """It was changed by us."""
        self._names.drop(name)
        self._domains.drop(name)

    @property
    def pool(self) -> Pool:
        """For statements that are not about one name."""
        return self._pool

    async def ask(self, text: str, values: Sequence[str]) -> Answer:
        """A question of its own. While the database is away one question tries it now and then, and all others fail at once."""
        now = self._clock.monotonic()
        if now < self._next:
            raise Away(self._cause)
        if self._away:
            self._next = now + self._config.timeout + self._config.retry_seconds
        try:
            answer = await self._pool.ask(text, values)
        except Away as error:
            self._lost(str(error))
            raise
        except BaseException:
            self._next = min(self._next, self._clock.monotonic())
            raise
        if self._away:
            log.warning("%s answers again", self._pool.name)
        self._away, self._cause, self._next = 0.0, "", 0.0
        return answer

    def _lost(self, cause: str) -> None:
        self._next = self._clock.monotonic() + self._config.retry_seconds
        self._cause = cause
        if not self._away:
            self._away = self._clock.now()
            log.error("%s: known names serve meanwhile, of others nothing can be told", cause)

    @property
    def state(self) -> State:
        known = len(self._names) + len(self._domains)
        return State(f"{self._pool.name} ({self._config.schema})", self._away, self._cause, known)

    def close(self) -> None:
        self._names.close()
        self._domains.close()
        self._pool.close()


async def opened(config: schema.Directory, clock: Clock, quotas: Quotas | None = None) -> Source:
    """Nothing is asked yet. Permanent where a query can not be used, Temporary where the password can not be read."""
    secret = ""
    if config.password_file:
        try:
            secret = (await files.read(config.password_file)).decode().partition("\n")[0].rstrip("\r")
        except UnicodeDecodeError:
            raise Permanent(f"directory.password_file: {config.password_file}: not UTF-8") from None
    login = {"user": config.user, "password": secret, "db": config.database}
    own = config.schema == "mailhub"
    first = "" if own else READ_ONLY
    pool = Pool(config.hosts, login, clock, size=config.connections, seconds=config.timeout, first=first)
    tables: Schema
    if own:
        from .own import OwnTables

        tables = OwnTables()
    elif config.schema == "queries":
        tables = Queries(config)
    else:
        tables = (ExtMail if config.schema == "extmail" else PostfixAdmin)(config.password_scheme)
    return Source(config, pool, tables, clock, quotas)
