"""The C library's heap, as a server that runs for years wants it: few arenas, and what lies free goes back to the kernel.

glibc gives a thread that allocates an arena of its own, up to eight for each core, and what lies free in one is of no use to another: with
our threads that wait for the disk, 50 MB of 78 lay free in a soak of ten minutes. What a burst of work has freed between blocks that are
still in use stays, too. Another library (musl) has neither calls nor troubles.
"""

import asyncio
import contextlib
import ctypes
import os

from mailhub.model.clock import Clock

ARENAS = 2
EVERY = 300.0  # seconds; 32 ms for 120 MB that lay free, 1 ms where nothing did
_PAUSE = 10.0  # seconds between two calls where memory is short
_M_ARENA_MAX = -8  # mallopt(3)


def few_arenas() -> bool:
    """Ask for at most `ARENAS`; whether the library does as it was asked. The operator's own word (mallopt(3), "Environment variables") comes
    first. To be called before there are threads."""
    if "MALLOC_ARENA_MAX" in os.environ or "arena_max" in os.environ.get("GLIBC_TUNABLES", ""):
        return False
    try:
        return bool(ctypes.CDLL(None).mallopt(_M_ARENA_MAX, ARENAS))
    except AttributeError:
        return False


def give_back() -> None:
    """All pages that lie free (malloc_trim(3))."""
    with contextlib.suppress(AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


async def tidy(clock: Clock) -> None:
    """Now and then, without an end."""
    while True:
        await clock.sleep(EVERY)
        await asyncio.to_thread(give_back)


class Reserve:
    """What is given back where memory is short, before anybody is refused for it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._after = 0.0

    def use(self) -> None:
        now = self._clock.monotonic()
        if now >= self._after:
            self._after = now + _PAUSE
            give_back()
