"""The queue of a cluster's node that is switched off at any moment: before a statement that writes, before a COMMIT, after one that nobody hears of."""

import asyncio
import contextlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from random import Random
from typing import Any
from unittest import mock

from mailhub.config import schema
from mailhub.model.errors import Temporary
from mailhub.store.mysql import MysqlStore
from mailhub.store.mysql.engine import Engine, Tx

from .crash_files import Crashed, CrashFiles
from .mariadb import Mariadb
from .queue_crash import ALICE, BOB, Machine


def _point(files: CrashFiles, kind: str) -> None:
    """A process that is gone tries nothing again."""
    try:
        files.point(kind)
    except Crashed as error:
        raise Temporary(str(error)) from error


class _Mortal(Tx):
    """Who only reads leaves nothing behind: those are no moments."""

    files: CrashFiles

    async def run(self, text: str, *values: object) -> int:
        _point(self.files, "statement")
        return await super().run(text, *values)


class _MortalEngine(Engine):
    files: CrashFiles

    async def _commit(self, connection: Any) -> None:
        _point(self.files, "commit")
        await super()._commit(connection)
        _point(self.files, "commit")


@contextlib.contextmanager
def _mortal(files: CrashFiles) -> Iterator[None]:
    transaction, engine = (
        type("Mortal", (_Mortal,), {"files": files}),
        type("MortalEngine", (_MortalEngine,), {"files": files}),
    )
    with mock.patch("mailhub.store.mysql.engine.Tx", transaction), mock.patch("mailhub.store.mysql.Engine", engine):
        yield


class ClusterMachine(Machine):
    """The database goes on when the node is off. What the node had leased is taken up by its next life."""

    def __init__(self, folder: Path, chance: Random, server: Mariadb, database: str) -> None:
        super().__init__(folder, chance)
        self._server, self._database = server, database
        self._undo = contextlib.ExitStack()

    def mortal(self) -> AbstractContextManager[None]:
        """The patch stays for as long as the life: each transaction is made anew."""
        self._undo.close()
        self._undo.enter_context(_mortal(self.files))
        return contextlib.nullcontext()

    def make_store(self) -> Any:
        config = schema.Store(
            kind="mysql", hosts=(f"unix:{self._server.socket}",), user="root", database=self._database, free_space_floor=0,
            objects=f"{self.path}/objects", inline_limit=1_000, connections=4,
            lease_seconds=3_600, poll_seconds=60,  # hours pass here
            timeout=600,  # other deadlines come before it, and each waits for what is in flight
        )  # fmt: skip
        return MysqlStore(self.path, config, self.clock, "mx.test", self.files)

    async def open(self, crash_at: int | None = None) -> None:
        await super().open(crash_at)
        store: Any = self.store
        self._attached = store.engine.idle
        self.clock.attach(self._attached)

    async def furnish(self) -> None:
        """With INBOXes, so that nobody who counts makes one."""
        await super().furnish()
        for account in (ALICE, BOB):
            await self.store.mailboxes.folders(account)

    def background(self) -> "list[asyncio.Task[None] | None]":
        store: Any = self.store
        return [store.nodes._task, store.poll._task, store.collector._task]

    async def end_store(self) -> None:
        """Half a transaction ends with its connection."""
        store: Any = self.store
        if store._lock < 0:  # it could not be opened, and has put away what there was
            return
        self._detach()
        await store.engine.close()
        await store.texts.stop()
        await store.traces.stop()
        store._pool.shutdown()
        store._drop_lock()

    def _find_what_survived(self) -> None:
        super()._find_what_survived()
        self._server.run("delete from node", self._database)  # as others would

    def _detach(self) -> None:
        with contextlib.suppress(ValueError):
            self.clock.detach(self._attached)

    async def close(self) -> None:
        self._detach()
        await super().close()
        self._undo.close()
