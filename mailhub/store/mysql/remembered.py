"""What settling units remember beside the queue."""

from collections.abc import Iterable, Sequence

from ..api import Memory, Notice, SieveMark
from .engine import Tx


async def fresh(tx: Tx, mark: SieveMark, now: float) -> bool:
    raise NotImplementedError


async def remember_marks(tx: Tx, marks: Iterable[SieveMark], now: float) -> None:
    for _ in marks:
        raise NotImplementedError


async def notify(tx: Tx, notices: Sequence[Notice]) -> None:
    if notices:
        raise NotImplementedError


async def remember(tx: Tx, memory: Memory) -> None:
    raise NotImplementedError
