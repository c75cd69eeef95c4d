"""The work itself, in its order: ids, rows of tables, accounts, queue; then a look at all that no account's own comparison has seen."""

import hashlib
from collections.abc import Callable, Iterator, Sequence

from msgspec import Struct

from mailhub.model.clock import Clock
from mailhub.model.errors import MailError, Permanent, Temporary

from .cluster import Cluster
from .comparing import MOST, of_account, of_queue, of_table, table_sum
from .embedded import Embedded
from .sides import FolderRow, Message, Side, Site, Target
from .tables import TABLES, Row, Table

Progress = Callable[[int, int], object]
_BATCH = 8_388_608  # octets of messages that are put by one unit
_WRONG = 1_000  # differences that are told of all


class Moved(Struct, frozen=True, kw_only=True):
    """What moved, or with `dry` would. `went_on`: a part had come before. `rows`: by table. `wrong`: what is not as it was; then the target
    is not opened by any mailhub."""

    dry: bool
    went_on: bool
    accounts: int
    folders: int
    messages: int
    octets: int
    queued: int
    rows: dict[str, int]
    wrong: tuple[str, ...] = ()


async def migrate(source: Site, target: Site, clock: Clock, progress: Progress, *, dry: bool = False) -> Moved:
    """MailError where it can not be done, or was broken off; the same call goes on."""
    if source.config.kind == target.config.kind:
        raise Permanent(f"both stores are of kind {source.config.kind!r}: there is nothing to move")
    if source.data.absolute() == target.data.absolute():
        raise Permanent(f"both stores have the data folder {source.data}: set another `data` for the new one")
    old = _side(source, clock)
    await old.open()
    try:
        if dry:
            return await _Move(old, old, progress).counted()
        new = _side(target, clock)
        await new.open()
        try:
            return await _Move(old, new, progress).run(source.where, target.where)
        finally:
            await new.close()
    finally:
        await old.close()


async def reopen(site: Site, clock: Clock) -> str:
    """Let a store that all was moved away from be used again; where that was moved to, "": nowhere. MailError."""
    side = _side(site, clock)
    await side.open()
    try:
        target = await side.left()
        if target:
            await side.leave("")
        return target
    finally:
        await side.close()


def _side(site: Site, clock: Clock) -> Target:
    return Embedded(site, clock) if site.config.kind == "sqlite" else Cluster(site, clock)


