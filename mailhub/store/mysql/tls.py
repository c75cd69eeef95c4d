"""api.TlsStore on a cluster: MTA-STS policies, counts of sessions for TLS reports."""

from collections.abc import Mapping, Sequence

from msgspec import Struct
from msgspec.structs import astuple

from ..api import StsRow, TlsCount
from . import bounds
from .credentials import Change
from .engine import Engine, Tx
from .steps import drained

_STS = "domain, id, text, fetched, expires"
_ADDED = "on duplicate key update sessions = sessions + values(sessions)"  # another node may have been as quick
_COUNT = "domain, kind, policy, result, source, host, address, detail"


class PutSts(Struct, frozen=True):
    row: StsRow
    limit: int

    async def apply(self, tx: Tx) -> None:
        row = self.row
        values = (row.domain, row.id, row.text, row.fetched, row.expires)
        await tx.insert(f"replace into sts_policy ({_STS})", [values])
        if bounds.looked_at(self.limit) and (too_many := await bounds.excess(tx, self.limit, "sts_policy")):
            await tx.run("delete from sts_policy where domain != %s order by fetched limit %s", row.domain, too_many)


class AddSessions(Struct, frozen=True):
    counts: Mapping[TlsCount, int]
    limit: int

    async def apply(self, tx: Tx) -> None:
        room: dict[int, int] = {}
        for row, times in sorted(self.counts.items(), key=lambda one: astuple(one[0])):
            words = astuple(row)[1:]
            key = (row.day, bounds.digest(*words))
            if await tx.run("update tls_session set sessions = sessions + %s where day = %s and id = %s", times, *key):
                continue
            if row.day not in room:
                room[row.day] = await bounds.room(tx, self.limit, "tls_session where day = %s", row.day)
            if room[row.day] > 0:
                row_now = (*key, *words, times)
                await tx.insert(f"insert into tls_session (day, id, {_COUNT}, sessions)", [row_now], _ADDED)
                room[row.day] -= 1


class MysqlTls:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def sts(self, domain: str) -> StsRow | None:
        row = await self._engine.one("select id, text, fetched, expires from sts_policy where domain = %s", domain)
        return None if row is None else StsRow(domain, *row)

    async def put_sts(self, row: StsRow, limit: int) -> None:
        await self._engine.do(PutSts(row, limit), again=True)

    async def aged_sts(self, now: float, after: str, limit: int) -> Sequence[StsRow]:
        text = f"select {_STS} from sts_policy where domain > %s and (fetched + expires) / 2 <= %s order by domain limit %s"
        return [StsRow(domain.decode(), *rest) for domain, *rest in await self._engine.all(text, after, now, limit)]

    async def remove_sts(self, domain: str) -> None:
        await self._engine.do(Change("delete from sts_policy where domain = %s", (domain,)), again=True)

    async def add_sessions(self, counts: Mapping[TlsCount, int], limit: int) -> None:
        await self._engine.do(AddSessions(counts, limit))

    async def reportable(self, before: int, after: tuple[int, str], limit: int) -> Sequence[tuple[int, str]]:
        text = (
            "select distinct day, domain from tls_session where day < %s and (day > %s or day = %s and domain > %s)"
            " order by day, domain limit %s"
        )
        rows = await self._engine.all(text, before, after[0], after[0], after[1], limit)
        return [(day, domain.decode()) for day, domain in rows]

    async def sessions(self, day: int, domain: str) -> dict[TlsCount, int]:
        text = f"select {_COUNT}, sessions from tls_session where day = %s and domain = %s"
        rows = await self._engine.all(text, day, domain)
        return {TlsCount(day, domain, *row[1:-1]): row[-1] for row in rows}

    async def remove_sessions(self, day: int, domain: str) -> None:
        await drained(self._engine, "tls_session where day = %s and domain = %s", day, domain)
