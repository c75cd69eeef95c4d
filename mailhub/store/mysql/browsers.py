"""api.BrowserStore on a cluster: whoever signed in at one node is signed in at all, and out, too."""

from typing import Any

from msgspec import Struct
from msgspec.structs import astuple

from ..api import BrowserLimits, BrowserRow
from . import bounds
from .credentials import Change
from .engine import Engine, Tx

_COLUMNS = "digest, id, account, stamp, created, used, confirmed, client, agent"
_OF_MOST = (
    "delete from browser where n in (select n from (select n from (select n, used,"
    " row_number() over (partition by account order by used desc, n desc) as place from browser where account not in %s)"
    " ranked order by place desc, used, n limit %s) gone)"
)


class PutBrowser(Struct, frozen=True):
    """Sign-ins meet in no row. Of those at the same moment each may pass a bound by one; the next one makes room again."""

    row: BrowserRow
    limits: BrowserLimits

    async def apply(self, tx: Tx) -> None:
        limits, account = self.limits, self.row.account
        over = await tx.all(
            "select n from browser where used <= %s or created <= %s limit %s", limits.unused, limits.begun, bounds.STEP
        )
        if over:
            await tx.run("delete from browser where n in %s", [n for (n,) in over])
        own = await bounds.excess(tx, limits.per_account - 1, "browser where account = %s", account)
        if own:
            await tx.run("delete from browser where account = %s order by used, n limit %s", account, own)
        if bounds.looked_at(limits.total):
            every = await bounds.excess(tx, limits.total - 1, "browser")
            if every:
                await tx.run(_OF_MOST, (*limits.kept, ""), every)
        await tx.insert(f"insert into browser ({_COLUMNS})", [astuple(self.row)])


class EndOthers(Struct, frozen=True):
    account: str
    digest: str

    async def apply(self, tx: Tx) -> int:
        return await tx.run("delete from browser where account = %s and digest != %s", self.account, self.digest)


class MysqlBrowsers:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def found(self, digest: str) -> BrowserRow | None:
        row = await self._engine.one(f"select {_COLUMNS} from browser where digest = %s", digest)
        return None if row is None else _browser(row)

    async def of(self, account: str) -> list[BrowserRow]:
        text = f"select {_COLUMNS} from browser where account = %s order by used desc, n desc"
        return [_browser(row) for row in await self._engine.all(text, account)]

    async def put(self, row: BrowserRow, limits: BrowserLimits) -> None:
        await self._engine.do(PutBrowser(row, limits))

    async def use(self, digest: str, used: float, client: str, agent: str) -> None:
        text = "update browser set used = greatest(used, %s), client = %s, agent = %s where digest = %s"
        await self._engine.do(Change(text, (used, client, agent, digest)), again=True)

    async def confirm(self, digest: str, confirmed: float) -> None:
        text = "update browser set confirmed = %s where digest = %s"
        await self._engine.do(Change(text, (confirmed, digest)), again=True)

    async def end(self, digest: str) -> None:
        await self._engine.do(Change("delete from browser where digest = %s", (digest,)), again=True)

    async def end_one(self, account: str, id: str) -> None:
        text = "delete from browser where account = %s and id = %s"
        await self._engine.do(Change(text, (account, id), "no such session"))

    async def end_others(self, account: str, digest: str) -> int:
        return await self._engine.do(EndOthers(account, digest))


def _browser(row: tuple[Any, ...]) -> BrowserRow:
    digest, id, account, stamp, created, used, confirmed, client, agent = row
    return BrowserRow(
        digest.decode(), id.decode(), account.decode(), stamp.decode(), created, used, confirmed, client, agent
    )
