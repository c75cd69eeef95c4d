"""Both stores, for tests that hold for either."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import obstore
from obstore.store import from_url

from mailhub.config.schema import Store as StoreConfig
from mailhub.model.clock import Clock, VirtualClock
from mailhub.store.api import Body, NewContent, NewItem, NewRecipient, Store
from mailhub.store.mysql import MysqlStore
from mailhub.store.sqlite import SqliteStore
from mailhub.store.sqlite.schema import connect

from .galera import Node
from .mariadb import Mariadb

KINDS = ("sqlite", "mariadb", "galera")
CLOCK = VirtualClock()  # stands still


@dataclass
class Stores:
    """`make()` gives a store on the same data each time, to be opened; `make("b")` another node's, where there can be several."""

    path: Path
    server: Mariadb | Node | None  # None: SQLite
    clock: Clock = CLOCK
    config: StoreConfig = field(default_factory=lambda: StoreConfig(free_space_floor=0, sync_interval=0.01))
    database: str = "mailhub"
    objects: str = ""  # of a cluster, where it is not the folder "objects": "s3://BUCKET/PREFIX"

    def make(self, node: str = "a", **options: object) -> Any:
        config = msgspec.structs.replace(self.config, **options)
        if self.server is None:
            return SqliteStore(self.path, config, self.clock, "mx.test")
        config = msgspec.structs.replace(
            config, kind="mysql", hosts=self.hosts(node), user="root", database=self.database,
            objects=self.objects or str(self.path / "objects"),
        )  # fmt: skip
        return MysqlStore(self.path / node, config, self.clock, f"{node}.mx.test")

    def hosts(self, node: str) -> tuple[str, ...]:
        """ "a" asks the first server, "b" the second; then the others."""
        assert self.server is not None
        servers = [self.server, *(self.server.others if isinstance(self.server, Node) else ())]
        first = (ord(node[0]) - ord("a")) % len(servers)
        return tuple(f"unix:{server.socket}" for server in servers[first:] + servers[:first])

    def run(self, statement: str) -> None:
        """Do something to the tables behind the store's back."""
        if self.server is not None:
            self.server.run(statement, self.database)
            return
        db = connect(str(self.path / "mailhub.db"))
        db.execute(statement)
        db.close()

    def count(self, table: str) -> int:
        """Rows of a table."""
        statement = f"select count(*) from {table}"
        if self.server is not None:
            return int(self.server.run(f"set session wsrep_sync_wait = 7; {statement}", self.database))
        db = connect(str(self.path / "mailhub.db"), readonly=True)
        try:
            return int(db.execute(statement).fetchone()[0])
        finally:
            db.close()

    async def tidy(self, store: Any) -> None:
        """What is done in the background is done, and what is collected after a while is collected now."""
        if self.server is None:
            await store._filer.settle()
        else:
            await store.collector.collect(-1.0)

    def bodies(self) -> list[str]:
        """Names of what holds large bodies."""
        if self.objects:
            pages = obstore.list(from_url(self.objects, client_options={"allow_http": True}))
            return [found["path"] for page in pages for found in page if found["path"].endswith(".body")]
        folder = self.path / ("spool" if self.server is None else "objects")
        return [path.name for path in folder.rglob("*") if path.is_file()]


def queued(
    store: Store, *recipients: str, body: bytes = b"Subject: x\r\n\r\nhello\r\n", due: float | None = None
) -> NewItem:
    """A message to be put."""
    number = store.queue.new_id()
    return NewItem(
        id=number,
        content=NewContent(number, b"Received: here\r\n", Body(len(body), body)),
        sender="a@example.org",
        recipients=tuple(NewRecipient(n, address) for n, address in enumerate(recipients)),
        created=CLOCK.now(),
        due=CLOCK.now() if due is None else due,
    )


@contextmanager
def emptied(server: Mariadb | Node, path: Path, database: str = "mailhub", objects: str = "") -> Iterator[Stores]:
    """A database as new. Its tables stay from test to test: to make them takes a second, to empty them a few milliseconds."""
    server.run(f"create database if not exists {database} character set utf8mb4 collate utf8mb4_bin")
    names = server.run(
        f"select table_name from information_schema.tables where table_schema = '{database}' and table_name != 'meta'"
    ).split()
    statements = [f"delete from `{name}`;" for name in names]
    server.run("\n".join([*statements, "delete from meta where name != 'version';" if names else ""]), database)
    yield Stores(path, server, database=database, objects=objects)
