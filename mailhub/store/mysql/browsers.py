"""api.BrowserStore on a cluster: whoever signed in at one node is signed in at all, and out, too."""

from typing import Any

from msgspec import Struct
from msgspec.structs import astuple

from ..api import BrowserLimits, BrowserRow
from . import bounds
from .credentials import Change
from .engine import Engine, Tx

_COLUMNS = "digest, id, account, stamp, created, used, confirmed, client, agent"
_OVER = "select n from browser where used <= %s or created <= %s limit %s"
_OLDEST = "select n from browser where account = %s order by used desc, n desc limit %s offset %s"
_OF_MOST = (
    "select n from (select n, row_number() over (order by place desc, used, n) as turn from (select n, used,"
    " row_number() over (partition by account order by used desc, n desc) as place from browser where account not in %s) ranked"
    " ) lined_up where turn <= (select count(*) from browser) - %s limit %s"
)


class PutBrowser(Struct, frozen=True):
    """Sign-ins meet in no row. Of those at the same moment each may pass a bound by one; the next one makes room again."""

    row: BrowserRow
    limits: BrowserLimits

    async def apply(self, tx: Tx) -> None:
        limits, account = self.limits, self.row.account
        await _end(tx, _OVER, limits.unused, limits.begun, bounds.STEP)
        await _end(tx, _OLDEST, account, bounds.STEP, limits.per_account - 1)
        if bounds.looked_at(limits.total) and await bounds.excess(tx, limits.total - 1, "browser", most=1):
            await _end(tx, _OF_MOST, (*limits.kept, ""), limits.total - 1, bounds.STEP)
        await tx.insert(f"insert into browser ({_COLUMNS})", [astuple(self.row)])


async def _end(tx: Tx, chosen: str, *values: object) -> None:
    """Those that one question names, so that two who make room at the same moment end the same ones, and no more."""
    if gone := [n for (n,) in await tx.all(chosen, *values)]:
        await tx.run("delete from browser where n in %s", gone)


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
