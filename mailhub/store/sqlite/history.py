"""api.HistoryStore on SQLite."""

import sqlite3

from msgspec import Struct
from msgspec.structs import astuple, replace

from ..api import HOUR, MINUTE, Figures
from ..lane import Lane
from .writer import Told, Writer

_COUNTED = ("accepted", "refused", "sent", "deferred", "bounced", "delay")
_MOST = tuple(one for one in Figures.__struct_fields__ if one not in ("at", "delays", *_COUNTED))
_ADDED = ", ".join(
    [f"{one} = {one} + excluded.{one}" for one in _COUNTED] + [f"{one} = max({one}, excluded.{one})" for one in _MOST]
)
_ADD = f"insert into history values ({', '.join('?' * (2 + len(_COUNTED) + len(_MOST)))}) on conflict(step, at) do update set {_ADDED}"
_ADD_DELAY = "insert into history_delay values (?, ?, ?, ?) on conflict do update set recipients = recipients + excluded.recipients"
_FORGET = "delete from {0} where step = ? and at in (select distinct at from {0} where step = ? and at < ? order by at limit 200)"
_READ = (
    "select at / :width * :width as began, "
    + ", ".join([f"sum({one})" for one in _COUNTED] + [f"max({one})" for one in _MOST])
    + " from history where step = :step and at >= :since group by began order by began"
)
_READ_DELAYS = (
    "select at / :width * :width as began, span, sum(recipients) from history_delay where step = :step and at >= :since"
    " group by began, span order by began, span"
)


class AddFigures(Struct, frozen=True):
    row: Figures
    minutes: float
    hours: float

    def apply(self, db: sqlite3.Connection, told: Told) -> None:
        at, *values, delays = astuple(self.row)
        for step, keep in ((MINUTE, self.minutes), (HOUR, self.hours)):
            db.execute(_ADD, (step, at // step * step, *values))
            db.executemany(_ADD_DELAY, [(step, at // step * step, *delay) for delay in delays])
            for table in ("history", "history_delay"):
                db.execute(_FORGET.format(table), (step, step, at - keep))


class SqliteHistory:
    """`lists`: the lane's connection."""

    def __init__(self, writer: Writer, reader: Lane, lists: sqlite3.Connection) -> None:
        self._writer, self._reader, self._lists = writer, reader, lists

    async def add(self, row: Figures, minutes: float, hours: float) -> None:
        await self._writer.do(AddFigures(row, minutes, hours))

    async def since(self, at: float, step: int, width: int) -> list[Figures]:
        return await self._reader.call(self._rows, {"since": at, "step": step, "width": width})

    def _rows(self, asked: dict[str, float]) -> list[Figures]:
        delays: dict[int, list[tuple[int, int]]] = {}
        for began, span, recipients in self._lists.execute(_READ_DELAYS, asked):
            delays.setdefault(began, []).append((span, recipients))
        return [
            replace(Figures(*row), delays=tuple(delays.get(row[0], ()))) for row in self._lists.execute(_READ, asked)
        ]
