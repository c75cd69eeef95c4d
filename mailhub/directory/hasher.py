"""Threads for password hashes: few, their own, with a bounded queue before them, so that logins never crowd out mail.

Clients take turns, however many logins each brings. Where the queue is full, the client that holds most of it gives a place to
one that holds less; among equals a stranger gives way to somebody known. Who gets none is told to try again later.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from msgspec import Struct

from mailhub.model.errors import LimitReached, Temporary
from mailhub.model.reply import Reply
from mailhub.wire.sasl import scram

from . import passwords

T = TypeVar("T")


class _Waiting(Struct, frozen=True, eq=False):
    call: Callable[[], Any]
    answer: "asyncio.Future[Any]"


class _Queue:
    """Of one client."""

    def __init__(self, known: bool) -> None:
        self.known = known
        self.waiting: deque[_Waiting] = deque()

    def rank(self, more: int = 0) -> tuple[int, bool]:
        """The highest gives way first."""
        return len(self.waiting) + more, not self.known


class Hasher:
    """`threads`: hashes computed at one time; `backlog`: callers that may wait beside them. `key`: what counts as one client;
    `known`: whether somebody signed in from there lately."""

    def __init__(
        self,
        threads: int,
        backlog: int,
        key: Callable[[str], str] = str,
        known: Callable[[str], bool] = lambda client: False,
    ) -> None:
        self._free, self._backlog, self._key, self._known = threads, backlog, key, known
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="mailhub-hash")
        self._queues: OrderedDict[str, _Queue] = OrderedDict()  # by client; the first has the next turn
        self._waiting = 0

    async def hash(self, password: bytes, scheme: str, beside: Sequence[str], iterations: int) -> str:
        """The form to be stored (passwords.hashed). LimitReached where too many wait."""
        return await self._run("", lambda: passwords.hashed(password, scheme, beside, iterations))

    async def scram(self, scheme: str, password: bytes, salt: bytes, iterations: int, client: str = "") -> str:
        """SCRAM keys as text. LimitReached where too many wait."""
        return await self._run(client, lambda: scram.derive(scheme, password, salt, iterations).text())

    async def verify(self, stored: str, password: bytes, client: str = "") -> bool:
        """LimitReached where too many wait, Temporary where `stored` can not be understood."""
        return await self._run(client, lambda: passwords.verify(stored, password))

    def close(self) -> None:
        """Start nothing new. A hash under way is not waited for."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        while self._queues:
            _, queue = self._queues.popitem()
            for waiting in queue.waiting:
                _refuse(waiting, Temporary("the server is stopping"))

    async def _run(self, client: str, call: Callable[[], T]) -> T:
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        if self._free:
            self._start(_Waiting(call, answer))
        else:
            self._enter(client, _Waiting(call, answer))
        return await answer

    def _enter(self, client: str, waiting: _Waiting) -> None:
        key = self._key(client)
        queue = self._queues.get(key) or _Queue(self._known(client))
        if self._waiting >= self._backlog and not self._displaced(queue):
            raise _crowded()
        queue.waiting.append(waiting)
        self._queues[key] = queue
        self._waiting += 1

    def _displaced(self, queue: _Queue) -> bool:
        """Whether somebody who has more than his share gave a place."""
        crowding = max(reversed(self._queues), key=lambda client: self._queues[client].rank(), default=None)
        if crowding is None or self._queues[crowding].rank() <= queue.rank(1):
            return False
        _refuse(self._queues[crowding].waiting.pop(), _crowded())
        self._left(crowding)
        return True

    def _left(self, client: str) -> None:
        self._waiting -= 1
        if not self._queues[client].waiting:
            del self._queues[client]

    def _start(self, waiting: _Waiting) -> None:
        if waiting.answer.done():  # the caller has gone
            return None
        try:
            hashing = asyncio.get_running_loop().run_in_executor(self._threads, waiting.call)
        except RuntimeError:
            return _refuse(waiting, Temporary("the server is stopping"))
        self._free -= 1
        hashing.add_done_callback(lambda hashed: self._done(waiting, hashed))  # also where the caller has gone
        return None

    def _done(self, waiting: _Waiting, hashed: "asyncio.Future[Any]") -> None:
        self._free += 1
        error = Temporary("the server is stopping") if hashed.cancelled() else hashed.exception()
        if error is not None:
            _refuse(waiting, error)
        elif not waiting.answer.done():
            waiting.answer.set_result(hashed.result())
        while self._free and self._queues:
            self._start(self._next())

    def _next(self) -> _Waiting:
        """The oldest of the client whose turn it is; then it is the others'."""
        client = next(iter(self._queues))
        waiting = self._queues[client].waiting.popleft()
        self._queues.move_to_end(client)
        self._left(client)
        return waiting


def _crowded() -> LimitReached:
    reply = Reply(454, "4.7.0", "Temporary authentication failure")
    return LimitReached("auth.backlog: too many logins wait for a password hash", reply)


def _refuse(waiting: _Waiting, error: BaseException) -> None:
    if not waiting.answer.done():
        waiting.answer.set_exception(error)
