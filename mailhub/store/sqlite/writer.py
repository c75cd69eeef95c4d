"""The one writer: units that wait share one transaction, one sync, one wake-up of the loop.

A unit is a value with `apply(db, told) -> result`. A batch runs in one transaction. Where any unit fails, all is
rolled back and each is replayed by itself, so that one bad unit hurts nobody else. Nobody is answered before COMMIT
returned; an error of COMMIT means "unknown": all get Temporary and the connection is made anew.
"""

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Sequence
from queue import Empty
from typing import Any, Protocol, TypeVar, cast

from msgspec import Struct, field

from mailhub.model.errors import MailError, Temporary
from mailhub.model.mailbox import Changed

from ..lane import Job, Lane
from .schema import connect

log = logging.getLogger("mailhub.store")
_RIDE = 0.003  # seconds between patient units, after which they go alone
_RIDERS = 20  # patient units that are not held up any longer
_VAIN = 4  # after so many waits in vain (and more) one in 16 batches is held up
R = TypeVar("R", covariant=True)


class Told(Struct):
    """What a transaction has to make known once it is committed."""

    changed: dict[tuple[str, int | None], Changed] = field(default_factory=dict)
    filed: list[int] = field(default_factory=list)  # folders with new entries in `filed`
    intents: int = 0
    spools: list[str] = field(default_factory=list)  # spool files that no row names any more

    def change(self, account: str, folder: int | None, modseq: int = 0) -> None:
        self.changed[account, folder] = Changed(account, folder, modseq)


class Unit(Protocol[R]):
    """A prepared change. `apply` may be run again after a rollback, and is idempotent. A kind with `patient = True` is waited for by no
    client, and may ride with the next commit that one waits for."""

    def apply(self, db: sqlite3.Connection, told: Told) -> R: ...


class Writer(Lane):
    """The lane that owns the writing connection. `after(told)` is called on the loop after each commit, before the answers."""

    def __init__(self, path: str, after: Callable[[Told], None]) -> None:
        super().__init__("mailhub-writer")
        self._path = path
        self._after = after
        self._db: sqlite3.Connection | None = None
        self.commits = 0
        self.trouble = ""  # why the last commit failed
        self.failed: Callable[[], object] = bool  # called on the loop when one has
        self._pass = self._vain = 0  # batches that are not held up; the last times that this was in vain

    def _fill(self, batch: list[Job | None]) -> None:
        """Where only patient units wait, wait for a moment for one that is not: a client that sends one message after another costs a
        sync for each, not two. Where that was in vain it is tried less often."""
        super()._fill(batch)
        if not _patient(batch):
            return
        if self._pass > 0:
            self._pass -= 1
            return
        while _patient(batch):
            try:
                batch.append(self._jobs.get(timeout=_RIDE))
            except Empty:
                self._vain = min(self._vain + 1, _VAIN)
                self._pass = (1 << self._vain) - 1
                return
            super()._fill(batch)
        self._vain = 0

    def do(self, unit: Unit[R]) -> "asyncio.Future[R]":
        """Commit a unit; the future has its result after the commit."""
        return cast("asyncio.Future[R]", self.call(unit.apply))

    async def close(self) -> None:
        await self.stop()
        if self._db is not None:
            self._db.close()
            self._db = None

    def _work(self, jobs: list[Job]) -> None:
        try:
            results, told = self._commit(jobs)
        except Exception as error:
            if len(jobs) > 1 and not isinstance(error, CommitError):
                for job in jobs:
                    self._work([job])
                return
            cause = str(error.__cause__ or error)
            if not isinstance(error, MailError) and cause != self.trouble:
                log.error("store: %s", error)
            if isinstance(error, sqlite3.OperationalError | CommitError):
                self.trouble = cause
                self.loop.call_soon_threadsafe(self.failed)
            failure = error if isinstance(error, MailError) else Temporary(f"store: {error}")
            self._answer([(future, None, failure) for _, _, future in jobs])
            return
        self.trouble = ""
        self._tell(told)
        self._answer([(job[2], result, None) for job, result in zip(jobs, results, strict=True)])

    def _commit(self, jobs: Sequence[Job]) -> tuple[list[Any], Told]:
        db = self._db = self._db or connect(self._path)
        told = Told()
        try:
            db.execute("begin immediate")
            results = _apply(db, told, [apply.__self__ for apply, _, _ in jobs])  # type: ignore[attr-defined]
        except sqlite3.OperationalError:
            self._drop(db)  # one that was opened while nothing could be written would stay as it is
            raise
        except BaseException:
            if db.in_transaction:
                db.execute("rollback")
            raise
        try:
            db.execute("commit")
        except sqlite3.Error as error:
            self._drop(db)
            raise CommitError(f"store: commit failed, outcome unknown: {error}") from error
        self.commits += 1
        return results, told

    def _drop(self, db: sqlite3.Connection) -> None:
        """Closed, which rolls back; the next commit opens another."""
        db.close()
        self._db = None

    def _tell(self, told: Told) -> None:
        if told.changed or told.filed or told.intents or told.spools:
            self.loop.call_soon_threadsafe(self._after, told)


def _patient(batch: Sequence[Job | None]) -> bool:
    if len(batch) >= _RIDERS:
        return False
    return all(job is not None and getattr(job[0].__self__, "patient", False) for job in batch)  # type: ignore[attr-defined]


def _apply(db: sqlite3.Connection, told: Told, units: Sequence[Any]) -> list[Any]:
    """Results in the order of the units. Kinds that know how are applied together: a statement for many rows costs a
    fraction of as many statements (and gives the interpreter lock away once, not at every step)."""
    results: dict[int, Any] = {}
    together: dict[type, list[int]] = {}
    for n, unit in enumerate(units):
        if hasattr(unit, "apply_many"):
            together.setdefault(type(unit), []).append(n)
        else:
            results[n] = unit.apply(db, told)
    for kind, numbers in together.items():
        kind.apply_many(db, told, [units[n] for n in numbers])  # type: ignore[attr-defined]
    return [results.get(n) for n in range(len(units))]


def insert_rows(db: sqlite3.Connection, head: str, rows: Sequence[tuple[object, ...]], tail: str = "") -> None:
    """`head` values (...), (...) `tail`, up to 40 rows a statement."""
    for start in range(0, len(rows), 40):
        part = rows[start : start + 40]
        marks = ",".join(["(" + ",".join("?" * len(part[0])) + ")"] * len(part))
        db.execute(f"{head} values {marks} {tail}", [value for row in part for value in row])


class CommitError(Temporary):
    """COMMIT failed: nobody knows whether it happened."""
