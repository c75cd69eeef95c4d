"""api.HistoryStore on a cluster: each node has rows of its own, so that no two write the same."""

from collections.abc import Callable, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import astuple

from ..api import HOUR, MINUTE, Figures
from .engine import Engine, Tx

_COUNTED = ("accepted", "refused", "sent", "deferred", "bounced", "delay")
_MOST = ("queued", "oldest", "sessions", "memory", "lagged")  # LAG is a word of MySQL's own
_COLUMNS = ", ".join(("step", "at", "node", *_COUNTED, *_MOST))
_ADDED = ", ".join(
    [f"{one} = {one} + values({one})" for one in _COUNTED]
    + [f"{one} = greatest({one}, values({one}))" for one in _MOST]
)
_ADDED_DELAY = "recipients = recipients + values(recipients)"
_FORGET = "delete from {0} where step = %s and node = %s and at < %s order by at limit 200"
_OF_NODES = ", ".join([f"sum({one}) as {one}" for one in _COUNTED] + [f"max({one}) as {one}" for one in _MOST])
# sessions are each node's own; what else is the most there was is everybody's, or that of the node that had most
_OF_ALL = ", ".join(f"{'sum' if one in (*_COUNTED, 'sessions') else 'max'}({one})" for one in (*_COUNTED, *_MOST))
_READ = (
    f"select began, {_OF_ALL} from (select at - at %% %s as began, node, {_OF_NODES} from history where step = %s and at >= %s"
    " group by began, node) of_nodes group by began order by began"
)
_READ_DELAYS = (
    "select at - at %% %s as began, span, sum(recipients) from history_delay where step = %s and at >= %s"
    " group by began, span order by began, span"
)


class AddFigures(Struct, frozen=True):
    row: Figures
    node: int
    minutes: float
    hours: float

    async def apply(self, tx: Tx) -> None:
        at, *values, delays = astuple(self.row)
        for step, keep in ((MINUTE, self.minutes), (HOUR, self.hours)):
            row = (step, at // step * step, self.node, *values)
            await tx.insert(f"insert into history ({_COLUMNS})", [row], f"on duplicate key update {_ADDED}")
            if delays:
                rows = [(step, at // step * step, self.node, *delay) for delay in delays]
                into = "insert into history_delay (step, at, node, span, recipients)"
                await tx.insert(into, rows, f"on duplicate key update {_ADDED_DELAY}")
            for table in ("history", "history_delay"):
                await tx.run(_FORGET.format(table), step, self.node, at - keep)


class MysqlHistory:
    """`slot`: this node's number among those that live."""

    def __init__(self, engine: Engine, slot: Callable[[], int]) -> None:
        self._engine, self._slot = engine, slot

    async def add(self, row: Figures, minutes: float, hours: float) -> None:
        await self._engine.do(AddFigures(row, self._slot(), minutes, hours))

    async def since(self, at: float, step: int, width: int) -> list[Figures]:
        rows = await self._engine.all(_READ, width, step, at)
        delays: dict[int, list[tuple[int, int]]] = {}
        for began, span, recipients in await self._engine.all(_READ_DELAYS, width, step, at):
            delays.setdefault(int(began), []).append((int(span), int(recipients)))
        return [_figures(row, tuple(delays.get(int(row[0]), ()))) for row in rows]


def _figures(row: Sequence[Any], delays: tuple[tuple[int, int], ...]) -> Figures:
    """Sums come as decimals."""
    at, accepted, refused, sent, deferred, bounced, delay, queued, oldest, sessions, memory, lag = row
    return Figures(
        int(at), int(accepted), int(refused), int(sent), int(deferred), int(bounced), float(delay), int(queued),
        float(oldest), int(sessions), int(memory), float(lag), delays,
    )  # fmt: skip
