"""Server-sent events: what happens, told to whoever follows it. Who is slow misses some, is told how many, and holds nobody."""

import asyncio
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

import msgspec
from aiohttp import web

from mailhub.model.clock import Clock
from mailhub.model.errors import LimitReached

T = TypeVar("T")
_WAITING = 1_000  # events that one reader may be behind
_BEAT = 15.0  # seconds; by then a proxy hears that the connection lives


class Feed(Generic[T]):
    """What one reader has not read yet. `missed`: how much did not fit since it was last told."""

    def __init__(self) -> None:
        self._waiting: deque[T] = deque()
        self._there = asyncio.Event()
        self.missed = 0

    def put(self, value: T) -> None:
        if len(self._waiting) >= _WAITING:
            self.missed += 1
            return
        self._waiting.append(value)
        self._there.set()

    async def take(self) -> list[T]:
        """All that waits, once there is something."""
        await self._there.wait()
        self._there.clear()
        taken = list(self._waiting)
        self._waiting.clear()
        return taken


class Readers:
    """Those who follow, at most `limit`; more are LimitReached."""

    def __init__(self, limit: int) -> None:
        self._limit, self._count = limit, 0

    @contextmanager
    def one(self) -> Iterator[None]:
        if self._count >= self._limit:
            raise LimitReached(f"{self._limit} follow already (web.waiting_limit)")
        self._count += 1
        try:
            yield
        finally:
            self._count -= 1


async def stream(request: web.Request, name: str, feed: Feed[T], real: Clock) -> web.StreamResponse:
    """Answer with the feed's values as JSON, events of this name, until the reader goes; "missed" where some did not fit."""
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"})
    await response.prepare(request)
    await response.write(b": here\n\n")
    try:
        while True:
            try:
                async with real.timeout(_BEAT):
                    values = await feed.take()
            except TimeoutError:
                await response.write(b": here\n\n")
                continue
            told = [_event(name, value) for value in values]
            if feed.missed:
                told.append(_event("missed", feed.missed))
                feed.missed = 0
            await response.write(b"".join(told))
    except ConnectionResetError:
        return response


def _event(name: str, value: object) -> bytes:
    return f"event: {name}\ndata: ".encode() + msgspec.json.encode(value) + b"\n\n"
