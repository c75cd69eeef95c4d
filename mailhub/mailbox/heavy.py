"""Python-heavy work on messages (big parses, decoding): one thread for all, and few large messages in memory.

More threads would only take the interpreter from the loop more often (docs/ARCHITECTURE.md, "Threads").
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import TypeVar

T = TypeVar("T")

SMALL = 65_536  # octets of a message that needs no leave to be in memory
_BOUNDARIES = 50  # lines like a boundary: 8,000 parts in 64 KiB take 0.1 s to parse, 50 take 0.5 ms


def quick(data: bytes) -> bool:
    """Can this message be parsed on the loop, in a millisecond or so?"""
    return len(data) <= SMALL and data.count(b"\n--") <= _BOUNDARIES


class HeavyLane:
    """`close()` it when nothing uses it any more."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "mailhub-heavy")
        self._large = asyncio.Semaphore(2)

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    def room(self, size: int) -> AbstractAsyncContextManager[object]:
        """`async with lane.room(size):` read a whole message of `size` octets and work on it."""
        return self._large if size > SMALL else nullcontext()

    async def call(self, work: Callable[..., T], *arguments: object) -> T:
        """`work(*arguments)` in the thread."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)
