"""The embedded store: SQLite for queue, index and directory, Maildir for mail, spool files for large bodies.

Gives to: `hub` and `control`'s offline commands, as a `store.api.Store`. docs/ARCHITECTURE.md, "The store", draws it.

    DATA/mailhub.lock   held by the one process that may write
    DATA/mailhub.db     WAL, synchronous=FULL
    DATA/mail/          Maildirs
    DATA/spool/         large bodies
    DATA/search/        text of messages, to be searched; may be thrown away
"""

import asyncio
import contextlib
import json
import logging
import os
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from mailhub.config.schema import Store as StoreConfig
from mailhub.model.clock import Clock
from mailhub.model.errors import MailError, Permanent, Temporary

from ..bodies import Spool
from ..files import Files, resolve
from ..lane import DiskLane
from .browsers import SqliteBrowsers
from .credentials import Statement
from .directory import SqliteDirectory
from .dkim import SqliteDkim
from .dmarc import SqliteDmarc
from .file_units import LetGo
from .filer import Filer
from .greylist import SqliteGreylist
from .guard import SqliteGuard
from .history import SqliteHistory
from .homes import Homes, root
from .junk import SqliteJunk
from .mailboxes import SqliteMailboxes
from .queue import SqliteQueue
from .queue_changes import RELEASE_ALL
from .safety import refuse_half, refuse_unfinished, safety_copy
from .schema import VERSION, connect, migrate
from .sharing import SqliteSharing
from .sieve import SqliteSieve
from .suppressions import SqliteSuppressions
from .texts import SqliteTexts
from .tls import SqliteTls
from .tokens import SqliteTokens
from .traces import SqliteTraces
from .webhooks import SqliteWebhooks
from .writer import Told, Writer

log = logging.getLogger("mailhub.store")
_NAMES = 1_000  # spool files looked up at one time
_INTERRUPTED = 10_000  # deliveries that are named to who asks what a crash cut
_POOL = 4  # threads for spool files and reads of message files
_SYNCS = 16  # threads that wait for the disk, apart from those: many syncs at one time are one commit of its journal


