"""A store that several mailhubs share: queue, index and directory in a MySQL-compatible cluster, large bodies in an object store.

Gives to: `hub` and `control`'s offline commands, as a `store.api.Store`. Any node takes mail, serves any account and works the queue; none
has anything of its own but copies (`cache/`), texts to be searched and its trace.

    DATA/mailhub.lock   held by the one process that uses this folder
    DATA/node           what tells this node from others of its name
    DATA/cache/         bodies on their way to the object store, and copies of those read last
    DATA/search/        text of messages, to be searched; may be thrown away
    DATA/trace.db       what this node did
"""

import asyncio
import contextlib
import os
import secrets
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from mailhub.config.schema import Store as StoreConfig
from mailhub.model.clock import Clock
from mailhub.model.errors import MailError, Permanent, Temporary
from mailhub.model.mailbox import Changed

from ..files import Files, resolve
from ..sqlite.texts import SqliteTexts
from ..sqlite.traces import SqliteTraces
from .browsers import MysqlBrowsers
from .buckets import bucket_of
from .collector import Collector
from .directory import MysqlDirectory
from .dkim import MysqlDkim
from .dmarc import MysqlDmarc
from .engine import Engine, Told
from .greylist import MysqlGreylist
from .guard import MysqlGuard
from .history import MysqlHistory
from .junk import MysqlJunk
from .mailboxes import MysqlMailboxes
from .nodes import Nodes
from .objects import Objects
from .polling import Poll
from .queue import MysqlQueue
from .sharing import MysqlSharing
from .sieve import MysqlSieve
from .suppressions import MysqlSuppressions
from .tls import MysqlTls
from .tokens import MysqlTokens
from .versions import migrate, refuse_half
from .webhooks import MysqlWebhooks

_POOL = 4  # threads for files
_LIMITS = 5.0  # seconds between two looks whether any node has set limits of accounts


