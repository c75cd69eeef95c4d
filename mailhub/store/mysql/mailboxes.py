"""api.MailboxStore on a cluster: index rows and small bodies in the database, large bodies in the object store. There are no files, and
nothing lags behind: what a unit has committed is all there is."""

import secrets
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

from msgspec import Struct

from mailhub.model import ids
from mailhub.model.clock import Clock
from mailhub.model.errors import NotFound, Permanent, Temporary
from mailhub.model.mailbox import (
    SEPARATOR,
    UNLIMITED,
    Changed,
    Changes,
    FlagOp,
    Folder,
    Glimpse,
    MessageRow,
    Quota,
    View,
)

from .. import maildir
from ..api import Body, Content, Copied, Disagreement, Filing, Measure, MessageFile, NewMessage, Taken
from ..bodies import OpenContent, ReadFile, StoredContent
from . import looking
from .checkup import Checkup
from .engine import KEPT, Engine, Tx
from .filing import find_folder, get_folder
from .folder_units import Create, Delete, Empty, Inbox, RemoveAccount, Rename, Subscribe
from .mailbox_units import Append, Copy, Expunge, SetFlags, TakeRecent
from .objects import Objects
from .polling import Poll
from .quota import SetLimits, own_limits, quota_of
from .sharing import copy_annotations

_CHUNK = 1_000  # messages one unit may touch
_NAME_LIMIT = 240  # octets of a folder's name, as in store.sqlite
_FILES = "a cluster keeps no Maildirs; mail moves in by `mailhub store migrate`"


class _KeepGlimpses(Struct, frozen=True):
    folder: int
    found: Mapping[int, Glimpse]

    async def apply(self, tx: Tx) -> None:
        there = await tx.all("select uid from message where folder = %s and uid in %s", self.folder, list(self.found))
        rows = [(self.folder, uid, self.found[uid].thread, self.found[uid].preview) for (uid,) in there]
        await tx.insert("replace into glimpse (folder, uid, thread, preview)", rows)


