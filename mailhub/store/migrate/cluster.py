"""A cluster's store as one of the two sides."""

import asyncio
import json
from collections.abc import Collection, Mapping, Sequence

from mailhub.model.clock import Clock
from mailhub.model.errors import Permanent, Temporary

from ..api import Body, MessageFile, NewContent, QueueStore
from ..left import LEFT
from ..mysql import MysqlStore
from ..mysql.contents import insert_contents, refer
from ..mysql.engine import Tx
from ..mysql.objects import key_of
from ..mysql.queue_units import QUARANTINED, insert_recipients
from .octets import copied
from .sides import ContentRow, FolderRow, ItemRow, Message, Side, Site, folder_row
from .tables import JUNK_OWNERS, ROWS, Row, Table

_AT_ONCE = 8  # bodies on their way to the object store
_FOLDER = "id, account, name, uidvalidity, uidnext, modseq, keywords, special_use, recent_from, forgotten"
_ITEM = "id, content, sender, created, priority, parameters, origin, filter, verdict"
_RECIPIENT = (
    "item, n, address, orcpt, notify, depth, parent, path, state, due, attempts, code, enhanced, reply, remote, warned,"
    " domain, sender, priority, tls, tried"
)


class Cluster:
    """sides.Target."""

    def __init__(self, site: Site, clock: Clock) -> None:
        self._name = f"migration in {site.data.absolute()}"[:255]
        self.store = MysqlStore(site.data, site.config, clock, self._name)

    @property
    def queue(self) -> QueueStore:
        return self.store.queue

    async def open(self) -> None:
        await self.store.open(moving=True)
        self._engine = self.store.engine
        mine = self.store.nodes.number
        # one of that name is dead: we have the folder's lock
        await self._engine.all("delete from node where name = %s and id != %s", self._name, mine)
        others = [name for number, name, _ in await self.store.nodes.others() if number != mine]
        if others:
            await self.store.close()
            raise Permanent(f"other mailhubs work on that store: stop {', '.join(others)}")

    async def close(self) -> None:
        await self.store.close()

    # --- looking -----------------------------------------------------------------------------------------------------

    async def page(self, table: Table, after: Row | None) -> tuple[list[Row], Row | None]:
        ordered = table.keys()
        keys = ", ".join([f"`{key}`" for key in ordered])
        columns = ", ".join([f"`{column.cluster}`" for column in table.columns])
        where = ""
        values: Row = ()
        if after is not None:
            where = f"where `{ordered[0]}` >= %s and ({keys}) > ({', '.join(['%s'] * len(after))})"
            values = (after[0], *after)
        found = await self._engine.all(
            f"select {columns}, {keys} from {table.view or table.cluster} {where} order by {keys} limit {ROWS}", *values
        )
        rows = [table.canonical(row[: len(table.columns)]) for row in found]
        return rows, found[-1][len(table.columns) :] if len(found) == ROWS else None

    async def accounts(self) -> list[str]:
        return [name for (name,) in await self._engine.all("select distinct account from folder order by account")]

    async def sizes(self) -> tuple[int, int]:
        row = await self._engine.one(
            "select (select coalesce(sum(messages), 0) from folder), (select count(*) from item)"
        )
        assert row is not None
        return int(row[0]), int(row[1])

    async def folders(self, account: str) -> list[FolderRow]:
        rows = await self._engine.all(f"select {_FOLDER} from folder where account = %s order by name", account)
        return [folder_row(row) for row in rows]

    async def former(self, folder: int) -> Mapping[int, str]:
        return await self.store.mailboxes.former_ids(folder)

    async def messages(self, folder: int, after: int) -> list[Message]:
        rows = await self._engine.all(
            "select uid, flags, modseq, date, size, file, moved, envelope, structure from message join rendered using (folder, uid)"
            f" where folder = %s and uid > %s order by uid limit {ROWS}",
            folder, after,
        )  # fmt: skip
        return [Message(*row) for row in rows]

    async def read(self, folder: int, uid: int) -> MessageFile:
        return await self.store.mailboxes.open(folder, uid)

    async def items(self, after: int) -> list[ItemRow]:
        rows = await self._engine.all(f"select {_ITEM} from item where id > %s order by id limit {ROWS}", after)
        return [ItemRow(*row) for row in rows]

    async def recipients(self, item: int, after: int) -> list[Row]:
        return await self._engine.all(
            f"select {_RECIPIENT} from recipient where item = %s and n > %s order by n limit {ROWS}", item, after
        )

    async def reached(self, item: int, after: str) -> list[str]:
        text = f"select address from reached where item = %s and address > %s order by address limit {ROWS}"
        return [address for (address,) in await self._engine.all(text, item, after)]

    async def content(self, number: int) -> ContentRow:
        row = await self._engine.one(
            "select prefix, tail, body.size, object, data from content join body on body.id = content.body left join octets on octets.id = body.id where content.id = %s",
            number,
        )
        if row is None:
            raise Temporary(f"content {number} is gone")
        prefix, tail, size, name, data = row
        return ContentRow(number, prefix, Body(size, spool=name) if name is not None else Body(size, data), tail)

    async def highest(self) -> tuple[int, int]:
        row = await self._engine.one(
            "select (select coalesce(max(last), 0) from slot), (select coalesce(max(id), 0) from item),"
            " (select coalesce(max(uidvalidity), 0) from account)"
        )
        assert row is not None
        return max(row[0], row[1]), row[2]

    async def left(self) -> str:
        row = await self._engine.one("select value from meta where name = %s", LEFT)
        return "" if row is None else str(row[0])

    async def leave(self, target: str) -> None:
        if target:
            await self._engine.all("replace into meta (name, value) values (%s, %s)", LEFT, target)
        else:
            await self._engine.all("delete from meta where name = %s", LEFT)

    # --- progress ----------------------------------------------------------------------------------------------------

    async def vacant(self) -> bool:
        for table in ("folder", "item", "directory_account", "directory_alias", "directory_domain"):
            if await self._engine.one(f"select 1 from {table} limit 1"):
                return False
        return True

    async def progress(self) -> dict[str, str] | None:
        if not await self._engine.one(
            "select 1 from information_schema.tables where table_schema = database() and table_name = 'migrated'"
        ):
            return None
        return {name.decode(): value for name, value in await self._engine.all("select name, value from migrated")}

    async def begin(self, source: str) -> None:
        await self._engine.all(
            "create table migrated (name varbinary(1500) not null primary key,"
            " value mediumtext character set utf8mb4 collate utf8mb4_bin not null)"
        )
        await self.done("", source)

    async def done(self, name: str, value: str) -> None:
        await self._engine.all("replace into migrated (name, value) values (%s, %s)", name, value)

    async def end(self) -> None:
        await self._engine.all("drop table migrated")

    # --- putting -----------------------------------------------------------------------------------------------------

    async def put(self, table: Table, rows: Sequence[Row]) -> None:
        async def change(tx: Tx) -> None:
            if table is JUNK_OWNERS:
                await tx.insert("replace into junk_owner (id, name)", [row[:2] for row in rows])
                sums = [(row[0], 0, *row[2:]) for row in rows]
                await tx.insert("replace into junk_sum (owner, part, junk, good, lessons)", sums)
                return
            names = [column.cluster for column in table.columns] + [name for name, _ in table.made]
            whole = [(*row, *[make(row) for _, make in table.made]) for row in rows]
            await tx.insert(f"replace into {table.cluster} ({', '.join([f'`{name}`' for name in names])})", whole)

        await self._engine.transact(change, again=True)

    async def put_folder(self, folder: FolderRow) -> None:
        await self._engine.all(
            f"insert into folder ({_FOLDER}, messages, unseen, size)"
            " values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, 0, 0, 0)"
            " on duplicate key update id = id",
            folder.id, folder.account, folder.name, folder.uidvalidity, folder.uidnext, folder.modseq,
            json.dumps(folder.keywords), folder.special_use, folder.recent_from, folder.forgotten,
        )  # fmt: skip

    async def put_former(self, folder: FolderRow, ids: Mapping[int, str]) -> None:
        rows = [(folder.id, uid, name) for uid, name in ids.items()]

        async def change(tx: Tx) -> None:
            await tx.insert("replace into former (folder, uid, id)", rows)

        await self._engine.transact(change, again=True)

    async def there(self, folder: int, uids: Sequence[int]) -> Collection[int]:
        rows = await self._engine.all("select uid from message where folder = %s and uid in %s", folder, list(uids))
        return {uid for (uid,) in rows}

    async def put_messages(self, folder: FolderRow, messages: Sequence[Message], source: Side) -> None:
        bodies: list[Body] = []
        for start in range(0, len(messages), _AT_ONCE):
            part = messages[start : start + _AT_ONCE]
            bodies += await asyncio.gather(*[self._body(folder.id, message, source) for message in part])
        keys = [key_of(body, self.queue.new_id()) for body in bodies]
        whole = list(zip(messages, keys, bodies, strict=True))

        async def change(tx: Tx) -> None:
            found = await tx.all(
                "select uid from message where folder = %s and uid in %s", folder.id, [m.uid for m in messages]
            )
            known = {uid for (uid,) in found}
            new = [one for one in whole if one[0].uid not in known]
            await refer(tx, [(key, body) for _, key, body in new])
            await tx.insert(
                "insert into message (folder, uid, flags, modseq, date, size, file, moved, body)",
                [(folder.id, m.uid, m.flags, m.modseq, m.date, m.size, m.file, m.moved, key) for m, key, _ in new],
            )
            await tx.insert(
                "insert into rendered (folder, uid, envelope, structure, head, tail)",
                [(folder.id, m.uid, m.envelope, m.structure, b"", b"") for m, _, _ in new],
            )

        await self._engine.transact(change, again=True)

    async def _body(self, folder: int, message: Message, source: Side) -> Body:
        async with await source.read(folder, message.uid) as file:
            return await copied(file.read, message.size, self.queue.body_writer())

    async def finish(self, account: str, uidvalidity: int) -> None:
        async def change(tx: Tx) -> None:
            await tx.run(
                "replace into account (name, listing, uidvalidity) select %s, 1, greatest(%s, coalesce(max(uidvalidity), 0))"
                " from folder where account = %s",
                account, uidvalidity, account,
            )  # fmt: skip
            await tx.run(
                "update folder set graves = (select count(*) from expunged where folder = folder.id) where account = %s",
                account,
            )

        await self._engine.transact(change, again=True)
        await self.store.mailboxes.recount(account)

    async def has_item(self, item: int) -> bool:
        return await self._engine.one("select 1 from item where id = %s", item) is not None

    async def put_item(self, item: ItemRow, content: ContentRow, source: Side) -> None:
        there = await self._engine.one("select 1 from content where id = %s", content.id)
        body = content.body
        if there is None and body.data is None:

            async def read(offset: int, length: int) -> bytes:
                return await source.queue.read_body(content.body, offset, length)

            body = await copied(read, body.size, self.queue.body_writer())

        async def change(tx: Tx) -> None:
            if await tx.one("select 1 from item where id = %s", item.id):
                return
            await insert_contents(tx, [NewContent(content.id, content.prefix, body, content.tail)], {content.id: 1})
            await tx.insert(
                f"insert into item ({_ITEM}, node, quarantined)",
                [(item.id, item.content, item.sender, item.created, item.priority, item.parameters, item.origin, item.filter,
                  item.verdict, self.store.nodes.number, item.id if item.verdict.startswith(QUARANTINED) else None)],
            )  # fmt: skip

        await self._engine.transact(change, again=True)

    async def put_recipients(self, rows: Sequence[Row]) -> None:
        async def change(tx: Tx) -> None:
            await insert_recipients(tx, [(*row, None) for row in rows])

        await self._engine.transact(change, again=True)

    async def put_reached(self, item: int, addresses: Sequence[str]) -> None:
        async def change(tx: Tx) -> None:
            rows = [(item, address) for address in addresses]
            await tx.insert("insert into reached (item, address)", rows, "on duplicate key update item = item")

        await self._engine.transact(change, again=True)

    async def raise_ids(self, queue_id: int, uidvalidity: int) -> None:
        await self.store.nodes.raise_ids(queue_id)
