"""Python-heavy work on messages (big parses, decoding): one thread for all, and few large messages in memory. What only looks
for parts has a few blocks of one.

More threads would only take the interpreter from the loop more often (docs/ARCHITECTURE.md, "Threads").
"""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import TypeVar

from mailhub.message.window import BLOCK, Window
from mailhub.model.errors import Temporary

T = TypeVar("T")

SMALL = 65_536  # octets of a message that needs no leave to be in memory
_PATIENCE = 60.0  # seconds of real time that a block may take; a loop that has ended never gives it
_AHEAD = 8  # first blocks in memory of what waits for the thread
_FOLLOWING = 4  # blocks behind the one in work that are read meanwhile: at 5 MB a turn of the loop for each was most of the delivery's time
_BOUNDARIES = 50  # lines like a boundary: 8,000 parts in 64 KiB take 0.1 s to parse, 50 take 0.5 ms


def quick(data: bytes) -> bool:
    """Can this message be parsed on the loop, in a millisecond or so?"""
    return len(data) <= SMALL and data.count(b"\n--") <= _BOUNDARIES


class HeavyLane:
    """`close()` it when nothing uses it any more."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "mailhub-heavy")
        self._large = asyncio.Semaphore(2)
        self._first = asyncio.Semaphore(_AHEAD)

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    def room(self, size: int) -> AbstractAsyncContextManager[object]:
        """`async with lane.room(size):` read a whole message of `size` octets and work on it."""
        return self._large if size > SMALL else nullcontext()

    async def over(self, work: Callable[[Window], T], size: int, read: Callable[[int, int], Awaitable[bytes]]) -> T:
        """`work` in the thread, over `size` octets that are read as it looks at them. Temporary where there are fewer."""
        loop = asyncio.get_running_loop()

        async def exactly(offset: int, length: int) -> bytes:
            block = await read(offset, length)
            if len(block) != length:
                raise Temporary(f"the message ends at {offset + len(block)} of {size} octets")
            return block

        async with self._first:  # most messages are one block: the thread never waits for those
            first = await exactly(0, min(BLOCK, size))

            ahead: dict[int, Future[bytes]] = {}

            def ask(offset: int) -> Future[bytes]:
                return asyncio.run_coroutine_threadsafe(exactly(offset, min(BLOCK, size - offset)), loop)

            def fetch(offset: int, length: int) -> bytes:
                if offset == 0:
                    return first
                block = ahead.pop(offset, None) or ask(offset)
                for following in range(offset + BLOCK, min(size, offset + _FOLLOWING * BLOCK + 1), BLOCK):
                    ahead[following] = ahead.get(following) or ask(following)
                return block.result(_PATIENCE)

            try:
                return await self.call(work, Window(size, fetch))
            except TimeoutError as error:
                raise Temporary("the message could not be read in time") from error
            finally:
                for block in ahead.values():
                    block.cancel()

    async def by_size(self, octets: int, work: Callable[..., T], *arguments: object) -> T:
        """`work(*arguments)`: on the loop where it is about few octets, in the thread where it is about many."""
        return work(*arguments) if octets <= SMALL else await self.call(work, *arguments)

    async def call(self, work: Callable[..., T], *arguments: object) -> T:
        """`work(*arguments)` in the thread."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)
