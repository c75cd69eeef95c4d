"""api.MailboxStore on SQLite and Maildir."""

import asyncio
import json
import secrets
import sqlite3
from array import array
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Executor

from mailhub.config.schema import Store as StoreConfig
from mailhub.message.envelope import may_stand
from mailhub.model import ids
from mailhub.model.clock import Clock
from mailhub.model.errors import NotFound, Permanent, Temporary
from mailhub.model.mailbox import DELETED, SEPARATOR, Changed, Changes, FlagOp, Folder, Glimpse, MessageRow, View

from .. import maildir
from ..api import Content, Copied, Filing, Measure, MessageFile, NewContent, NewMessage
from ..bodies import Spool
from ..files import Files
from ..lane import DiskLane, Lane
from .filer import Filer
from .filing import FOLDER, folder_of, get_folder
from .glimpses import KeepGlimpses, glimpses
from .homes import Homes
from .intents import make_maildir
from .mailbox_units import (
    Append,
    Copy,
    Create,
    Delete,
    Expunge,
    RemoveAccount,
    Rename,
    SetFlags,
    Subscribe,
    TakeRecent,
)
from .opening import Opening
from .sharing import CopyAnnotations
from .tombstones import buried, forgotten
from .upkeep import Upkeep
from .url_keys import ForgetUrlKey, UrlKey, known_url_key
from .watcher import Watcher
from .writer import Told, Writer

_WORDS = 2_000  # ENVELOPEs looked through at one time: 2 ms
_CHUNK = 1000  # messages one unit may touch
_NAME_LIMIT = 240  # octets of a folder's directory name


