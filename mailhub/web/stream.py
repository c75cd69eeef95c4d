"""Server-sent events: what happens, told to whoever follows it. Who is slow misses some, is told how many, and holds nobody."""

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Generic, TypeVar

import msgspec
from aiohttp import web

from mailhub.model.clock import Clock
from mailhub.model.errors import LimitReached, MailError

from .safety import Denied

T = TypeVar("T")
_WAITING = 1_000  # events that one reader may be behind
_BEAT = 15.0  # seconds; by then a proxy hears that the connection lives


class Feed(Generic[T]):
    """What one reader has not read yet. `missed`: how much did not fit since it was last told."""

    def __init__(self) -> None:
        self._waiting: deque[T] = deque()
        self._there, self._asked = asyncio.Event(), asyncio.Event()
        self.missed = 0

    def put(self, value: T) -> None:
        if len(self._waiting) >= _WAITING:
            self.missed += 1
            return
        self._waiting.append(value)
        self._asked.clear()
        self._there.set()

    async def asked(self) -> None:
        """Until the reader has read all that there was, and waits for more."""
        await self._asked.wait()

    async def take(self) -> list[T]:
        """All that waits, once there is something."""
        if not self._waiting:
            self._asked.set()
        await self._there.wait()
        self._there.clear()
        taken = list(self._waiting)
        self._waiting.clear()
        return taken


class Readers:
    """Those who follow, at most `limit`, and `each` by one name; more are LimitReached."""

    def __init__(self, limit: int, each: int = 0) -> None:
        self._limit, self._each = limit, each or limit
        self._count: Counter[str] = Counter()

    @contextmanager
    def one(self, who: str = "") -> Iterator[None]:
        if self._count.total() >= self._limit:
            raise LimitReached(f"{self._limit} follow already (web.waiting_limit)")
        if self._count[who] >= self._each:
            raise LimitReached(f"{self._each} of {who} follow already")
        self._count[who] += 1
        try:
            yield
        finally:
            self._count[who] -= 1
            if not self._count[who]:
                del self._count[who]


async def stream(
    request: web.Request, name: str, feed: Feed[T], real: Clock, still: Callable[[], Awaitable[object]]
) -> web.StreamResponse:
    """Answer with the feed's values as JSON, events of this name, until the reader goes; "missed" where some did not fit. `still`: asked
    now and then whether the reader may have them still; Denied, or any MailError, ends it."""
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"})
    await response.prepare(request)
    await response.write(b": here\n\n")
    looked = real.monotonic()
    try:
        while True:
            values: list[T] = []
            with suppress(TimeoutError):
                async with real.timeout(_BEAT):
                    values = await feed.take()
            if real.monotonic() - looked >= _BEAT:
                await still()
                looked = real.monotonic()
            told = [_event(name, value) for value in values]
            if feed.missed:
                told.append(_event("missed", feed.missed))
                feed.missed = 0
            await response.write(b"".join(told) or b": here\n\n")
    except (ConnectionResetError, Denied, MailError):
        return response


def _event(name: str, value: object) -> bytes:
    return f"event: {name}\ndata: ".encode() + msgspec.json.encode(value) + b"\n\n"
