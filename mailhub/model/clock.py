"""The seam for time. No other module reads a clock or sleeps.

`SystemClock` is real time. `VirtualClock` stands still until a test says `await clock.advance(seconds)`:
it then goes from deadline to deadline and, between two of them, waits until nothing is in flight.
"""

import asyncio
import heapq
import itertools
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from types import TracebackType
from typing import Protocol


class Timer(Protocol):
    """What `call_later` returns."""

    def cancel(self) -> None: ...


class Clock(Protocol):
    """Wall time, monotonic time, and everything that waits."""

    def now(self) -> float:
        """Wall time in seconds since 1970 (UTC)."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back; only differences mean anything."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait on the monotonic clock."""
        ...

    async def sleep_until(self, when: float) -> None:
        """Wait until the wall clock shows `when`, even if it is set meanwhile."""
        ...

    def timeout(self, seconds: float | None) -> AbstractAsyncContextManager[object]:
        """`async with clock.timeout(5):` raises TimeoutError after that time; None: never."""
        ...

    def call_later(self, seconds: float, callback: Callable[[], object]) -> Timer:
        """Call `callback` on the loop after that time, unless cancelled."""
        ...


class SystemClock:
    """Real time."""

    RECHECK = 60.0  # seconds after which a sleep looks at the wall clock again

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def sleep_until(self, when: float) -> None:
        while (left := when - time.time()) > 0:  # noqa: ASYNC110
            await asyncio.sleep(min(left, self.RECHECK))

    def timeout(self, seconds: float | None) -> AbstractAsyncContextManager[object]:
        return asyncio.timeout(seconds)

    def call_later(self, seconds: float, callback: Callable[[], object]) -> Timer:
        return asyncio.get_running_loop().call_later(seconds, callback)


class _Entry:
    """A deadline of the virtual clock."""

    __slots__ = ("callback",)

    def __init__(self, callback: Callable[[], object]) -> None:
        self.callback: Callable[[], object] | None = callback

    def cancel(self) -> None:
        self.callback = None


class VirtualClock:
    """Time that moves only when told to. `start`: the wall time it begins with."""

    def __init__(self, start: float = 1_800_000_000.0) -> None:
        self._time = start
        self._heap: list[tuple[float, int, _Entry]] = []
        self._order = itertools.count()
        self._settlers: list[Callable[[], Awaitable[object]]] = []

    def now(self) -> float:
        return self._time

    def monotonic(self) -> float:
        return self._time

    def attach(self, settled: Callable[[], Awaitable[object]]) -> None:
        """`settled` is awaited between two deadlines: it returns when nothing of its owner's is in flight."""
        self._settlers.append(settled)

    def detach(self, settled: Callable[[], Awaitable[object]]) -> None:
        self._settlers.remove(settled)

    def call_later(self, seconds: float, callback: Callable[[], object]) -> Timer:
        entry = _Entry(callback)
        heapq.heappush(self._heap, (self._time + max(0.0, seconds), next(self._order), entry))
        return entry

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        woken = asyncio.get_running_loop().create_future()
        entry = self.call_later(seconds, partial(_wake, woken))
        try:
            await woken
        finally:
            entry.cancel()

    async def sleep_until(self, when: float) -> None:
        await self.sleep(when - self._time)

    def timeout(self, seconds: float | None) -> AbstractAsyncContextManager[object]:
        return _VirtualTimeout(self, seconds)

    async def advance(self, seconds: float) -> None:
        """Move on by `seconds`, stopping at each deadline on the way until all that it set off is done."""
        end = self._time + seconds
        await self._settle()
        while self._heap and self._heap[0][0] <= end:
            when, _, entry = heapq.heappop(self._heap)
            if entry.callback is None:
                continue
            self._time = max(self._time, when)
            entry.callback()
            await self._settle()
        self._time = max(self._time, end)
        await self._settle()

    async def _settle(self) -> None:
        for settled in tuple(self._settlers):
            await settled()
        await asyncio.sleep(0)


def _wake(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)


class _VirtualTimeout:
    """asyncio's own timeout, moved to "now" when the virtual deadline is reached."""

    def __init__(self, clock: VirtualClock, seconds: float | None) -> None:
        self._clock, self._seconds = clock, seconds
        self._timeout = asyncio.timeout(None)
        self._timer: Timer | None = None

    async def __aenter__(self) -> asyncio.Timeout:
        await self._timeout.__aenter__()
        if self._seconds is not None and self._seconds <= 0:
            self._expire()  # no advance is needed for a deadline that is now
        elif self._seconds is not None:
            self._timer = self._clock.call_later(self._seconds, self._expire)
        return self._timeout

    def _expire(self) -> None:
        self._timeout.reschedule(asyncio.get_running_loop().time())

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
        await self._timeout.__aexit__(kind, error, trace)
