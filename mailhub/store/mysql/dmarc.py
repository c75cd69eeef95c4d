"""api.DmarcStore on a cluster. Each node adds what it has counted, now and then; the limits are kept as near as nodes that add at one moment
know of each other."""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from ..api import DmarcCount
from . import bounds
from .engine import Engine, Tx
from .steps import drained

_ADDED = "on duplicate key update messages = messages + values(messages)"  # another node may have been as quick


class Add(Struct, frozen=True):
    counts: Mapping[DmarcCount, int]
    limit: int
    domain_limit: int

    async def apply(self, tx: Tx) -> None:
        room: dict[tuple[int, str], int] = {}  # "" stands for the whole day
        for row, times in sorted(self.counts.items(), key=lambda one: (one[0].day, one[0].domain, one[0].found)):
            key = (row.day, bounds.digest(row.domain, row.found))
            if await tx.run("update dmarc_count set messages = messages + %s where day = %s and id = %s", times, *key):
                continue
            of_day, of_one = (row.day, ""), (row.day, row.domain)
            if of_day not in room:
                room[of_day] = await bounds.room(tx, self.limit, "dmarc_count where day = %s", row.day)
            if of_one not in room:
                which = "dmarc_count where day = %s and domain = %s"
                room[of_one] = await bounds.room(tx, self.domain_limit, which, row.day, row.domain)
            if room[of_day] > 0 and room[of_one] > 0:
                values = (*key, row.domain, row.found, times)
                await tx.insert("insert into dmarc_count (day, id, domain, found, messages)", [values], _ADDED)
                room[of_day] -= 1
                room[of_one] -= 1


class MysqlDmarc:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def add(self, counts: Mapping[DmarcCount, int], limit: int, domain_limit: int) -> None:
        await self._engine.do(Add(counts, limit, domain_limit))

    async def reportable(self, before: int, after: tuple[int, str], limit: int) -> Sequence[tuple[int, str]]:
        text = (
            "select distinct day, domain from dmarc_count where day < %s and (day > %s or day = %s and domain > %s)"
            " order by day, domain limit %s"
        )
        rows = await self._engine.all(text, before, after[0], after[0], after[1], limit)
        return [(day, domain.decode()) for day, domain in rows]

    async def counts(self, day: int, domain: str) -> list[tuple[str, int]]:
        text = "select found, messages from dmarc_count where day = %s and domain = %s"  # it would sort by their first 1,024 octets
        return sorted((found, messages) for found, messages in await self._engine.all(text, day, domain))

    async def remove(self, day: int, domain: str) -> None:
        await drained(self._engine, "dmarc_count where day = %s and domain = %s", day, domain)