class SqliteStore:
    """api.Store. `queue`, `mailboxes`, `sharing`, `directory`, `guard`, `junk`, `greylist`, `sieve`, `suppressions`, `texts`, `tls` and `traces` are there between `open` and `close`."""

    queue: SqliteQueue
    mailboxes: SqliteMailboxes
    sharing: SqliteSharing
    directory: SqliteDirectory
    dkim: SqliteDkim
    dmarc: SqliteDmarc
    tokens: SqliteTokens
    browsers: SqliteBrowsers
    history: SqliteHistory
    webhooks: SqliteWebhooks
    guard: SqliteGuard
    greylist: SqliteGreylist
    sieve: SqliteSieve
    suppressions: SqliteSuppressions
    junk: SqliteJunk
    texts: SqliteTexts
    tls: SqliteTls
    traces: SqliteTraces

    def __init__(
        self, data: Path, config: StoreConfig, clock: Clock, hostname: str, files: Files | None = None
    ) -> None:
        self._data, self._config, self._clock, self._hostname = resolve(data), config, clock, hostname
        self._files = files or Files()
        self._lock = -1
        self._connections: list[sqlite3.Connection] = []

    async def open(self, *, moving: bool = False) -> None:
        """`moving`: half of a migration may be in it."""
        try:
            self._take_lock()
            database = f"{self._data}/mailhub.db"
            self._prepare(database, moving=moving)
            await self._start(database)
        except (OSError, sqlite3.Error, Temporary) as error:
            self._drop_lock()
            raise Permanent(f"cannot open the store in {self._data}: {error}") from error
        except MailError:
            self._drop_lock()
            raise

    def _take_lock(self) -> None:
        for name in ("", "/mail", "/spool"):
            self._files.make_dirs(self._data + name)
        path = f"{self._data}/mailhub.lock"
        try:
            self._lock = self._files.lock(path)
        except BlockingIOError as error:
            owner = self._files.read(path).decode("ascii", "replace").strip()
            remedy = "stop that one, or set another `data`"
            raise Permanent(f"the store in {self._data} is in use by process {owner}: {remedy}") from error

    def _drop_lock(self) -> None:
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _prepare(self, database: str, *, moving: bool) -> None:
        refuse_unfinished(self._files, self._data)
        copy = safety_copy(self._files, database)
        if copy is not None:
            log.warning("the store is brought to version %d; as it was it stays in %s", VERSION, copy)
        db = connect(database)
        try:
            migrate(db)
            if not moving:
                refuse_half(db, self._data)
            self._in_step = db.execute("delete from meta where key = 'in_step' returning 1").fetchone() is not None
            self._interrupted = tuple(db.execute(RELEASE_ALL).fetchall()[:_INTERRUPTED])
            self._clear_spool(db)
        finally:
            db.close()
        os.chmod(database, 0o600)

    def _clear_spool(self, db: sqlite3.Connection) -> None:
        """Remove bodies whose commit never came."""
        names = self._files.listing(f"{self._data}/spool")
        for start in range(0, len(names), _NAMES):
            unknown = db.execute(
                "select json_group_array(value) from json_each(?) where not exists"
                " (select 1 from content where spool = value and spool is not null)",
                (json.dumps(names[start : start + _NAMES]),),
            ).fetchone()[0]
            for name in json.loads(unknown):
                self._files.unlink(f"{self._data}/spool/{name}")

    def _reading(self, database: str) -> sqlite3.Connection:
        db = connect(database, readonly=True)
        self._connections.append(db)
        return db

    async def _start(self, database: str) -> None:
        files, clock, mail = self._files, self._clock, f"{self._data}/mail"
        self._pool = ThreadPoolExecutor(_POOL, "mailhub-disk")
        self._syncs = ThreadPoolExecutor(_SYNCS, "mailhub-sync")
        spool = Spool(files, f"{self._data}/spool", self._pool, self._syncs, self._config.inline_limit)
        self._writer, self._reader = Writer(database, self._told), DiskLane("mailhub-reader")
        spool.let_go = lambda name: self._writer.do(LetGo(name))
        db = self._reading(database)
        location = self._config.mail_location
        homes = Homes(files, mail, location)
        roots = (mail, root(location)) if location else (mail,)
        self._filer = Filer(
            database, mail, spool, self._writer, files, self._syncs, clock, self._config.sync_interval, roots
        )
        self._writer.failed = spool.failed = self._filer.wake
        self._spool = spool
        self.queue = SqliteQueue(self._writer, self._reader, db, spool, clock, files, self._config)
        self.queue.interrupted = self._interrupted
        self.mailboxes = SqliteMailboxes(
            self._writer, self._reader, db, spool, self._filer, files, self._pool, clock, self._hostname, mail,
            self.queue.new_id, self.queue.load_body, self._config, self._in_step, homes,
        )  # fmt: skip
        glances = self._reading(database)  # single rows by key, on the loop; a connection costs 170 KB
        self.sharing = SqliteSharing(self._writer, self._reader, db)
        self.directory = SqliteDirectory(self._writer, self._reader, glances, db)
        self.dkim = SqliteDkim(self._writer, self._reader, glances, db)
        self.history = SqliteHistory(self._writer, self._reader, db)
        self.tokens = SqliteTokens(self._writer, self._reader, glances, db)
        self.browsers = SqliteBrowsers(self._writer, glances)
        self.dmarc = SqliteDmarc(self._writer, self._reader, db)
        self.webhooks = SqliteWebhooks(self._writer, self._reader, db)
        self.guard = SqliteGuard(self._writer, self._reader, glances, db)
        self.greylist = SqliteGreylist(self._writer, glances)
        self.sieve = SqliteSieve(self._writer, self._reader, glances, db)
        self.suppressions = SqliteSuppressions(self._writer, self._reader, glances, db)
        self.queue.taught = self.suppressions.taught
        self.tls = SqliteTls(self._writer, self._reader, glances, db)
        self.junk = SqliteJunk(f"{self._data}/junk.db")
        self.traces = SqliteTraces(f"{self._data}/trace.db", clock)
        self.texts = SqliteTexts(f"{self._data}/search", files, self._config.search_index_limit)
        self._names = spool.names
        self._names.start()
        self._writer.start()
        self.texts.start()
        self.junk.start()
        self.traces.start()
        self._reader.start()
        self.mailboxes.staging.start()
        self.mailboxes.watcher.start()
        await self._filer.start()

    def _told(self, told: Told) -> None:
        self._filer.told(told)
        self.mailboxes.told(told)

    def troubles(self) -> dict[str, str]:
        found = {
            "database": self._writer.trouble,
            "files": self._filer.trouble or self.mailboxes.trouble or self._spool.trouble,
        }
        return {room: cause for room, cause in found.items() if cause}

    async def close(self) -> None:
        await self.mailboxes.watcher.stop()
        await self.mailboxes.staging.stop()
        with contextlib.suppress(Temporary):
            await self._filer.stop()
            await self._writer.do(Statement("insert or replace into meta values (?, ?)", ("in_step", "")))
        await self.texts.stop()
        await self.junk.stop()
        await self.traces.stop()
        await self._writer.close()
        await self._reader.stop()
        for db in self._connections:
            db.close()
        self._connections.clear()
        await self._names.stop()
        for pool in (self._pool, self._syncs):
            await asyncio.get_running_loop().run_in_executor(None, pool.shutdown)
        self._drop_lock()
