"""SQLite and Maildirs as one of the two sides: what is looked at, rows of tables, the queue. Mail that comes is put by `maildirs`."""

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from mailhub.model.clock import Clock
from mailhub.model.errors import Temporary

from .. import maildir
from ..api import Body, MessageFile, QueueStore
from ..files import Files, resolve
from ..lane import DiskLane
from ..left import LEFT
from ..sqlite import SqliteStore
from ..sqlite.junk import connected
from ..sqlite.queue_units import remember_id
from ..sqlite.schema import connect
from .maildirs import Maildirs, transaction
from .octets import copied
from .sides import ContentRow, FolderRow, ItemRow, Message, Side, Site
from .tables import ROWS, Row, Table

T = TypeVar("T")
_ITEM = "id, content, sender, created, priority, parameters, origin, filter, verdict"


class Embedded(Maildirs):
    """sides.Target. A connection of its own beside the store's, and a lane in which it is used."""

    def __init__(self, site: Site, clock: Clock) -> None:
        files = Files()
        super().__init__(DiskLane("mailhub-migrate"), files, f"{resolve(site.data)}/mail", site.config.mail_location)
        self.store = SqliteStore(site.data, site.config, clock, site.hostname, files)
        self._data = resolve(site.data)
        self._junk: sqlite3.Connection | None = None

    @property
    def queue(self) -> QueueStore:
        return self.store.queue

    async def open(self) -> None:
        await self.store.open(moving=True)
        self.db = connect(f"{self._data}/mailhub.db")
        self.lane.start()

    async def close(self) -> None:
        await self.lane.stop()
        self.db.close()
        if self._junk is not None:
            self._junk.close()
        await self.store.close()

    async def _rows(self, text: str, *values: object) -> list[Row]:
        return await self.lane.call(lambda: self.db.execute(text, values).fetchall())

    async def _change(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """In one commit."""

        def change() -> T:
            with transaction(self.db):
                return work(self.db)

        return await self.lane.call(change)

    # --- looking -----------------------------------------------------------------------------------------------------

    async def page(self, table: Table, after: Row | None) -> tuple[list[Row], Row | None]:
        columns = [f'"{column.name}"' for column in table.columns]
        keys = ", ".join(columns[: table.key])
        conditions = [table.only] if table.only else []
        if after is not None:
            conditions.append(f"({keys}) > ({', '.join('?' * table.key)})")
        where = f"where {' and '.join(conditions)}" if conditions else ""
        text = f"select {', '.join(columns)} from {table.embedded} {where} order by {keys} limit {ROWS}"
        found = await self.lane.call(lambda: self._of(table).execute(text, after or ()).fetchall())
        return [table.canonical(row) for row in found], found[-1][: table.key] if len(found) == ROWS else None

    def _of(self, table: Table) -> sqlite3.Connection:
        if not table.junk:
            return self.db
        if self._junk is None:
            self._junk = connected(f"{self._data}/junk.db")
        return self._junk

    async def accounts(self) -> list[str]:
        """Those of the index, and those whose Maildir lies where ours do."""
        indexed = {str(name) for (name,) in await self._rows("select distinct account from folder")}
        return sorted(indexed | await self.lane.call(self._on_disk))

    def _on_disk(self) -> set[str]:
        found = set[str]()
        for domain in self._files.listing(self._mail):
            for user in self._files.listing(f"{self._mail}/{domain}"):
                name = maildir.account(domain, user)
                if name is not None and self._files.exists(f"{self._mail}/{maildir.home(name)}/cur"):
                    found.add(name)
        return found

    async def sizes(self) -> tuple[int, int]:
        (row,) = await self._rows("select (select coalesce(sum(messages), 0) from folder), (select count(*) from item)")
        return int(str(row[0])), int(str(row[1]))

    async def folders(self, account: str) -> list[FolderRow]:
        """What other programs did to the Maildir is taken in first."""
        known = await self.store.mailboxes.folders(account)
        await self.store.mailboxes.sync()
        for folder in known:
            text = "select 1 from message m where folder = ? and not exists (select 1 from rendered where folder = m.folder and uid = m.uid)"
            if await self._rows(f"{text} limit 1", folder.id):
                await self.store.mailboxes.rebuild(account, lambda done, total: None)
                break
        return await self.lane.call(self.folder_rows, account)

    async def former(self, folder: int) -> Mapping[int, str]:
        """Of messages that are there: the list may still know others."""
        found = await self.store.mailboxes.former_ids(folder)
        there = await self.there(folder, list(found)) if found else ()
        return {uid: name for uid, name in found.items() if uid in there}

    async def messages(self, folder: int, after: int) -> list[Message]:
        rows = await self._rows(
            "select m.uid, flags, modseq, date, size, file, moved, envelope, structure from message m join rendered r"
            f" on r.folder = m.folder and r.uid = m.uid where m.folder = ? and m.uid > ? order by m.uid limit {ROWS}",
            folder, after,
        )  # fmt: skip
        return [Message(*row) for row in rows]  # type: ignore[arg-type]

    async def read(self, folder: int, uid: int) -> MessageFile:
        found = await self.store.mailboxes.open(folder, uid)
        if found is None:
            raise Temporary(f"the file of message {uid} in folder {folder} is gone")
        return found

    async def items(self, after: int) -> list[ItemRow]:
        rows = await self._rows(f"select {_ITEM} from item where id > ? order by id limit {ROWS}", after)
        return [ItemRow(*row) for row in rows]  # type: ignore[arg-type]

    async def recipients(self, item: int, after: int) -> list[Row]:
        return await self._rows(
            f"select * from recipient where item = ? and n > ? order by n limit {ROWS}", item, after
        )

    async def reached(self, item: int, after: str) -> list[str]:
        text = f"select address from reached where item = ? and address > ? order by address limit {ROWS}"
        return [str(address) for (address,) in await self._rows(text, item, after)]

    async def content(self, number: int) -> ContentRow:
        rows = await self._rows("select prefix, tail, size, body, spool from content where id = ?", number)
        if not rows:
            raise Temporary(f"content {number} is gone")
        ((prefix, tail, size, body, spool),) = rows
        return ContentRow(number, prefix, Body(size, body, spool), tail)  # type: ignore[arg-type]

    async def highest(self) -> tuple[int, int]:
        text = "select coalesce(max(cast(value as integer)), 0) from meta where key = ?"
        ((last,),), ((uidvalidity,),) = await self._rows(text, "last_id"), await self._rows(text, "uidvalidity")
        ((item,),) = await self._rows("select coalesce(max(id), 0) from item")
        return max(int(str(last)), int(str(item))), int(str(uidvalidity))

    async def left(self) -> str:
        return "".join([str(value) for (value,) in await self._rows("select value from meta where key = ?", LEFT)])

    async def leave(self, target: str) -> None:
        def change(db: sqlite3.Connection) -> None:
            db.execute("delete from meta where key = ?", (LEFT,))
            if target:
                db.execute("insert into meta values (?, ?)", (LEFT, target))

        await self._change(change)

    # --- progress ----------------------------------------------------------------------------------------------------

    async def vacant(self) -> bool:
        some = " union all ".join(
            [f"select 1 from {name}" for name in ("folder", "item", "account", "alias", "domain")]
        )
        return not await self._rows(f"{some} limit 1") and not await self.lane.call(self._on_disk)

    async def progress(self) -> dict[str, str] | None:
        if not await self._rows("select 1 from sqlite_master where name = 'migrated'"):
            return None
        return {str(name): str(value) for name, value in await self._rows("select name, value from migrated")}

    async def begin(self, source: str) -> None:
        def change(db: sqlite3.Connection) -> None:
            db.execute("create table migrated(name text primary key, value text not null) without rowid")
            db.execute("insert into migrated values ('', ?)", (source,))

        await self._change(change)

    async def done(self, name: str, value: str) -> None:
        await self._rows("insert or replace into migrated values (?, ?)", name, value)

    async def end(self) -> None:
        await self._rows("drop table migrated")

    # --- putting -----------------------------------------------------------------------------------------------------

    async def put(self, table: Table, rows: Sequence[Row]) -> None:
        names = ", ".join([f'"{column.name}"' for column in table.columns])
        text = f"insert or replace into {table.embedded} ({names}) values ({', '.join('?' * len(table.columns))})"

        def change() -> None:
            db = self._of(table)
            with transaction(db):
                db.executemany(text, rows)

        await self.lane.call(change)

    async def has_item(self, item: int) -> bool:
        return bool(await self._rows("select 1 from item where id = ?", item))

    async def put_item(self, item: ItemRow, content: ContentRow, source: Side) -> None:
        there = await self._rows("select 1 from content where id = ?", content.id)
        body = content.body
        if not there:

            async def read(offset: int, length: int) -> bytes:
                if content.body.data is not None:
                    return content.body.data[offset : offset + length]
                return await source.queue.read_body(content.body, offset, length)

            body = await copied(read, body.size, self.queue.body_writer())
        row = (item.id, item.content, item.sender, item.created, item.priority, item.parameters, item.origin, item.filter,
               item.verdict)  # fmt: skip

        def change(db: sqlite3.Connection) -> None:
            if not there:
                db.execute(
                    "insert into content (id, size, spool, prefix, body, tail) values (?, ?, ?, ?, ?, ?)",
                    (content.id, body.size, body.spool, content.prefix, body.data, content.tail),
                )
            db.execute(f"insert or ignore into item ({_ITEM}) values (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)

        await self._change(change)

    async def put_recipients(self, rows: Sequence[Row]) -> None:
        places = ", ".join("?" * len(rows[0]))
        await self._change(lambda db: db.executemany(f"insert or ignore into recipient values ({places})", rows))

    async def put_reached(self, item: int, addresses: Sequence[str]) -> None:
        rows = [(item, address) for address in addresses]
        await self._change(lambda db: db.executemany("insert or ignore into reached values (?, ?)", rows))

    async def raise_ids(self, queue_id: int, uidvalidity: int) -> None:
        def change(db: sqlite3.Connection) -> None:
            remember_id(db, queue_id)
            db.execute(
                "insert into meta values ('uidvalidity', ?1) on conflict(key)"
                " do update set value = max(cast(value as integer), ?2)",
                (str(uidvalidity), uidvalidity),
            )

        await self._change(change)
