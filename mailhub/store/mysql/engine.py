"""Transactions on a MySQL-compatible cluster: connections of bounded number, and units that are done again where the cluster says so.

A unit is a value with `async apply(tx) -> result`, as in store.sqlite; here each has a transaction of its own, and the server joins
their syncs. Galera certifies rows when a transaction commits: one that met another on a row is rolled back whole (error 1213), like one in
a deadlock, and is simply done again. A connection that is lost before COMMIT was sent has done nothing; after that nobody knows, and only
units that are the same when they are done twice are given again. A unit runs on when who asked for it is cut off, as in the embedded store.
"""

import asyncio
import contextlib
import logging
import random
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Sequence
from typing import Any, Protocol, TypeVar

from msgspec import Struct, field

from mailhub.config.schema import Store as StoreConfig
from mailhub.model.clock import Clock
from mailhub.model.errors import MailError, Permanent, Temporary
from mailhub.model.mailbox import Changed
from mailhub.net.mysql import CONNECT, Away, Hosts, code, connect, is_of_driver, lost

log = logging.getLogger("mailhub.store")
T = TypeVar("T")
R = TypeVar("R", covariant=True)
Rows = Sequence[Sequence[Any]]

_FOUND_ROWS = 2  # a statement tells how many rows it found, not how many were different before (CLIENT.FOUND_ROWS)
# Deadlock or certification; lock wait; the row has changed since it was read (MariaDB 11); the table has, or only one of two that are
# compared: another node is just bringing them forward (`versions`).
_AGAIN = (1213, 1205, 1020, 1412, 1267)
_ELSEWHERE = (1047,)  # this node of the cluster has lost the others
_UNKNOWN_VARIABLE, _DUPLICATE = 1193, 1062
_TRIES = 20
_DUPLICATES = 3  # tries in which another has always just made that row
_AT_ONCE = 5  # tries without a pause
_TURNS = 5  # of the loop, in which who was woken asks
_PAUSE = 0.02  # seconds, times the number of the try, times chance
_LISTS = (list, tuple, set, frozenset)
_VALUES = 500  # rows of one INSERT
_OCTETS = 4_194_304  # and about so many octets; MariaDB takes 16 MiB
_CHANGE = "start transaction"
_SETTINGS = (
    "set session transaction isolation level read committed",
    "set session sql_mode = 'STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION'",
    "set session innodb_lock_wait_timeout = 5",
    "set session group_concat_max_len = 16000000",
)
# Whoever asks sees what any node has told anybody before: reads and writes wait for that (Galera).
_CAUSAL = "set session wsrep_sync_wait = 7"


KEPT = "on duplicate key update {0} = values({0})"
"""Behind an INSERT: a row that is there already stays as it is. {0}: a column of the key. INSERT IGNORE would pass over what does not fit,
too: that cost recipients their mail in a test."""


class UnknownCommit(Temporary):
    """The connection was lost while COMMIT was under way."""


class Duplicate(Temporary):
    """A row with that key is there, again and again. Who makes rows that people name says so in words of his own."""


class Told(Struct):
    """What a transaction has to make known once it is committed."""

    changed: dict[tuple[str, int | None], Changed] = field(default_factory=dict)

    def change(self, account: str, folder: int | None, modseq: int = 0) -> None:
        self.changed[account, folder] = Changed(account, folder, modseq)


