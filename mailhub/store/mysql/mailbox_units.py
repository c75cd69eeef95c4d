"""The units of messages: append, flags, copy, move, expunge. Each touches at most 1,000 of them."""

import hashlib
from collections import Counter
from collections.abc import Sequence

from msgspec import Struct

from mailhub.model.errors import NotFound
from mailhub.model.mailbox import KEYWORD_SHIFT, SEEN, UNLIMITED, FlagOp, Folder, Limits

from .. import maildir
from ..api import Copied, NewMessage
from .contents import let_go, refer, refer_again
from .engine import Tx
from .filing import Entry, enter, get_folder, keyword_bits
from .objects import key_of
from .quota import make_room

_SYSTEM = (1 << KEYWORD_SHIFT) - 1
_TOMBSTONES = 10_000  # of a folder
_CHANGED = Sequence[tuple[int, int, int]]


class TakeRecent(Struct, frozen=True):
    folder: int

    async def apply(self, tx: Tx) -> int:
        folder = await get_folder(tx, self.folder)
        if folder.recent_from != folder.uidnext:
            await tx.run("update folder set recent_from = uidnext where id = %s", self.folder)
        return folder.recent_from


class Append(Struct, frozen=True):
    folder: int
    messages: tuple[NewMessage, ...]
    numbers: tuple[int, ...]  # of their contents, and
    files: tuple[str, ...]  # names, one each
    replaces: tuple[int, int] | None = None  # folder and UID of the message that goes as they come
    limits: Limits = UNLIMITED  # of accounts that have none of their own

    async def apply(self, tx: Tx) -> list[int]:
        await lock(tx, self.folder, *(() if self.replaces is None else self.replaces[:1]))
        if self.replaces is not None and not await Expunge(self.replaces[0], self.replaces[1:]).apply(tx):
            raise NotFound("the message to be replaced is gone")
        folder = await get_folder(tx, self.folder)
        await make_room(tx, folder.account, self.limits, sum(m.body.size for m in self.messages), len(self.messages))
        keys = [key_of(message.body, number) for message, number in zip(self.messages, self.numbers, strict=True)]
        await refer(tx, [(key, message.body) for key, message in zip(keys, self.messages, strict=True)])
        entries = []
        for message, key, file in zip(self.messages, keys, self.files, strict=True):
            bits, folder = await keyword_bits(tx, folder, message.keywords)
            entries.append(
                Entry(message.flags | bits, message.date, message.body.size, maildir.sized(file, message.body.size),
                      message.envelope, message.structure, key)
            )  # fmt: skip
        return await enter(tx, folder, entries)


def _new_flags(op: FlagOp, may: int) -> tuple[str, tuple[int, ...]]:
    """The flags as they are to be, with what stands for the "%s" before those that are given."""
    if op is FlagOp.REPLACE:
        return "((flags & %s) | %s)", (~may & (1 << 63) - 1,)
    return ("(flags | %s)", ()) if op is FlagOp.ADD else ("(flags & ~%s)", ())


class SetFlags(Struct, frozen=True):
    folder: int
    uids: tuple[int, ...]
    op: FlagOp
    flags: int
    keywords: tuple[str, ...]
    may: int  # the flags that REPLACE takes away
    unchanged_since: int | None

    async def apply(self, tx: Tx) -> tuple[Folder, list[tuple[int, int, int]], list[int]]:
        folder = await get_folder(tx, self.folder)
        keywords = self.keywords
        if self.op is FlagOp.REMOVE:  # one that the folder does not know need not be learnt to be taken away
            known = {name.lower() for name in folder.keywords}
            keywords = tuple([name for name in keywords if name.lower() in known])
        bits, folder = await keyword_bits(tx, folder, keywords)
        asked, modseq = self.flags | bits, folder.modseq + 1
        among, values = _among(self.uids)
        rows = await tx.all(
            f"select uid, flags, modseq from message where folder = %s and {among} order by uid", folder.id, *values
        )
        since = self.unchanged_since
        refused = [] if since is None else [uid for uid, _, changed in rows if changed > since]
        left = set(refused)
        now = [(uid, flags, _flags(self.op, flags, asked, self.may), at) for uid, flags, at in rows if uid not in left]
        changed = [(uid, old, new) for uid, old, new, _ in now if new != old]
        if changed:
            expression, before = _new_flags(self.op, self.may)
            among, values = _among([uid for uid, _, _ in changed])
            await tx.run(
                f"update message set flags = cast({expression} as signed), modseq = %s where folder = %s and {among}",
                *before, asked, modseq, folder.id, *values,
            )  # fmt: skip
            seen = sum((old & SEEN) - (new & SEEN) for _, old, new in changed)
            await tx.run("update folder set modseq = %s, unseen = unseen + %s where id = %s", modseq, seen, folder.id)
            tx.told.change(folder.account, folder.id, modseq)
        shown = [(uid, new, modseq if new != old else at) for uid, old, new, at in now]
        return await get_folder(tx, folder.id), shown, sorted(refused)