class MysqlStore:
    """api.Store. Its parts are there between `open` and `close`."""

    queue: MysqlQueue
    mailboxes: MysqlMailboxes
    sharing: MysqlSharing
    directory: MysqlDirectory
    dkim: MysqlDkim
    dmarc: MysqlDmarc
    tokens: MysqlTokens
    browsers: MysqlBrowsers
    history: MysqlHistory
    webhooks: MysqlWebhooks
    guard: MysqlGuard
    greylist: MysqlGreylist
    sieve: MysqlSieve
    suppressions: MysqlSuppressions
    junk: MysqlJunk
    tls: MysqlTls
    texts: SqliteTexts
    traces: SqliteTraces
    nodes: Nodes
    collector: Collector
    poll: Poll

    def __init__(
        self, data: Path, config: StoreConfig, clock: Clock, hostname: str, files: Files | None = None
    ) -> None:
        self._data, self._config, self._clock, self._hostname = resolve(data), config, clock, hostname
        self._files = files or Files()
        self._lock = -1
        self._limits_seen = float("-inf")

    async def open(self, *, moving: bool = False) -> None:
        """`moving`: half of a migration may be in it."""
        try:
            await self._open(moving=moving)
        except OSError as error:
            raise Permanent(f"cannot open the store in {self._data}: {error}") from error

    async def _open(self, *, moving: bool) -> None:
        for name in ("", "/cache"):
            self._files.make_dirs(self._data + name)
        self._take_lock()
        self.engine = Engine(self._config, self._password(), self._clock, self._told)
        self._pool = ThreadPoolExecutor(_POOL, "mailhub-disk")
        try:
            await self.engine.open()
            await migrate(self.engine, self._word())
            if not moving:
                await refuse_half(self.engine)
            await self._start()
        except BaseException:
            await self.engine.close()
            self._pool.shutdown(wait=False)
            self._drop_lock()
            raise

    def _take_lock(self) -> None:
        path = f"{self._data}/mailhub.lock"
        try:
            self._lock = self._files.lock(path)
        except BlockingIOError as error:
            owner = self._files.read(path).decode("ascii", "replace").strip()
            remedy = "stop that one, or set another `data`"
            raise Permanent(f"the folder {self._data} is in use by process {owner}: {remedy}") from error

    def _drop_lock(self) -> None:
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _word(self) -> str:
        """For this node, the same in its next life: made when the folder is used first."""
        path = f"{self._data}/node"
        if not self._files.exists(path):
            self._files.replace_text(path, secrets.token_hex(8).encode())
        return self._files.read(path).decode("ascii", "replace")

    def _password(self) -> str:
        name = self._config.password_file
        try:
            return self._files.read(name).decode().split("\n", 1)[0].strip() if name else ""
        except (OSError, UnicodeDecodeError) as error:
            raise Permanent(f"store.password_file {name}: {error}") from error

    async def _start(self) -> None:
        config, clock, files = self._config, self._clock, self._files
        bucket = bucket_of(config.objects, files, self._pool)
        self._objects = Objects(
            bucket, f"{self._data}/cache", files, self._pool, config.inline_limit, config.cache_limit, self._load
        )
        self._objects.open()
        self.nodes = Nodes(
            self.engine, clock, f"{self._hostname} {self._word()}"[:255], config.lease_seconds, self._fenced
        )
        self.poll = Poll(self.engine, clock, config.poll_seconds, self._theirs, self._besides)
        self.queue = MysqlQueue(self.engine, self.nodes, self._objects, clock, files, config)
        self.mailboxes = MysqlMailboxes(self.engine, self._objects, clock, self._hostname, self.queue.new_id, self.poll)
        self.sharing = MysqlSharing(self.engine)
        self._remembering()
        self.traces = SqliteTraces(f"{self._data}/trace.db", clock)
        self.texts = SqliteTexts(f"{self._data}/search", files, config.search_index_limit)
        self.collector = Collector(self.engine, self._objects, clock)
        await self.nodes.open()
        await self.mailboxes.refresh_limits()
        self.texts.start()
        self.traces.start()
        self.poll.start()
        self.collector.start()

    def _remembering(self) -> None:
        engine = self.engine
        self.directory, self.dkim, self.tokens = MysqlDirectory(engine), MysqlDkim(engine), MysqlTokens(engine)
        self.browsers = MysqlBrowsers(engine)
        self.guard, self.greylist = MysqlGuard(engine), MysqlGreylist(engine)
        self.sieve, self.suppressions, self.junk = MysqlSieve(engine), MysqlSuppressions(engine), MysqlJunk(engine)
        self.dmarc, self.tls, self.webhooks = MysqlDmarc(engine), MysqlTls(engine), MysqlWebhooks(engine)
        self.history = MysqlHistory(engine, lambda: self.nodes.slot)

    async def _load(self, key: bytes) -> bytes:
        row = await self.engine.one("select data from octets where id = %s", key)
        if row is None or row[0] is None:
            raise Temporary(f"body {key.hex()[:16]} is gone")
        return bytes(row[0])

    def _told(self, told: Told) -> None:
        self.poll.told(told)
        if told.changed:
            self.mailboxes.tell(tuple(told.changed.values()))

    def _theirs(self, changed: Sequence[Changed]) -> None:
        self.mailboxes.tell(changed)

    async def _besides(self) -> None:
        now = self._clock.monotonic()
        if now - self._limits_seen >= _LIMITS:
            self._limits_seen = now
            await self.mailboxes.refresh_limits()
        await self.queue.look()

    def _fenced(self) -> None:
        self.queue.fenced()

    def troubles(self) -> dict[str, str]:
        return {"database": self.engine.trouble} if self.engine.trouble else {}

    async def close(self) -> None:
        await self.poll.stop()
        await self.collector.stop()
        with contextlib.suppress(MailError):
            await self.nodes.close()
        await self.texts.stop()
        await self.traces.stop()
        await self.engine.close()
        await asyncio.get_running_loop().run_in_executor(None, self._pool.shutdown)
        self._drop_lock()
