"""The message as checks read it: its header at once, the rest from where it lies, in blocks."""

from collections.abc import AsyncIterator, Callable
from typing import TypeVar

from mailhub.mailbox.heavy import HeavyLane
from mailhub.message.window import BLOCK, Window
from mailhub.queue.spool import Spool
from mailhub.store.api import Body

T = TypeVar("T")


class Letter:
    """`header`: as it came, without the blank line, at most `smtp.header_size_limit` octets. `size` and what is read: as it is stored,
    where fields that only we may write are left out, and a submitted header is mended. `start`: where the body begins there."""

    __slots__ = ("_body", "_lane", "_spool", "header", "size", "start")

    def __init__(self, header: bytes, stored: int, body: Body, spool: Spool, lane: HeavyLane) -> None:
        """`stored`: octets of the header as it is stored."""
        self.header, self.size, self.start = header, body.size, min(body.size, stored + 2)
        self._body, self._spool, self._lane = body, spool, lane

    async def read(self, offset: int, length: int) -> bytes:
        """Shorter only at the end."""
        if self._body.data is not None:
            return self._body.data[offset : offset + length]
        return await self._spool.read_body(self._body, offset, length)

    async def blocks(self, size: int = BLOCK, *, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """All of it, or what lies between."""
        end = self.size if end is None else min(end, self.size)
        for at in range(start, end, size):
            yield await self.read(at, min(size, end - at))

    async def over(self, work: Callable[[Window], T]) -> T:
        """`work` in the one thread for heavy work, which reads what it looks at; Temporary where it can not be read."""
        data = self._body.data
        if data is not None:
            return await self._lane.call(work, Window(len(data), lambda offset, length: data[offset : offset + length]))
        return await self._lane.over(work, self.size, self.read)