def _flags(op: FlagOp, flags: int, asked: int, may: int) -> int:
    if op is FlagOp.REPLACE:
        return (flags & ~may) | asked
    return flags | asked if op is FlagOp.ADD else flags & ~asked


def _among(uids: Sequence[int]) -> tuple[str, tuple[object, ...]]:
    """A condition on `uid`. A run is one range."""
    if uids and uids[-1] - uids[0] == len(uids) - 1:
        return "uid between %s and %s", (uids[0], uids[-1])
    return "uid in %s", (list(uids),)


async def lock(tx: Tx, *folders: int) -> None:
    """Folders that a unit is going to change, in one order for all, so that no two wait for each other."""
    for number in sorted(set(folders)):
        await get_folder(tx, number)


class Copy(Struct, frozen=True):
    """COPY adds a reference to the body, MOVE takes the row along."""

    folder: int
    uids: tuple[int, ...]
    target: int
    files: tuple[str, ...]  # base names for the copies; empty: a move, which keeps names
    now: int
    keep: int = -1  # flags that they may have in the target
    limits: Limits = UNLIMITED  # of accounts that have none of their own

    async def apply(self, tx: Tx) -> Copied:
        await lock(tx, self.folder, self.target)
        source, target = await get_folder(tx, self.folder), await get_folder(tx, self.target)
        rows = await tx.all(
            "select uid, flags, date, size, file, body, envelope, structure, head, tail from message join rendered using (folder, uid)"
            " where folder = %s and uid in %s order by uid",
            source.id, self.uids,
        )  # fmt: skip
        if self.files or source.account != target.account:
            await make_room(tx, target.account, self.limits, sum(row[3] for row in rows), len(rows))
        if self.files:  # what moves takes its reference along
            await refer_again(tx, Counter(row[5] for row in rows))
        entries = []
        for n, (_, flags, date, size, file, body, envelope, structure, head, tail) in enumerate(rows):
            flags &= self.keep
            names = [name for k, name in enumerate(source.keywords) if flags >> (k + KEYWORD_SHIFT) & 1]
            bits, target = await keyword_bits(tx, target, names)
            name = maildir.copied(self.files[n], file) if self.files else file
            entries.append(
                Entry(flags & _SYSTEM | bits, date, size, name, envelope, structure, body, head, tail, moved=self.now)
            )
        uids = await enter(tx, target, entries) if entries else []
        if not self.files:
            await _forget(tx, source.id, [row[0] for row in rows], bodies=False)
        return Copied(await get_folder(tx, target.id), tuple(row[0] for row in rows), tuple(uids))


class Expunge(Struct, frozen=True):
    folder: int
    uids: tuple[int, ...]

    async def apply(self, tx: Tx) -> list[int]:
        await get_folder(tx, self.folder)
        rows = await tx.all(
            "select uid from message where folder = %s and uid in %s order by uid", self.folder, self.uids
        )
        uids = [uid for (uid,) in rows]
        await _forget(tx, self.folder, uids)
        return uids


async def _forget(tx: Tx, number: int, uids: Sequence[int], *, bodies: bool = True) -> None:
    """Take rows out of a folder that is locked, leave tombstones, and let their `bodies` go."""
    if not uids:
        return
    folder = await get_folder(tx, number)
    rows = await tx.all("select flags, size, body from message where folder = %s and uid in %s", number, uids)
    modseq = folder.modseq + 1
    for table in ("message", "rendered", "glimpse", "former"):
        await tx.run(f"delete from {table} where folder = %s and uid in %s", number, uids)
    await tx.insert("insert into expunged (folder, modseq, uid)", [(number, modseq, uid) for uid in uids])
    await tx.run(
        "update folder set modseq = %s, messages = messages - %s, unseen = unseen - %s, size = size - %s, graves = graves + %s"
        " where id = %s",
        modseq, len(rows), sum(not flags & SEEN for flags, _, _ in rows), sum(size for _, size, _ in rows), len(uids), number,
    )  # fmt: skip
    await _make_graves(tx, number)
    if bodies:
        await let_go(tx, [body for _, _, body in rows])
    tx.told.change(folder.account, number, modseq)


async def _make_graves(tx: Tx, number: int) -> None:
    """Where there are too many tombstones, the oldest tenth goes; what went together is dropped together."""
    found = await tx.one("select graves from folder where id = %s", number)
    if found is None or found[0] <= _TOMBSTONES:
        return
    edge = await tx.one(
        "select modseq from expunged where folder = %s order by modseq desc limit 1 offset %s",
        number,
        _TOMBSTONES * 9 // 10,
    )
    if edge is not None:
        gone = await tx.run("delete from expunged where folder = %s and modseq <= %s", number, edge[0])
        await tx.run("update folder set graves = graves - %s, forgotten = %s where id = %s", gone, edge[0], number)


def entry_key(entry: str) -> bytes:
    """What an annotation's name is found by: case does not matter (RFC 5464 section 3.2)."""
    return hashlib.blake2b(entry.lower().encode("utf-8", "surrogatepass"), digest_size=16).digest()
