"""One daemon as all messages ask it: connections bounded in number and time, failures counted, its state for `mailhub status`."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from msgspec import Struct

from mailhub.config import schema
from mailhub.config.endpoints import endpoint
from mailhub.model.clock import Clock
from mailhub.model.errors import Temporary
from mailhub.net.endpoint import connect
from mailhub.net.resolver import Resolver
from mailhub.net.stream import ConnectionLost, LineTooLong, Stream

from .breaker import Breaker

log = logging.getLogger("mailhub.scanners")

T = TypeVar("T")
Blocks = AsyncIterator[bytes]


class State(Struct, frozen=True):
    """`state`: "closed", "open", "half-open"; `since`: the wall time at which it opened, else 0; `busy`: questions now;
    `failures`: in a row; `cause`: of the last one, "" where the last answer was good."""

    name: str
    address: str
    state: str
    since: float
    busy: int
    asked: int
    failures: int
    cause: str


class Nonsense(Exception):
    """What came back is no answer of that protocol."""


class Service:
    """`name`: as in verdicts; `where`: it listens."""

    def __init__(self, name: str, config: schema.Scanner, resolver: Resolver, clock: Clock) -> None:
        self.name, self.config = name, config
        self.where = endpoint(config.address)
        self._resolver, self.clock = resolver, clock
        self._room = asyncio.Semaphore(config.connections)
        self._breaker = Breaker(config.breaker_failures, config.breaker_seconds, clock)
        self._busy = self._asked = self._kept = 0

    @property
    def state(self) -> State:
        breaker = self._breaker
        return State(
            self.name, str(self.where), breaker.state, breaker.since, max(self._busy, self._kept), self._asked, breaker.failures,
            breaker.cause if breaker.failures else "",
        )  # fmt: skip

    async def ask(self, talk: Callable[[Stream], Awaitable[T]]) -> T:
        """What `talk` makes of a new connection. Temporary where there is no answer: none in `time_limit`, waiting in line
        included; an answer that is none; a daemon that is left alone."""
        async with self.turn():
            stream = await self.connection()
            try:
                return await talk(stream)
            finally:
                stream.abort()

    async def connection(self) -> Stream:
        """A new one, within a `turn`."""
        return await connect(self.where, self._resolver, self.clock)

    async def keep(self, begin: Callable[[Stream], Awaitable[T]]) -> T:
        """What `begin` makes of a new connection, which stays until `let_go`. Temporary as `ask`, and where there are too many."""
        if self._kept >= self.config.connections:
            raise Temporary(f"{self._kept} connections are in use")
        self._kept += 1
        try:
            async with self.turn():
                stream = await self.connection()
                try:
                    return await begin(stream)
                except BaseException:
                    stream.abort()
                    raise
        except BaseException:
            self._kept -= 1
            raise

    def let_go(self, failure: str = "") -> None:
        """A kept connection is closed; `failure`: why it was of no use any more."""
        self._kept -= 1
        if failure:
            self._failed(failure)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """One question, asked within it: what it raises is counted as the daemon's failure, but for being cancelled."""
        asking = False
        try:
            async with self.clock.timeout(self.config.time_limit), self._room:
                self._breaker.enter()
                asking = True
                self._busy += 1
                self._asked += 1
                try:
                    yield
                finally:
                    self._busy -= 1
            self._well()
        except (TimeoutError, ConnectionLost, LineTooLong, Nonsense, OSError) as error:
            cause = self._cause(error)
            if asking:
                self._failed(cause)
            raise Temporary(cause) from error
        except BaseException:
            if asking:
                self._breaker.left()
            raise

    def _cause(self, error: Exception) -> str:
        if isinstance(error, TimeoutError):
            return f"no answer in {self.config.time_limit:g} seconds"
        return str(error) or type(error).__name__

    def _well(self) -> None:
        if self._breaker.since:
            log.warning("%s: answers again", self.name)
        self._breaker.well()

    def _failed(self, cause: str) -> None:
        before = self._breaker.since
        self._breaker.failed(cause)
        if self._breaker.since and not before:
            log.error(
                "%s: %d failures in a row, the last: %s; it is left alone for %g seconds at a time", self.name,
                self._breaker.failures, cause, self.config.breaker_seconds,
            )  # fmt: skip
