"""Threads for password hashes: few, their own, with a bounded queue before them, so that logins never crowd out mail."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from mailhub.model.errors import LimitReached, Temporary
from mailhub.model.reply import Reply
from mailhub.wire.sasl import scram

from . import passwords

T = TypeVar("T")


class Hasher:
    """`threads`: hashes computed at one time; `backlog`: callers that may wait beside them."""

    def __init__(self, threads: int, backlog: int) -> None:
        self._limit = threads + backlog
        self._pending = 0
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="mailhub-hash")

    async def hash(self, password: bytes, scheme: str, beside: Sequence[str], iterations: int) -> str:
        """The form to be stored (passwords.hashed). LimitReached where too many wait."""
        return await self._run(lambda: passwords.hashed(password, scheme, beside, iterations))

    async def scram(self, scheme: str, password: bytes, salt: bytes, iterations: int) -> str:
        """SCRAM keys as text. LimitReached where too many wait."""
        return await self._run(lambda: scram.derive(scheme, password, salt, iterations).text())

    async def verify(self, stored: str, password: bytes) -> bool:
        """LimitReached where too many wait, Temporary where `stored` can not be understood."""
        return await self._run(lambda: passwords.verify(stored, password))

    def close(self) -> None:
        """Start nothing new. A hash under way is not waited for."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _run(self, call: Callable[[], T]) -> T:
        if self._pending >= self._limit:
            reply = Reply(454, "4.7.0", "Temporary authentication failure")
            raise LimitReached("auth.backlog: too many logins wait for a password hash", reply)
        try:
            future = asyncio.get_running_loop().run_in_executor(self._threads, call)
        except RuntimeError as error:
            raise Temporary("the server is stopping") from error
        self._pending += 1
        future.add_done_callback(self._done)  # also where the caller has gone: the thread is busy until then
        return await asyncio.shield(future)

    def _done(self, future: "asyncio.Future[T]") -> None:
        self._pending -= 1
        if not future.cancelled():
            future.exception()