class Tx:
    """A transaction under way. "%s" stands for a value, or for a list of them behind `in`."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self.told = Told()
        self.statements = 0

    async def all(self, text: str, *values: object) -> list[tuple[Any, ...]]:
        """The rows of a question."""
        async with self._connection.cursor() as cursor:
            self.statements += 1
            await cursor.execute(*_spread(text, values))
            rows: Rows = await cursor.fetchall() if cursor.description else ()
            return [tuple(row) for row in rows]

    async def one(self, text: str, *values: object) -> tuple[Any, ...] | None:
        rows = await self.all(text, *values)
        return rows[0] if rows else None

    async def run(self, text: str, *values: object) -> int:
        """How many rows were found, or new."""
        async with self._connection.cursor() as cursor:
            self.statements += 1
            await cursor.execute(*_spread(text, values))
            return max(0, int(cursor.rowcount))

    async def number(self, text: str, *values: object) -> int:
        """Insert a row; the number that it was given."""
        async with self._connection.cursor() as cursor:
            self.statements += 1
            await cursor.execute(*_spread(text, values))
            return int(cursor.lastrowid)

    async def insert(self, head: str, rows: Sequence[Sequence[object]], tail: str = "") -> int:
        """ "insert into table (columns)", many rows at a time; the sum of what each statement says it did."""
        done = 0
        for part in _parts(rows):
            places = ", ".join(["(" + ", ".join(["%s"] * len(part[0])) + ")"] * len(part))
            done += await self.run(f"{head} values {places} {tail}", *[value for row in part for value in row])
        return done


def _spread(text: str, values: Sequence[object]) -> tuple[str, list[object]]:
    """Lists as they stand behind `in`. That may not be empty: then nothing is in it."""
    if not any(isinstance(value, _LISTS) for value in values):
        return text, list(values)
    pieces = text.split("%s")
    parts, bound = [pieces[0]], list[object]()
    for piece, value in zip(pieces[1:], values, strict=True):
        some = (tuple(value) or (None,)) if isinstance(value, _LISTS) else None
        parts += ["%s" if some is None else "(" + ", ".join(["%s"] * len(some)) + ")", piece]
        bound += [value] if some is None else some
    return "".join(parts), bound


def _parts(rows: Sequence[Sequence[object]]) -> Iterable[Sequence[Sequence[object]]]:
    part: list[Sequence[object]] = []
    octets = 0
    for row in rows:
        size = sum(len(value) for value in row if isinstance(value, (bytes, str)))
        if part and (len(part) >= _VALUES or octets + size > _OCTETS):
            yield part
            part, octets = [], 0
        part.append(row)
        octets += size
    if part:
        yield part


class Unit(Protocol[R]):
    """A prepared change. `apply` may be run again after a rollback."""

    async def apply(self, tx: Tx) -> R: ...


class Engine:
    """The database of one node. `after(told)` is called on the loop after each commit that has something to tell."""

    def __init__(self, config: StoreConfig, password: str, clock: Clock, after: Callable[[Told], None]) -> None:
        self._hosts = Hosts(config.hosts, clock)
        self._login = {"user": config.user, "password": password, "db": config.database}
        self._clock, self._after, self._seconds = clock, after, config.timeout
        self._idle: list[Any] = []
        self._room = asyncio.Semaphore(config.connections)
        self._settings: tuple[str, ...] = _SETTINGS
        self._running: set[asyncio.Task[Any]] = set()
        self._closed = False
        self._busy, self._still = 0, asyncio.Event()
        self._chance = random.Random()
        self.trouble = ""  # why it was not to be asked last
        self.commits = self.repeated = self.statements = 0

    async def open(self) -> None:
        """Permanent where nothing can be asked there."""
        try:
            connection = await self._reach()
        except MailError as error:
            raise Permanent(f"cannot open the store: {error}") from error
        try:
            async with connection.cursor() as cursor:
                await cursor.execute("select @@wsrep_on")
                if (await cursor.fetchone())[0]:
                    self._settings = (*_SETTINGS, _CAUSAL)
        except Exception as error:
            if code(error) != _UNKNOWN_VARIABLE:
                raise Permanent(f"cannot open the store: {error}") from error
        finally:
            connection.close()

    async def idle(self) -> None:
        """Return when nothing is asked of the database: a test's clock goes on then (`VirtualClock.attach`)."""
        for _ in range(_TURNS):
            await asyncio.sleep(0)
        while self._busy:
            self._still.clear()
            await self._still.wait()
            for _ in range(_TURNS):
                await asyncio.sleep(0)

    async def close(self) -> None:
        while self._running:
            await asyncio.wait(self._running)
        self._closed = True
        self._drop()

    # --- asking and changing ---

    async def all(self, text: str, *values: object) -> list[tuple[Any, ...]]:
        """A question by itself."""
        return await self.look(_Ask(text, values).apply)

    async def one(self, text: str, *values: object) -> tuple[Any, ...] | None:
        rows = await self.all(text, *values)
        return rows[0] if rows else None

    async def look(self, questions: Callable[[Tx], Coroutine[Any, Any, T]]) -> T:
        """Questions, each of which sees what is there then. They are asked again where the connection was lost."""
        return await self._trying(questions, "", again=True)

    async def at_one_moment(self, questions: Callable[[Tx], Coroutine[Any, Any, T]]) -> T:
        """Questions that all see the same."""
        return await self._trying(questions, "start transaction with consistent snapshot", again=True)

    async def do(self, unit: Unit[T], *, again: bool = False, within: float = 0.0) -> T:
        """Commit a unit. `again`: done twice it is as done once, so that it is given again where nobody knows about a commit. `within`:
        each try has so many seconds, and stands in no line."""
        return await self.transact(unit.apply, again=again, within=within)

    async def transact(
        self, change: Callable[[Tx], Coroutine[Any, Any, T]], *, again: bool = False, within: float = 0.0
    ) -> T:
        task = asyncio.get_running_loop().create_task(self._trying(change, _CHANGE, again=again, within=within))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            task.add_done_callback(_seen)  # it goes on, and nobody waits for it
            raise

    async def _trying(
        self, work: Callable[[Tx], Coroutine[Any, Any, T]], begin: str, *, again: bool, within: float = 0.0
    ) -> T:
        unsure = False  # a commit before may have been made
        for attempt in range(_TRIES):
            pause = _PAUSE * attempt * self._chance.random() if attempt > _AT_ONCE else 0.0
            try:
                return await self._once(work, begin, pause, within)
            except _Repeat as repeat:
                self.repeated += 1
                cause = repeat.cause
            except Duplicate:  # somebody has made that row since the unit looked for it: now it finds it
                if attempt >= _DUPLICATES:
                    raise
                self.repeated += 1
                cause = Temporary("a row that others make again and again")
            except UnknownCommit:
                if not again:
                    raise
                unsure, cause = True, Temporary("a commit whose outcome nobody knows, again and again")
            except MailError as error:
                if unsure:
                    raise UnknownCommit(str(error)) from error
                raise
        self.trouble = str(cause)
        raise (UnknownCommit if unsure else Temporary)(f"store: given up after {_TRIES} tries: {cause}")

    async def _once(self, work: Callable[[Tx], Coroutine[Any, Any, T]], begin: str, pause: float, within: float) -> T:
        step, seconds = _Step(), within or self._seconds
        self._busy += 1
        try:
            async with self._clock.timeout(seconds), self._connection(step, aside=bool(within)) as connection:
                tx = Tx(connection)
                if pause:  # by the database's time, as it is its trouble; a test's clock may stand still
                    await tx.run("do sleep(%s)", pause)
                if begin and begin != _CHANGE:  # at another level nothing is held still
                    await connection.query("set transaction isolation level repeatable read")
                if begin:
                    await connection.query(begin)
                result = await work(tx)
                if begin == _CHANGE:
                    step.committing = True
                    await self._commit(connection)
                    step.committing = False
                elif begin:
                    await connection.rollback()
        except MailError:
            raise
        except TimeoutError:
            self._drop()  # they hang, too
            self._hosts.leave(step.host)
            if step.committing:
                raise UnknownCommit("store: no answer to COMMIT") from None
            self.trouble = f"no answer in {seconds:g} seconds"
            raise Away(f"store: no answer in {seconds:g} seconds") from None
        except Exception as error:
            raise self._meaning(error, step) from error
        finally:
            self._busy -= 1
            if not self._busy:
                self._still.set()
        self.trouble = ""
        self.statements += tx.statements
        if begin == _CHANGE:
            self.commits += 1
        if tx.told.changed:
            self._after(tx.told)
        return result

    async def _commit(self, connection: Any) -> None:
        await connection.commit()

    def _meaning(self, error: Exception, step: "_Step") -> Exception:
        number = code(error)
        if number in _AGAIN:
            return _Repeat(error)
        if number is None and not (isinstance(error, (OSError, EOFError)) or is_of_driver(error)):
            return error  # a mistake of ours, or a row that is not as it should be
        if number in _ELSEWHERE or lost(error):
            self._drop()
            if number in _ELSEWHERE:
                self._hosts.leave(step.host)
            return UnknownCommit(f"store: {error}") if step.committing else _Repeat(error)
        if number == _DUPLICATE:
            return Duplicate(f"store: {error}")
        log.error("store: %s", error)
        if step.committing:
            return UnknownCommit(f"store: {error}")
        return Temporary(f"store: {error}")

    @contextlib.asynccontextmanager
    async def _connection(self, step: "_Step", *, aside: bool) -> AsyncIterator[Any]:
        """It is used again where all went well with it; else its transaction ends with it."""
        async with contextlib.nullcontext() if aside else self._room:
            connection = self._idle.pop() if self._idle else await self._connect()
            step.host = connection.place
            whole = False
            try:
                yield connection
                whole = True
            except Exception as error:
                if isinstance(error, MailError) or code(error) in _AGAIN:  # the connection is as good as ever
                    await connection.rollback()
                    whole = True
                raise
            finally:
                if whole and not self._closed:
                    self._idle.append(connection)
                else:
                    connection.close()

    async def _reach(self) -> Any:
        """All hosts are tried within the time for an answer."""
        hosts = self._hosts.order()
        each = min(CONNECT, self._seconds / (len(hosts) + 1))
        connection = await connect(hosts, self._login, self._clock, flags=_FOUND_ROWS, seconds=each)
        if connection.place != hosts[0]:
            self._hosts.leave(hosts[0])
        return connection

    async def _connect(self) -> Any:
        connection = await self._reach()
        try:
            for setting in self._settings:
                await connection.query(setting)
        except BaseException:
            connection.close()
            raise
        return connection

    def _drop(self) -> None:
        while self._idle:
            self._idle.pop().close()


class _Step(Struct):
    committing: bool = False
    host: str = ""  # which is asked


class _Ask(Struct, frozen=True):
    text: str
    values: tuple[object, ...]

    async def apply(self, tx: Tx) -> list[tuple[Any, ...]]:
        return await tx.all(self.text, *self.values)


class _Repeat(Exception):
    """It was rolled back, and may be done again."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause


def _seen(task: "asyncio.Task[Any]") -> None:
    if not task.cancelled() and task.exception() is not None:
        log.warning("store: a unit that nobody waits for any more has failed: %s", task.exception())
