"""Connections to one MySQL or MariaDB database, of bounded number, made when it is first asked. Values are bound by the driver."""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from mailhub.model.clock import Clock
from mailhub.model.errors import Temporary
from mailhub.net.mysql import Away as Away
from mailhub.net.mysql import code, connect, lost

ROWS = 1_000  # rows of one answer that are looked at
_UNLIKE = 1267  # a value with signs that no column of the table's charset can hold is in none of its rows
READ_ONLY = "set session transaction read only"


class Answer(Struct, frozen=True):
    """`columns`: their names in lower case. `changed`: rows that a statement which is no question has changed."""

    columns: tuple[str, ...]
    rows: Sequence[Sequence[Any]]
    changed: int = 0


class Pool:
    """`hosts` ("inet:HOST:PORT", "unix:PATH" or HOST) are tried in their order. `login`: user, password, db. `seconds`: for an
    answer, with the time in line. `first`: what a new connection says first."""

    def __init__(
        self,
        hosts: Sequence[str],
        login: Mapping[str, str],
        clock: Clock,
        *,
        size: int,
        seconds: float,
        first: str = "",
    ) -> None:
        self._hosts, self._login, self._clock = tuple(hosts), dict(login), clock
        self._seconds, self._first = seconds, first
        self._idle: list[Any] = []
        self._room = asyncio.Semaphore(size)
        self._closed = False
        self.name = f"mysql {' '.join(self._hosts)}"

    async def ask(self, text: str, values: Sequence[str]) -> Answer:
        """The first ROWS rows. `text`: "%s" for each value, "%%" for a percent sign. Away; Temporary."""
        try:
            async with self._clock.timeout(self._seconds), self._room:
                return await self._ask(text, values)
        except TimeoutError:
            self._drop()  # they hang, too
            raise Away(f"{self.name}: no answer in {self._seconds:g} seconds") from None

    async def _ask(self, text: str, values: Sequence[str]) -> Answer:
        """Idle connections may have been closed by the server: those do not count."""
        while self._idle:
            with contextlib.suppress(Away):
                return await self._run(self._idle.pop(), text, values)
        return await self._run(await connect(self._hosts, self._login, self._clock, self._first), text, values)

    async def _run(self, connection: Any, text: str, values: Sequence[str]) -> Answer:
        done = False
        try:
            async with connection.cursor() as cursor:
                await cursor.execute(text, list(values))
                rows: Sequence[Sequence[Any]] = await cursor.fetchmany(ROWS) if cursor.description else ()
                columns = tuple(str(column[0]).lower() for column in cursor.description or ())
            done = True
            return Answer(columns, rows, max(0, cursor.rowcount))
        except Exception as error:
            if code(error) == _UNLIKE and not "".join(values).isascii():
                return Answer((), ())
            raise (Away if lost(error) else Temporary)(f"{self.name}: {error}") from error
        finally:
            if done and not self._closed:
                self._idle.append(connection)
            else:
                connection.close()

    def _drop(self) -> None:
        while self._idle:
            self._idle.pop().close()

    def close(self) -> None:
        self._closed = True
        self._drop()
