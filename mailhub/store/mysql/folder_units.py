"""The units of folders: made, renamed, deleted, subscribed to."""

from msgspec import Struct

from mailhub.model.errors import Exists, Permanent
from mailhub.model.mailbox import SEEN, SEPARATOR, Folder

from .contents import let_go
from .engine import Tx
from .filing import find_folder, get_folder, listing, make_folder, subscribe

_PART = 500  # rows that one unit takes away


class Inbox(Struct, frozen=True):
    """INBOX, made if missing."""

    account: str
    now: int

    async def apply(self, tx: Tx) -> None:
        if await find_folder(tx, self.account, "INBOX") is None:
            await make_folder(tx, self.account, "INBOX", self.now)
            await subscribe(tx, self.account, ("INBOX",))


async def make_parents(tx: Tx, account: str, name: str, now: int) -> None:
    """The folders above one that is to be."""
    levels = name.split(SEPARATOR)
    missing = []
    for n in range(1, len(levels)):
        parent = SEPARATOR.join(levels[:n])
        if await find_folder(tx, account, parent, change=False) is None:
            await make_folder(tx, account, parent, now)
            missing.append(parent)
    await subscribe(tx, account, missing)


class Create(Struct, frozen=True):
    account: str
    name: str
    special_use: str
    now: int

    async def apply(self, tx: Tx) -> Folder:
        await listing(tx, self.account)
        if await find_folder(tx, self.account, self.name, change=False):
            raise Exists(f"folder {self.name!r} exists")
        await make_parents(tx, self.account, self.name, self.now)
        folder = await make_folder(tx, self.account, self.name, self.now, self.special_use)
        await subscribe(tx, self.account, (self.name,))
        return await get_folder(tx, folder.id)


class Delete(Struct, frozen=True):
    """Delete a folder that holds no messages any more. False: some came meanwhile."""

    folder: int

    async def apply(self, tx: Tx) -> bool:
        folder = await get_folder(tx, self.folder)
        if folder.name == "INBOX":
            raise Permanent("INBOX stays")
        if await tx.one("select 1 from message where folder = %s limit 1", folder.id):
            return False
        await listing(tx, folder.account)
        await _erase(tx, folder.id)
        tx.told.change(folder.account, folder.id, folder.modseq + 1)
        return True


async def _erase(tx: Tx, number: int) -> None:
    """A later folder of that name inherits nothing (RFC 4314 section 4, RFC 5464 section 4.1)."""
    for table in ("expunged", "url_key", "acl", "annotation"):
        await tx.run(f"delete from {table} where folder = %s", number)
    await tx.run("delete from folder where id = %s", number)


class Rename(Struct, frozen=True):
    """A folder other than INBOX, with all below it."""

    folder: int
    name: str
    now: int

    async def apply(self, tx: Tx) -> None:
        folder = await get_folder(tx, self.folder)
        await listing(tx, folder.account)
        below = folder.name + SEPARATOR
        rows = await tx.all("select id, name from folder where account = %s order by id for update", folder.account)
        moved = {
            n: self.name + name[len(folder.name) :] for n, name in rows if n == folder.id or name.startswith(below)
        }
        taken = {name for n, name in rows if n not in moved}
        clash = taken.intersection(moved.values())
        if clash or self.name.startswith(below):
            raise Exists(f"folder {min(clash, default=self.name)!r} exists")
        await make_parents(tx, folder.account, self.name, self.now)
        for number, name in sorted(moved.items()):
            await tx.run("update folder set name = %s where id = %s", name, number)


class Subscribe(Struct, frozen=True):
    account: str
    name: str
    subscribed: bool

    async def apply(self, tx: Tx) -> None:
        await listing(tx, self.account)
        if self.subscribed:
            await subscribe(tx, self.account, (self.name,))
        else:
            await tx.run("delete from subscription where account = %s and name = %s", self.account, self.name)


class Empty(Struct, frozen=True):
    """Take away some messages of an account that is gone, without a trace; False: there are none left."""

    account: str

    async def apply(self, tx: Tx) -> bool:
        row = await tx.one(
            "select folder.id from folder where account = %s and exists (select 1 from message where folder = folder.id) limit 1",
            self.account,
        )
        if row is None:
            return False
        folder = await get_folder(tx, row[0])
        rows = await tx.all(
            "select uid, flags, size, body from message where folder = %s order by uid limit %s", folder.id, _PART
        )
        uids = [uid for uid, *_ in rows]
        for table in ("message", "rendered", "glimpse", "former"):
            await tx.run(f"delete from {table} where folder = %s and uid in %s", folder.id, uids)
        await let_go(tx, [body for *_, body in rows])
        await tx.run(
            "update folder set modseq = modseq + 1, messages = messages - %s, unseen = unseen - %s, size = size - %s where id = %s",
            len(rows), sum(not flags & SEEN for _, flags, _, _ in rows), sum(size for *_, size, _ in rows), folder.id,
        )  # fmt: skip
        return True


class RemoveAccount(Struct, frozen=True):
    """What is left of an account without messages. False, and nothing done: some came meanwhile."""

    account: str

    async def apply(self, tx: Tx) -> bool:
        await listing(tx, self.account)
        folders = await tx.all("select id from folder where account = %s order by id for update", self.account)
        if await tx.one("select 1 from message where folder in %s limit 1", [number for (number,) in folders]):
            return False
        for (number,) in folders:
            await _erase(tx, number)
        if not self.account.startswith("-"):  # that entry is another's
            await tx.run("delete from acl where identifier in %s", [self.account, f"-{self.account}"])
        await tx.run("delete from annotation where holder = %s", self.account)
        await tx.run("delete from subscription where account = %s", self.account)
        return True
