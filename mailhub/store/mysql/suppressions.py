"""api.SuppressionStore on a cluster, and what settling units teach it."""

import json
from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from ..api import HardBounce, Memory, SuppressionRow
from . import bounds
from .credentials import Change
from .engine import Engine, Tx

_ROW = "select address, source, until, history, note from suppression"
_COLUMNS = "address, source, until, last, history, note"
_NEW, _PUT = f"insert into suppression ({_COLUMNS})", f"replace into suppression ({_COLUMNS})"


async def remember(tx: Tx, memory: Memory) -> None:
    """Count refusals, forget those of addresses that are well, and keep the table within its limit."""
    if memory.well:
        await tx.run("delete from suppression where address in %s and source = 'bounces'", sorted(memory.well))
    for bounce in sorted(memory.refused, key=lambda one: (one.address, one.at)):  # in one order on all nodes
        await _count(tx, memory, bounce)
    if memory.refused and bounds.looked_at(memory.limit, len(memory.refused)):
        await _trim(tx, memory, memory.refused[0].at)


async def _count(tx: Tx, memory: Memory, bounce: HardBounce) -> None:
    new = SuppressionRow(
        bounce.address, "bounces", 0.0
    )  # written first, so that two that count at one moment meet there
    await tx.insert(_NEW, [_values(new)], "on duplicate key update last = last")
    found = await tx.one(f"{_ROW} where address = %s for update", bounce.address)
    row = new if found is None else _row(found)
    if row.source != "bounces":
        return
    recent = [one for one in row.history if one.at > bounce.at - memory.within]
    history = (*recent, bounce)[-memory.after :]
    until = bounce.at + memory.seconds if len(history) >= memory.after else row.until
    await tx.insert(_PUT, [_values(SuppressionRow(bounce.address, "bounces", until, history))])


async def _trim(tx: Tx, memory: Memory, now: float) -> None:
    """What is over first, then those that were silent longest."""
    await tx.run(
        "delete from suppression where source = 'bounces' and last < %s and until < %s order by last limit %s",
        now - memory.within, now, bounds.STEP,
    )  # fmt: skip
    if too_many := await bounds.excess(tx, memory.limit, "suppression"):
        await tx.run("delete from suppression where source = 'bounces' order by last limit %s", too_many)


def _values(row: SuppressionRow) -> tuple[object, ...]:
    history = json.dumps([(one.at, one.remote, one.reply) for one in row.history])
    last = max((one.at for one in row.history), default=0.0)
    return (row.address, row.source, row.until, last, history, row.note)


def _row(row: Sequence[Any]) -> SuppressionRow:
    address, source, until, history, note = row[0].decode(), row[1].decode(), *row[2:]
    bounces = tuple(HardBounce(address, at, remote, reply) for at, remote, reply in json.loads(history))
    return SuppressionRow(address, source, until, bounces, note)


class PutSuppression(Struct, frozen=True):
    row: SuppressionRow

    async def apply(self, tx: Tx) -> None:
        await tx.insert(_PUT, [_values(self.row)])


class MysqlSuppressions:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def find(self, address: str) -> SuppressionRow | None:
        found = await self._engine.one(f"{_ROW} where address = %s", address)
        return None if found is None else _row(found)

    async def page(self, after: str = "", limit: int = 100) -> list[SuppressionRow]:
        rows = await self._engine.all(f"{_ROW} where address > %s order by address limit %s", after, limit)
        return [_row(row) for row in rows]

    async def put(self, row: SuppressionRow) -> None:
        await self._engine.do(PutSuppression(row), again=True)

    async def remove(self, address: str) -> None:
        text = "delete from suppression where address = %s"
        await self._engine.do(Change(text, (address,), f"{address} is not on the suppression list"))