class MysqlMailboxes:
    """`new_id` gives numbers that no file name has had on any node."""

    def __init__(
        self, engine: Engine, objects: Objects, clock: Clock, hostname: str, new_id: Callable[[], int], poll: Poll
    ) -> None:
        self._engine, self._objects, self._clock, self._new_id, self._poll = engine, objects, clock, new_id, poll
        self._host = hostname.replace("/", "\\057").replace(":", "\\072")
        self._listeners: list[Callable[[Sequence[Changed]], None]] = []
        self._checkup = Checkup(engine)
        self.limits = UNLIMITED
        self.limited = False

    def subscribe(self, listener: Callable[[Sequence[Changed]], None]) -> None:
        self._listeners.append(listener)

    def tell(self, changed: Sequence[Changed]) -> None:
        for listener in self._listeners:
            listener(changed)

    def _now(self) -> int:
        return int(self._clock.now())

    # --- folders -----------------------------------------------------------------------------------------------------

    async def folders(self, account: str) -> list[Folder]:
        found = await self._engine.at_one_moment(partial(looking.folders, account=account))
        if not found or found[0].name != "INBOX":
            await self._engine.do(Inbox(account, self._now()), again=True)
            found = await self._engine.at_one_moment(partial(looking.folders, account=account))
        self._poll.account(account)
        return found

    async def folder(self, folder: int) -> Folder:
        return await self._engine.look(partial(get_folder, number=folder, change=False))

    async def create(self, account: str, name: str, special_use: str = "") -> Folder:
        self._check_name(name)
        return await self._engine.do(Create(account, name, special_use, self._now()))

    def _check_name(self, name: str) -> None:
        if name.upper() == "INBOX" or "" in name.split(SEPARATOR) or any(ord(char) < 32 for char in name):
            raise Permanent(f"not a folder name: {name[:80]!r}")
        if len(maildir.encode_name(name)) > _NAME_LIMIT:
            raise Permanent(f"folder name longer than {_NAME_LIMIT} octets")

    async def delete(self, folder: int) -> None:
        while True:
            while uids := await self._uids(folder):
                await self._engine.do(Expunge(folder, tuple(uids)))
            if await self._engine.do(Delete(folder)):
                return

    async def _uids(self, folder: int) -> list[int]:
        rows = await self._engine.all("select uid from message where folder = %s order by uid limit %s", folder, _CHUNK)
        return [uid for (uid,) in rows]

    async def rename(self, folder: int, name: str) -> None:
        self._check_name(name)
        old = await self.folder(folder)
        if old.name != "INBOX":
            await self._engine.do(Rename(folder, name, self._now()))
            return
        target = await self.create(old.account, name)
        await self._engine.transact(partial(copy_annotations, source=folder, target=target.id))
        while uids := await self._uids(folder):
            await self.move(folder, uids, target.id)

    async def set_subscribed(self, account: str, name: str, subscribed: bool) -> None:
        await self._engine.do(Subscribe(account, name, subscribed), again=True)

    async def subscriptions(self, account: str) -> list[str]:
        rows = await self._engine.all("select name from subscription where account = %s order by name", account)
        return [name for (name,) in rows]

    async def deleted(self, folder: int) -> tuple[int, int]:
        return await self._engine.look(partial(looking.deleted, folder=folder))

    # --- looking -----------------------------------------------------------------------------------------------------

    async def view(self, folder: int) -> View:
        found = await self._engine.at_one_moment(partial(looking.view, folder=folder))
        self._poll.folder(found.folder)
        return found

    async def sizes(self, folder: int) -> "tuple[Folder, array[int], array[int]]":
        kinds = (("uid", "I"), ("size", "q"))
        state, (uids, sizes) = await self._engine.at_one_moment(partial(looking.columns, folder=folder, kinds=kinds))
        return state, uids, sizes

    async def measured(self, folder: int, what: Measure, low: int, high: int) -> "array[int]":
        return await self._engine.look(partial(looking.measured, folder=folder, what=what, low=low, high=high))

    async def mentioning(self, folder: int, word: str, after: int) -> "tuple[array[int], int]":
        return await self._engine.look(partial(looking.mentioning, folder=folder, word=word, after=after))

    async def former_ids(self, folder: int) -> dict[int, str]:
        return await self._engine.at_one_moment(partial(looking.former_ids, folder=folder))

    async def take_recent(self, folder: int) -> int:
        return await self._engine.do(TakeRecent(folder))

    async def changes(self, folder: int, since: int) -> Changes:
        return await self._engine.at_one_moment(partial(looking.changes, folder=folder, since=since))

    async def rows(self, folder: int, uids: Sequence[int], rendered: bool) -> list[MessageRow]:
        return await self._engine.look(partial(looking.rows, folder=folder, uids=tuple(uids), rendered=rendered))

    async def glimpses(self, folder: int, uids: Sequence[int]) -> dict[int, Glimpse]:
        return await self._engine.look(partial(looking.glimpses, folder=folder, uids=tuple(uids)))

    async def keep_glimpses(self, folder: int, found: Mapping[int, Glimpse]) -> None:
        await self._engine.do(_KeepGlimpses(folder, found), again=True)

    async def open(self, folder: int, uid: int) -> MessageFile:
        row = await self._engine.one(
            "select file, message.size, head, tail, body.id, body.size, object, data from message"
            " join rendered using (folder, uid) left join body on body.id = message.body left join octets on octets.id = message.body"
            " where folder = %s and uid = %s",
            folder, uid,
        )  # fmt: skip
        if row is None:
            raise NotFound(f"no message {uid} in folder {folder}")
        file, size, head, tail, key, octets, name, data = row
        if key is None or (name is None and data is None):
            raise Temporary(f"the body of message {uid} in folder {folder} is missing")
        if name is None:
            return ReadFile(file, head + data + tail, size)
        body = Body(octets, spool=name)
        await self._objects.here(name)  # who has been told its size can not be told any more that it is away
        return OpenContent(file, head, StoredContent(0, b"", body, self._objects, _never, tail))

    # --- changing ----------------------------------------------------------------------------------------------------

    async def append(
        self, folder: int, messages: Sequence[NewMessage], replaces: tuple[int, int] | None = None
    ) -> list[int]:
        numbers = tuple(self._new_id() for _ in messages)
        files = tuple(map(self._name, numbers))
        return await self._engine.do(Append(folder, tuple(messages), numbers, files, replaces, self.limits))

    def _name(self, number: int) -> str:
        """As that of a new file would be: what POP3 and object ids are made of."""
        return f"{self._now()}.M{ids.text(number)}.{self._host}"

    async def url_key(self, folder: int) -> bytes:
        return await self._engine.transact(partial(_url_key, folder=folder, key=secrets.token_bytes(32)), again=True)

    async def known_url_key(self, account: str, name: str) -> tuple[Folder, bytes]:
        return await self._engine.look(partial(_known_url_key, account=account, name=name))

    async def forget_url_key(self, folder: int) -> None:
        await self._engine.all("delete from url_key where folder = %s", folder)

    async def set_flags(
        self, folder: int, uids: Sequence[int], op: FlagOp, flags: int, keywords: Sequence[str] = (),
        may: int = -1, unchanged_since: int | None = None,
    ) -> tuple[Folder, list[tuple[int, int, int]], list[int]]:  # fmt: skip
        state: Folder | None = None
        rows: list[tuple[int, int, int]] = []
        refused: list[int] = []
        for part in _chunks(uids):
            unit = SetFlags(folder, part, op, flags, tuple(keywords), may, unchanged_since)
            state, changed, kept = await self._engine.do(unit)
            rows += changed
            refused += kept
        return state or await self.folder(folder), rows, refused

    async def copy(self, folder: int, uids: Sequence[int], target: int, keep: int = -1) -> Copied:
        return await self._copy(folder, uids, target, keep, keep_names=False)

    async def move(self, folder: int, uids: Sequence[int], target: int, keep: int = -1) -> Copied:
        return await self._copy(folder, uids, target, keep, keep_names=True)

    async def _copy(self, folder: int, uids: Sequence[int], target: int, keep: int, *, keep_names: bool) -> Copied:
        source: list[int] = []
        made: list[int] = []
        state = await self.folder(target)
        for part in _chunks(uids):
            files = () if keep_names else tuple(self._name(self._new_id()) for _ in part)
            done = await self._engine.do(Copy(folder, part, target, files, self._now(), keep, self.limits))
            state = done.target_folder
            source += done.source
            made += done.target
        return Copied(state, tuple(source), tuple(made))

    async def expunge(self, folder: int, uids: Sequence[int]) -> list[int]:
        gone: list[int] = []
        for part in _chunks(uids):
            gone += await self._engine.do(Expunge(folder, part))
        return gone

    async def stage(self, filing: Filing, content: Content) -> None:
        """The settling unit takes all that the message is made of."""

    async def remove_account(self, account: str) -> None:
        gone = False
        while not gone:
            while await self._engine.do(Empty(account), again=True):
                pass
            gone = await self._engine.do(RemoveAccount(account), again=True)

    # --- upkeep ------------------------------------------------------------------------------------------------------

    async def rescan(self, account: str) -> None:
        """No other program changes anything here."""

    async def rebuild(self, account: str, progress: Callable[[int, int], None]) -> None:
        await self.recount(account)
        progress(1, 1)

    async def take(self, account: str, folder: str, files: Sequence[str], floor: int) -> Taken:
        raise Permanent(_FILES)

    async def check(self, account: str) -> list[Disagreement]:
        return await self._checkup.check(account)

    async def repair(self, account: str) -> list[Disagreement]:
        await self.recount(account)
        return await self._checkup.check(account)

    async def sync(self) -> None:
        """Nothing lags behind."""

    async def quota(self, account: str) -> Quota:
        return await self._engine.look(partial(quota_of, account=account, default=self.limits))

    async def own_limits(self, name: str) -> tuple[int | None, int | None]:
        return await self._engine.look(partial(own_limits, name=name))

    async def set_limits(self, name: str, storage: int | None, messages: int | None) -> None:
        await self._engine.do(SetLimits(name, storage, messages), again=True)
        await self.refresh_limits()

    async def refresh_limits(self) -> None:
        """Whether any account or domain has limits of its own, as all nodes have it."""
        self.limited = await self._engine.one("select 1 from quota limit 1") is not None

    async def folders_named(self, name: str, after: int) -> list[int]:
        return await self._engine.look(partial(looking.folders_named, name=name, after=after))

    async def expire(self, folder: int, before: int, keep: int) -> int:
        gone = 0
        question = partial(looking.expired, folder=folder, before=before, keep=keep, limit=_CHUNK)
        while uids := await self._engine.look(question):
            gone += len(await self._engine.do(Expunge(folder, tuple(uids))))
        return gone

    async def recount(self, account: str) -> None:
        for folder in await self._engine.look(partial(looking.folders, account=account)):
            await self._engine.transact(partial(self._checkup.recount, folder=folder.id), again=True)


async def _never(content: int) -> bytes:
    raise Temporary(f"content {content} has no octets of its own")


async def _url_key(tx: Tx, folder: int, key: bytes) -> bytes:
    await get_folder(tx, folder)
    await tx.run(f"insert into url_key (folder, secret) values (%s, %s) {KEPT.format('folder')}", folder, key)
    found = await tx.one("select secret from url_key where folder = %s", folder)
    assert found is not None
    return bytes(found[0])


async def _known_url_key(tx: Tx, account: str, name: str) -> tuple[Folder, bytes]:
    folder = await find_folder(tx, account, name, change=False)
    found = None if folder is None else await tx.one("select secret from url_key where folder = %s", folder.id)
    if folder is None or found is None:
        raise NotFound(f"no key of folder {name[:80]!r}")
    return folder, bytes(found[0])


def _chunks(uids: Sequence[int]) -> Iterator[tuple[int, ...]]:
    for start in range(0, len(uids), _CHUNK):
        yield tuple(uids[start : start + _CHUNK])
