"""api.DkimStore on a cluster."""

from collections.abc import Sequence

from msgspec import Struct

from ..api import DkimKey
from .credentials import Change
from .engine import Engine, Tx

_COLUMNS = "domain, selector, kind, pem, state, since"


class PutKeys(Struct, frozen=True):
    keys: Sequence[DkimKey]

    async def apply(self, tx: Tx) -> None:
        rows = [(one.domain, one.selector, one.kind, one.pem, one.state, one.since) for one in self.keys]
        await tx.insert(f"replace into dkim_key ({_COLUMNS})", rows)


class ChangeKeys(Struct, frozen=True):
    keys: Sequence[DkimKey]

    async def apply(self, tx: Tx) -> None:
        text = "update dkim_key set state = %s, since = %s where domain = %s and selector = %s"
        for one in self.keys:
            await tx.run(text, one.state, one.since, one.domain, one.selector)


class MysqlDkim:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def none(self) -> bool:
        return False  # another node may have made some

    async def of(self, domain: str) -> list[DkimKey]:
        text = "select selector, kind, pem, state, since from dkim_key where domain = %s order by since, selector"
        return [
            DkimKey(domain, selector.decode(), kind.decode(), pem, state.decode(), since)
            for selector, kind, pem, state, since in await self._engine.all(text, domain)
        ]

    async def domains(self) -> list[str]:
        rows = await self._engine.all("select distinct domain from dkim_key order by domain")
        return [name.decode() for (name,) in rows]

    async def put(self, keys: Sequence[DkimKey]) -> None:
        await self._engine.do(PutKeys(tuple(keys)), again=True)

    async def change(self, keys: Sequence[DkimKey]) -> None:
        await self._engine.do(ChangeKeys(tuple(keys)), again=True)

    async def remove(self, domain: str, selector: str) -> None:
        text = "delete from dkim_key where domain = %s and selector = %s"
        await self._engine.do(Change(text, (domain, selector), f"no key {selector} of {domain}"))