class _Move:
    def __init__(self, source: Side, target: Target, progress: Progress) -> None:
        self._source, self._target, self._progress = source, target, progress
        self._notes: dict[str, str] = {}
        self._at = self._total = 0
        self._folders = self._messages = self._octets = self._queued = 0
        self._rows: dict[str, int] = {}
        self._wrong: list[str] = []

    async def counted(self) -> Moved:
        """What there is to be moved."""
        accounts = await self._source.accounts()
        for account in accounts:
            await self._count(await self._source.folders(account))
        _, self._queued = await self._source.sizes()
        for table in TABLES:
            self._rows[table.name], _ = await table_sum(self._source, table)
        return self._said(accounts, dry=True, went_on=False)

    async def run(self, name: str, target: str) -> Moved:
        notes = await self._target.progress()
        if notes is None:
            if not await self._target.vacant():
                raise Permanent("the new store is not empty: a site moves into one that has no accounts and no mail")
            await self._target.begin(name)
        elif notes.get("", name) != name:
            raise Permanent(f"the new store holds half of what is moved from {notes['']}, not from {name}")
        self._notes = notes or {}
        messages, queued = await self._source.sizes()
        self._total = 2 * (messages + queued)
        await self._target.raise_ids(*await self._source.highest())
        for table in TABLES:
            await self._table(table)
        accounts = await self._source.accounts()
        for account in accounts:
            await self._account(account)
        if await self._target.accounts() != accounts:
            self._found(["accounts with mail are not the same"])
        await self._queue()
        for table in TABLES:
            self._found(await of_table(self._source, self._target, table))
        if not self._wrong:
            await self._source.leave(
                target
            )  # first: whoever is killed between the two goes on, and no two stores are open
            await self._target.end()
        return self._said(accounts, dry=False, went_on=len(self._notes) > 1)

    def _said(self, accounts: Sequence[str], *, dry: bool, went_on: bool) -> Moved:
        return Moved(
            dry=dry, went_on=went_on, accounts=len(accounts), folders=self._folders, messages=self._messages,
            octets=self._octets, queued=self._queued, rows=self._rows, wrong=tuple(self._wrong[:_WRONG]),
        )  # fmt: skip

    def _found(self, wrong: Sequence[str]) -> None:
        self._wrong += wrong[:MOST]

    def _step(self, count: int) -> None:
        self._at += count
        self._progress(min(self._at, self._total), self._total)

    async def _table(self, table: Table) -> None:
        if f"table {table.name}" in self._notes:
            self._rows[table.name] = int(self._notes[f"table {table.name}"])
            return
        count, after = 0, None
        while True:
            rows: list[Row]
            rows, after = await self._source.page(table, after)
            if rows:
                await self._target.put(table, rows)
            count += len(rows)
            if after is None:
                break
        self._rows[table.name] = count
        await self._target.done(f"table {table.name}", str(count))

    async def _account(self, account: str) -> None:
        folders = await self._source.folders(account)
        state = hashlib.sha256(repr(folders).encode("utf-8", "surrogatepass")).hexdigest()
        noted = self._notes.get(f"account {account}")
        if noted is not None:
            if noted != state:
                raise Permanent(f"{account} has changed since it was moved: begin anew, with an empty store")
            self._step(2 * await self._count(folders))
            return
        _, uidvalidity = await self._source.highest()
        for folder in folders:
            await self._folder(folder)
        await self._target.finish(account, uidvalidity)
        wrong: list[str] = []
        async for count, found in of_account(self._source, self._target, account):
            wrong += found
            self._step(count)
        self._found(wrong)
        if not wrong:
            await self._target.done(f"account {account}", state)

    async def _count(self, folders: Sequence[FolderRow]) -> int:
        messages = 0
        for folder in folders:
            self._folders += 1
            last = 0
            while page := await self._source.messages(folder.id, last):
                messages += len(page)
                self._octets += sum(message.size for message in page)
                last = page[-1].uid
        self._messages += messages
        return messages

    async def _folder(self, folder: FolderRow) -> None:
        await self._target.put_folder(folder)
        self._folders += 1
        last = 0
        while page := await self._source.messages(folder.id, last):
            there = await self._target.there(folder.id, [message.uid for message in page])
            for batch in _batches([message for message in page if message.uid not in there]):
                try:
                    await self._target.put_messages(folder, batch, self._source)
                except MailError as error:
                    where = f"{folder.account}, {folder.name!r}, UID {batch[0].uid} to {batch[-1].uid}"
                    raise Temporary(f"{where}: {error}") from error
                self._progress(min(self._at, self._total), self._total)
            self._step(len(page))
            self._messages += len(page)
            self._octets += sum(message.size for message in page)
            last = page[-1].uid
        former = await self._source.former(folder.id)
        if former:
            await self._target.put_former(folder, former)

    async def _queue(self) -> None:
        last = 0
        while items := await self._source.items(last):
            for item in items:
                if not await self._target.has_item(item.id):
                    try:
                        await self._target.put_item(item, await self._source.content(item.content), self._source)
                    except MailError as error:
                        raise Temporary(f"queue: message {item.id}: {error}") from error
                await self._recipients(item.id)
                self._step(1)
            self._queued += len(items)
            last = items[-1].id
        async for count, found in of_queue(self._source, self._target):
            self._found(found)
            self._step(count)

    async def _recipients(self, item: int) -> None:
        last = -1
        while rows := await self._source.recipients(item, last):
            await self._target.put_recipients(rows)
            last = int(str(rows[-1][1]))
        address = ""
        while addresses := await self._source.reached(item, address):
            await self._target.put_reached(item, addresses)
            address = addresses[-1]


def _batches(messages: Sequence[Message]) -> Iterator[list[Message]]:
    batch: list[Message] = []
    octets = 0
    for message in messages:
        if batch and octets + message.size > _BATCH:
            yield batch
            batch, octets = [], 0
        batch.append(message)
        octets += message.size
    if batch:
        yield batch
