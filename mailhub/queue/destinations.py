"""How many deliveries run at one time: in all, and to one destination. A full one keeps nobody else waiting."""

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Destinations:
    """`limit` deliveries in all, `each` to one destination. Those that wait are served round robin by destination."""

    def __init__(self, limit: int, each: int) -> None:
        self._limit, self._each = limit, each
        self._running: Counter[str] = Counter()
        self._total = 0
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    @property
    def running(self) -> dict[str, int]:
        """Deliveries under way by destination."""
        return dict(self._running)

    @asynccontextmanager
    async def slot(self, destination: str) -> AsyncIterator[None]:
        """Hold one of the destination's slots."""
        if self._full(destination) or destination in self._waiting:
            await self._wait(destination)
        else:
            self._take(destination)
        try:
            yield
        finally:
            self._give_back(destination)

    def _full(self, destination: str) -> bool:
        return self._total >= self._limit or self._running[destination] >= self._each

    def _take(self, destination: str) -> None:
        self._running[destination] += 1
        self._total += 1

    async def _wait(self, destination: str) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(destination, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._give_back(destination)  # the turn had come
            raise

    def _give_back(self, destination: str) -> None:
        self._running[destination] -= 1
        self._total -= 1
        if not self._running[destination]:
            del self._running[destination]
        for name in list(self._waiting):
            if self._total >= self._limit:
                return
            if self._running[name] >= self._each:
                continue
            self._serve(name)

    def _serve(self, name: str) -> None:
        queue = self._waiting.pop(name)
        while queue:
            turn = queue.popleft()
            if not turn.done():
                self._take(name)
                turn.set_result(None)
                break
        if queue:
            self._waiting[name] = queue  # to the end: round robin