class SqliteMailboxes(Upkeep):
    """Reads on the reading lane, units on the writer, deliveries' files on the staging lane. `in_step`: files beside the Maildirs were, when
    the store was closed last."""

    def __init__(
        self, writer: Writer, reader: Lane, db: sqlite3.Connection, spool: Spool, filer: Filer, files: Files,
        pool: Executor, clock: Clock, hostname: str, mail: str, new_id: Callable[[], int],
        load_body: Callable[[int], Awaitable[bytes]], config: StoreConfig, in_step: bool, homes: Homes,
    ) -> None:  # fmt: skip
        super().__init__(writer, reader, db, filer, files, homes, clock)
        self._homes = homes
        self._spool, self._files = spool, files
        self._host, self._mail = hostname.replace("/", "\\057").replace(":", "\\072"), mail
        self._new_id, self._in_step = new_id, in_step
        self._opening = Opening(db, spool, files, pool, mail, load_body)
        self._listeners: list[Callable[[Sequence[Changed]], None]] = []
        self._scanned: set[str] = set()
        self._scanning: dict[str, asyncio.Future[None]] = {}
        self._made: set[str] = set()  # Maildirs known to be there; bounded below
        self.trouble = ""  # of the last message that could not be written into its Maildir, until one can there
        self.staging = DiskLane("mailhub-staging")
        self.watcher = Watcher(files, clock, self._rescan, config.watch_limit, config.watch_interval)

    def subscribe(self, listener: Callable[[Sequence[Changed]], None]) -> None:
        self._listeners.append(listener)

    def told(self, told: Told) -> None:
        if told.changed:
            changed = tuple(told.changed.values())
            for listener in self._listeners:
                listener(changed)

    def _now(self) -> int:
        return int(self._clock.now())

    # --- folders -----------------------------------------------------------------------------------------------------

    async def folders(self, account: str) -> list[Folder]:
        if account not in self._scanned:
            await self._scan_first(account)
        found: list[Folder] = await self._reader.call(self._folders, account)
        return sorted(found, key=lambda folder: (folder.name != "INBOX", folder.name))

    async def _scan_first(self, account: str) -> None:
        """Whoever comes while it is under way waits for it: half a folder would give later UIDs to earlier mail."""
        under_way = self._scanning.get(account)
        if under_way is None:
            under_way = asyncio.ensure_future(self._make_and_scan(account))
            self._scanning[account] = under_way
            under_way.add_done_callback(lambda _: self._scanning.pop(account))
        await asyncio.shield(under_way)

    async def _make_and_scan(self, account: str) -> None:
        await self._filer.lane.call(self._homes.make, account)
        await self.rescan(account)
        if self._in_step:
            await self.take_subscriptions(account)
        self._scanned.add(account)

    def _folders(self, account: str) -> list[Folder]:
        return [folder_of(row) for row in self._db.execute(f"select {FOLDER} from folder where account=?", (account,))]

    async def folder(self, folder: int) -> Folder:
        return await self._reader.call(get_folder, self._db, folder)

    async def create(self, account: str, name: str, special_use: str = "") -> Folder:
        self._check_name(name)
        folder = await self._writer.do(Create(account, name, special_use, self._now()))
        await self._filer.settle()
        return folder

    def _check_name(self, name: str) -> None:
        if name.upper() == "INBOX" or "" in name.split(SEPARATOR) or any(ord(char) < 32 for char in name):
            raise Permanent(f"not a folder name: {name[:80]!r}")
        if len(maildir.encode_name(name)) > _NAME_LIMIT:
            raise Permanent(f"folder name longer than {_NAME_LIMIT} octets")

    async def delete(self, folder: int) -> None:
        while uids := (await self._uids(folder, _CHUNK)):
            await self._writer.do(Expunge(folder, tuple(uids)))
        await self._writer.do(Delete(folder))
        await self._filer.settle()

    async def _uids(self, folder: int, limit: int) -> list[int]:
        return await self._reader.call(self._first_uids, folder, limit)

    def _first_uids(self, folder: int, limit: int) -> list[int]:
        rows = self._db.execute("select uid from message where folder=? order by uid limit ?", (folder, limit))
        return [row[0] for row in rows.fetchall()]

    async def rename(self, folder: int, name: str) -> None:
        self._check_name(name)
        old = await self.folder(folder)
        if old.name != "INBOX":
            await self._writer.do(Rename(folder, name, self._now()))
            await self._filer.settle()
            return
        target = await self.create(old.account, name)
        await self._writer.do(CopyAnnotations(folder, target.id))
        while uids := (await self._uids(folder, _CHUNK)):
            await self.move(folder, uids, target.id)

    async def set_subscribed(self, account: str, name: str, subscribed: bool) -> None:
        await self._writer.do(Subscribe(account, name, subscribed))

    async def subscriptions(self, account: str) -> list[str]:
        return await self._reader.call(self._subscriptions, account)

    def _subscriptions(self, account: str) -> list[str]:
        rows = self._db.execute("select name from subscription where account=? order by name", (account,))
        return [row[0] for row in rows.fetchall()]

    async def deleted(self, folder: int) -> tuple[int, int]:
        return await self._reader.call(self._deleted, folder)

    def _deleted(self, folder: int) -> tuple[int, int]:
        row: tuple[int, int] = self._db.execute(
            f"select count(*), coalesce(sum(size), 0) from message where folder=? and flags & {DELETED}", (folder,)
        ).fetchone()
        return row

    # --- looking -----------------------------------------------------------------------------------------------------

    async def view(self, folder: int) -> View:
        view = await self._reader.call(self._view, folder)
        self.watcher.touch(folder, self._scan.directory(view.folder))
        return view

    async def _rescan(self, folder: int, busy: Collection[str]) -> None:
        state = await self.folder(folder)
        if not await self._filer.lane.call(self._scan.is_as_seen, state):
            await self._scan.folder(state, busy)

    def _view(self, folder: int) -> View:
        state, columns = self._columns(folder, {"uid": "I", "flags": "q", "modseq": "q"})
        return View(state, *columns)

    async def sizes(self, folder: int) -> "tuple[Folder, array[int], array[int]]":
        state, (uids, sizes) = await self._reader.call(self._columns, folder, {"uid": "I", "size": "q"})
        return state, uids, sizes

    async def measured(self, folder: int, what: Measure, low: int, high: int) -> "array[int]":
        return await self._reader.call(self._measured, folder, what, low, high)

    def _measured(self, folder: int, what: Measure, low: int, high: int) -> "array[int]":
        chosen = f"select uid from message where folder=? and {what} between ? and ? order by uid"
        (text,) = self._db.execute(f"select group_concat(uid) from ({chosen})", (folder, low, high)).fetchone()
        return array("I", map(int, text.split(","))) if text else array("I")

    async def mentioning(self, folder: int, word: str, after: int) -> "tuple[array[int], int]":
        return await self._reader.call(self._mentioning, folder, word, after)

    def _mentioning(self, folder: int, word: str, after: int) -> "tuple[array[int], int]":
        text = "select uid, envelope from rendered where folder=? and uid>? order by uid limit ?"
        rows = self._db.execute(text, (folder, after, _WORDS)).fetchall()
        return array("I", [uid for uid, found in rows if may_stand(word, found)]), rows[-1][0] if rows else 0

    def _columns(self, folder: int, kinds: Mapping[str, str]) -> "tuple[Folder, list[array[int]]]":
        """The folder, and columns of all its messages by ascending UID, at one moment: two statements, however many."""
        self._db.execute("begin")
        try:
            state = get_folder(self._db, folder)
            text = self._db.execute(
                f"select {', '.join(f'group_concat({name})' for name in kinds)} from"
                f" (select {', '.join(kinds)} from message where folder=? order by uid)",
                (folder,),
            ).fetchone()
        finally:
            self._db.execute("commit")
        return state, [
            array(kind, map(int, column.split(",")) if column else ())
            for kind, column in zip(kinds.values(), text, strict=True)
        ]

    async def take_recent(self, folder: int) -> int:
        return await self._writer.do(TakeRecent(folder))

    async def changes(self, folder: int, since: int) -> Changes:
        return await self._reader.call(self._changes, folder, since)

    def _changes(self, folder: int, since: int) -> Changes:
        self._db.execute("begin")
        try:
            state = get_folder(self._db, folder)
            rows = self._db.execute(
                "select json_group_array(json_array(uid, flags, modseq)) from message where folder=? and modseq>?",
                (folder, since),
            ).fetchone()[0]
            gone, before = buried(self._db, folder, since), forgotten(self._db, folder)
        finally:
            self._db.execute("commit")
        return Changes(state, tuple(sorted((u, f, m) for u, f, m in json.loads(rows))), gone, before)

    async def rows(self, folder: int, uids: Sequence[int], rendered: bool) -> list[MessageRow]:
        return await self._reader.call(self._rows, folder, tuple(uids), rendered)

    def _rows(self, folder: int, uids: Sequence[int], rendered: bool) -> list[MessageRow]:
        columns, join = ("envelope, structure", "join rendered using (folder, uid)") if rendered else ("x'', x''", "")
        # a run of UIDs is one range scan; anything else is looked up one by one
        value: tuple[object, ...] = (json.dumps(uids),)
        chosen = "uid in (select value from json_each(?))"
        if uids and uids[-1] - uids[0] == len(uids) - 1:
            chosen, value = "uid between ? and ?", (uids[0], uids[-1])
        found = self._db.execute(
            f"select uid, flags, modseq, date, size, {columns}, file, moved from message {join} where folder=? and {chosen}"
            " order by uid",
            (folder, *value),
        )
        return [MessageRow(*row) for row in found.fetchall()]

    async def glimpses(self, folder: int, uids: Sequence[int]) -> dict[int, Glimpse]:
        return await self._reader.call(glimpses, self._db, folder, tuple(uids))

    async def keep_glimpses(self, folder: int, found: Mapping[int, Glimpse]) -> None:
        await self._writer.do(KeepGlimpses(folder, found))

    async def open(self, folder: int, uid: int) -> MessageFile:
        opened: MessageFile | None = await self._reader.call(self._opening.open, folder, uid)
        if opened is None:
            # renames may be under way, or another program moved the file: look again, then believe it
            await self._filer.settle()
            opened = await self._reader.call(self._opening.open, folder, uid)
        if opened is None:
            if why := self._filer.behind((await self.folder(folder)).account):
                raise Temporary(f"message {uid} of folder {folder} may lie elsewhere yet: {why}")
            await self._writer.do(Expunge(folder, (uid,)))
            raise NotFound(f"message {uid} of folder {folder} is gone")
        return opened

    # --- changing ----------------------------------------------------------------------------------------------------

    async def append(
        self, folder: int, messages: Sequence[NewMessage], replaces: tuple[int, int] | None = None
    ) -> list[int]:
        contents = tuple(NewContent(self._new_id(), b"", message.body) for message in messages)
        files = tuple(self._name(content.id) for content in contents)
        return await self._writer.do(Append(folder, tuple(messages), contents, files, replaces, self.limits))

    async def url_key(self, folder: int) -> bytes:
        return await self._writer.do(UrlKey(folder, secrets.token_bytes(32)))

    async def known_url_key(self, account: str, name: str) -> tuple[Folder, bytes]:
        return await self._reader.call(known_url_key, self._db, account, name)

    async def forget_url_key(self, folder: int) -> None:
        await self._writer.do(ForgetUrlKey(folder))

    def _name(self, number: int) -> str:
        """Of a new file. The unit that enters it remembers the number, so that none comes twice whatever the clock does."""
        return f"{self._now()}.M{ids.text(number)}.{self._host}"

    async def set_flags(
        self, folder: int, uids: Sequence[int], op: FlagOp, flags: int, keywords: Sequence[str] = (),
        may: int = -1, unchanged_since: int | None = None,
    ) -> tuple[Folder, list[tuple[int, int, int]], list[int]]:  # fmt: skip
        state = await self.folder(folder)
        rows: list[tuple[int, int, int]] = []
        refused: list[int] = []
        for part in _chunks(uids):
            unit = SetFlags(folder, part, op, flags, tuple(keywords), may, unchanged_since)
            state, changed, kept = await self._writer.do(unit)
            rows += changed
            refused += kept
        return state, rows, refused

    async def copy(self, folder: int, uids: Sequence[int], target: int, keep: int = -1) -> Copied:
        return await self._copy(folder, uids, target, keep, keep_names=False)

    async def move(self, folder: int, uids: Sequence[int], target: int, keep: int = -1) -> Copied:
        return await self._copy(folder, uids, target, keep, keep_names=True)

    async def _copy(self, folder: int, uids: Sequence[int], target: int, keep: int, *, keep_names: bool) -> Copied:
        source: list[int] = []
        made: list[int] = []
        state = await self.folder(target)
        for part in _chunks(uids):
            numbers = () if keep_names else tuple(self._new_id() for _ in part)
            files, last = tuple(map(self._name, numbers)), max(numbers, default=0)
            done = await self._writer.do(Copy(folder, part, target, files, self._now(), keep, last, self.limits))
            state = done.target_folder
            source += done.source
            made += done.target
        await self._filer.settle()
        return Copied(state, tuple(source), tuple(made))

    async def expunge(self, folder: int, uids: Sequence[int]) -> list[int]:
        gone: list[int] = []
        for part in _chunks(uids):
            gone += await self._writer.do(Expunge(folder, part))
        return gone

    async def stage(self, filing: Filing, content: Content) -> None:
        name = f"Maildir of {filing.account}: "
        try:
            await self._staged(filing, content)
        except Temporary as error:
            self.trouble = f"{name}{error}"
            raise Temporary(self.trouble) from error
        if self.trouble.startswith(name):
            self.trouble = ""

    async def _staged(self, filing: Filing, content: Content) -> None:
        if filing.account not in self._scanned and not await self._reader.call(self._folders, filing.account):
            await self._scan_first(filing.account)  # a Maildir that came from elsewhere keeps its UIDs
        body = content.body.data
        spool = content.body.spool
        if body is None and spool is None:
            body = await content.read(len(content.prefix), content.body.size)
        await self.staging.call(self._stage, filing, content.prefix, body, spool, content.tail)

    def _stage(self, filing: Filing, prefix: bytes, body: bytes | None, spool: str | None, tail: bytes) -> None:
        home = self._homes.path(filing.account)
        directory = home + maildir.folder_dir(filing.folder)
        if directory not in self._made:
            if not self._files.exists(directory):
                directory = home
                self._homes.make(filing.account)
            make_maildir(self._files, directory)
            if len(self._made) < 100_000:
                self._made.add(directory)
        name = maildir.sized(filing.file, filing.size)
        partial = f"{directory}/tmp/{name}"
        self._spool.become(partial, filing.head + prefix, body, spool, tail)
        self._files.set_modified(partial, filing.date)  # the kernel's clock may be a second before or behind
        self._files.rename(partial, f"{directory}/new/{name}")

    async def remove_account(self, account: str) -> None:
        self._scanned.discard(account)
        await self._writer.do(RemoveAccount(account))


def _chunks(uids: Sequence[int]) -> Iterator[tuple[int, ...]]:
    for start in range(0, len(uids), _CHUNK):
        yield tuple(uids[start : start + _CHUNK])
