"""Whose turn it is: deliveries in all and to one destination are bounded, and a slow destination blocks nobody else.

Two rules keep room for others: a destination takes at most half of the slots that are free, and its line of those who
wait takes at most half of the places that are left. Those who wait are served in turn, destination by destination.
"""

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

_LINE = 2  # deliveries that may always wait for a destination


class Crowded(Exception):
    """Too many wait for that destination already: try later, and let others have the place."""


class Destinations:
    """`limit` deliveries in all, `each` to one destination, `places` for those who wait."""

    def __init__(self, limit: int, each: int, places: int) -> None:
        self._running: Counter[str] = Counter()
        self._total = 0
        self._lines: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()
        self._waiting = 0
        self._closed = False
        self.configure(limit, each, places)

    def configure(self, limit: int, each: int, places: int) -> None:
        """Other bounds, from the next delivery on."""
        self._limit, self._each, self._places = limit, each, places

    @property
    def running(self) -> dict[str, int]:
        """Deliveries under way by destination."""
        return dict(self._running)

    def close(self) -> None:
        """No more turns: those who wait, and who come, are cancelled."""
        self._closed = True
        for line in self._lines.values():
            for turn in line:
                turn.cancel()
        self._lines.clear()

    @asynccontextmanager
    async def slot(self, destination: str) -> AsyncIterator[None]:
        """Hold one of the destination's slots; Crowded where its line is too long."""
        if self._closed:
            raise asyncio.CancelledError
        if destination in self._lines or self._full(destination):
            await self._turn(destination)
        else:
            self._take(destination)
        try:
            yield
        finally:
            self._give_back(destination)

    def _full(self, destination: str) -> bool:
        free = self._limit - self._total
        return free <= 0 or self._running[destination] >= min(self._each, max(1, free // 2))

    def _take(self, destination: str) -> None:
        self._running[destination] += 1
        self._total += 1

    async def _turn(self, destination: str) -> None:
        line = self._lines.get(destination)
        if line is not None and len(line) >= max(_LINE, (self._places - self._waiting) // 2):
            raise Crowded
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if line is None:
            line = self._lines[destination] = deque()
        line.append(turn)
        self._waiting += 1
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._give_back(destination)  # the turn had come
            raise
        finally:
            self._waiting -= 1

    def _give_back(self, destination: str) -> None:
        self._running[destination] -= 1
        self._total -= 1
        if not self._running[destination]:
            del self._running[destination]
        for name in list(self._lines):
            if self._total >= self._limit:
                return
            if not self._full(name):
                self._serve(name)

    def _serve(self, name: str) -> None:
        line = self._lines.pop(name)
        while line:
            turn = line.popleft()
            if not turn.done():
                self._take(name)
                turn.set_result(None)
                break
        if line:
            self._lines[name] = line  # to the end: in turn
