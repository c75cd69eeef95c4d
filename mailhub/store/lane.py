"""A lane: one thread that does blocking calls in the order given, and answers the event loop once per batch.

`run_in_executor` wakes the loop once per call (69 us each, measured); a lane wakes it once for all calls that were
waiting, which is what lets thousands of deliveries a second share a thread.
"""

import asyncio
import contextlib
import sqlite3
import threading
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from mailhub.model.errors import Temporary

T = TypeVar("T")
Job = tuple[Callable[..., Any], tuple[Any, ...], "asyncio.Future[Any]"]


class Lane:
    """A named thread. `start()` on the loop it answers to; `stop()` ends it after all that was given."""

    BATCH = 500

    def __init__(self, name: str) -> None:
        self._name = name
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self.loop: asyncio.AbstractEventLoop

    def start(self) -> None:
        self.loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._main, name=self._name, daemon=True)
        self._thread.start()

    def call(self, function: Callable[..., T], *args: Any) -> "asyncio.Future[T]":
        """Do `function(*args)` in the lane; the future holds its result or error."""
        future: asyncio.Future[T] = self.loop.create_future()
        self._jobs.put((function, args, future))
        return future

    async def stop(self) -> None:
        if self._thread is None:
            return
        self._jobs.put(None)
        await self.loop.run_in_executor(None, self._thread.join)
        self._thread = None

    def _main(self) -> None:
        going = True
        while going:
            batch = [self._jobs.get()]
            self._fill(batch)
            jobs = [job for job in batch if job is not None]
            going = len(jobs) == len(batch)
            if jobs:
                self._work(jobs)

    def _fill(self, batch: list[Job | None]) -> None:
        """Add what is waiting. None: the lane is to stop."""
        with contextlib.suppress(Empty):
            while len(batch) < self.BATCH:
                batch.append(self._jobs.get_nowait())

    def _work(self, jobs: list[Job]) -> None:
        """Do a batch. A subclass may join jobs to one commit."""
        self._answer([(future, *self._outcome(function, args)) for function, args, future in jobs])

    @staticmethod
    def _outcome(function: Callable[..., Any], args: tuple[Any, ...]) -> tuple[Any, BaseException | None]:
        try:
            return function(*args), None
        except Exception as error:
            return None, error

    def _answer(self, answers: Sequence[tuple["asyncio.Future[Any]", Any, BaseException | None]]) -> None:
        try:
            self.loop.call_soon_threadsafe(_resolve, answers)
        except RuntimeError:  # the loop is closed: nobody waits any more
            return


class DiskLane(Lane):
    """One at the seam of the store: what fails of disk or database is Temporary for who asks (no descriptors, EIO, a busy file)."""

    @staticmethod
    def _outcome(function: Callable[..., Any], args: tuple[Any, ...]) -> tuple[Any, BaseException | None]:
        result, error = Lane._outcome(function, args)
        if isinstance(error, OSError | sqlite3.OperationalError):
            failure = Temporary(f"store: {error}")
            failure.__cause__ = error
            return None, failure
        return result, error


def _resolve(answers: Sequence[tuple["asyncio.Future[Any]", Any, BaseException | None]]) -> None:
    for future, result, error in answers:
        if future.done():
            continue
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)
