"""Taking in what other programs did to a Maildir, and making an index again from the files.

A file that is unknown is entered with the UID that dovecot-uidlist gives it, else with the next one. A row without a
file is expunged. A changed name is merged into the flags as a difference. A delivery of ours that is not settled yet is
left alone: its unit will enter it.
"""

import contextlib
import logging
import sqlite3
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import TypeVar

from msgspec import Struct

from mailhub.message.structure import render
from mailhub.message.window import Window
from mailhub.model.clock import Clock
from mailhub.model.mailbox import Folder

from .. import maildir
from ..api import Taken
from ..bodies import Lines, with_crlf
from ..files import Files
from ..lane import Lane
from ..side_files import (
    UidList,
    former_ids,
    read_courier_subscriptions,
    read_keywords,
    read_subscriptions,
    read_uidlist,
)
from .adopting import Adopt, Adopted, Again, Enter, MergeNames, TakeSubscriptions
from .filer import Filer
from .filing import FOLDER, Entry, folder_of, get_folder
from .homes import Homes
from .intents import find
from .mailbox_units import Expunge
from .writer import Writer

log = logging.getLogger("mailhub.store")

T = TypeVar("T")
_SMALL = 65_536  # octets of a file that is read whole
_CHUNK = 500  # files entered by one unit: two rows each
_SEEN = 10_000  # folders
_LOOKED = 5_000  # rows that are looked at for what came meanwhile
_LISTS = ("dovecot-uidlist", "courierimapuiddb")  # the first that is there
_SUBSCRIBED = (("subscriptions", read_subscriptions), ("courierimapsubscribed", read_courier_subscriptions))


class Found(Struct, frozen=True):
    """A file of a Maildir: base name, flags in its name (maildir.IN_NEW in new/), and its path."""

    base: str
    name_flags: int
    path: str


class Scan:
    """`db` belongs to the reading lane; files are listed and parsed in the filer's."""

    def __init__(self, writer: Writer, reader: Lane, db: sqlite3.Connection, filer: Filer, files: Files, homes: Homes,
                 clock: Clock) -> None:  # fmt: skip
        self._writer, self._reader, self._db = writer, reader, db
        self._filer, self._files, self._homes, self._clock = filer, files, homes, clock
        self._seen: dict[int, tuple[int, ...]] = {}

    async def account(self, account: str) -> None:
        home = self.home(account)
        names, subscribed = await self._filer.lane.call(self.on_disk, account)
        for name in names:
            directory = home + maildir.folder_dir(name)
            listed, words = await self._filer.lane.call(self._side_files, directory)
            mine = (name,) if subscribed is None else subscribed if name == "INBOX" else ()
            await self._writer.do(Adopt(account, name, listed, words, mine, int(self._clock.now())))
        for folder in await self._reader.call(self.folders, account):
            await self.folder(folder)

    async def subscriptions(self, account: str) -> None:
        found = await self._filer.lane.call(self._subscribed, self.home(account))
        known = await self._reader.call(self._known_subscriptions, account)
        if found is not None and set(found) != known:
            log.info("%s: subscriptions were changed by another program", account)
            await self._writer.do(TakeSubscriptions(account, found))

    def _known_subscriptions(self, account: str) -> set[str]:
        return {name for (name,) in self._db.execute("select name from subscription where account=?", (account,))}

    def home(self, account: str) -> str:
        return self._homes.path(account)

    def make_home(self, account: str) -> None:
        self._homes.make(account)

    def on_disk(self, account: str) -> tuple[list[str], tuple[str, ...] | None]:
        """The folders, INBOX first, and the names that are subscribed (None: nothing says)."""
        home = self.home(account)
        entries = [entry for entry in self._files.listing(home) if entry.startswith(".") and not entry.startswith("..")]
        names = {entry: maildir.folder_name(entry) for entry in entries if self._files.exists(f"{home}/{entry}/cur")}
        for entry in (entry for entry, name in names.items() if name is None):
            log.warning("%s/%r: not a folder name in modified UTF-7; it is left alone", home, entry)
        return ["INBOX", *sorted(name for name in names.values() if name)], self._subscribed(home)

    def _subscribed(self, home: str) -> tuple[str, ...] | None:
        for name, read in _SUBSCRIBED:
            text = self._first(home, (name,))
            if text is not None:
                return read(text)
        return None

    def _first(self, directory: str, names: Sequence[str]) -> bytes | None:
        for name in names:
            if self._files.exists(f"{directory}/{name}"):
                return self._files.read(f"{directory}/{name}")
        return None

    def folders(self, account: str) -> list[Folder]:
        rows = self._db.execute(f"select {FOLDER} from folder where account=?", (account,)).fetchall()
        return [folder_of(row) for row in rows]

    def directory(self, folder: Folder) -> str:
        return self.home(folder.account) + maildir.folder_dir(folder.name)

    def _side_files(self, directory: str) -> tuple[UidList | None, tuple[str, ...]]:
        listed = self._first(directory, _LISTS)
        return None if listed is None else read_uidlist(listed), self._words(directory)

    def _words(self, directory: str) -> tuple[str, ...]:
        words = self._first(directory, ("dovecot-keywords",))
        return () if words is None else read_keywords(words)

    def former_ids(self, folder: int) -> dict[int, str]:
        """From Dovecot's list, where they stay; nearly always there are none, and the list is not read line by line."""
        state = get_folder(self._db, folder)
        listed = self._first(self.directory(state), ("dovecot-uidlist",)) or b""
        found = read_uidlist(listed) if b" P" in listed else None
        return former_ids(found) if found is not None and found.uidvalidity == state.uidvalidity else {}

    async def folder(self, folder: Folder, busy: Collection[str] = ()) -> None:
        """Take in what changed in one folder. `busy`: names of files that are still being written."""
        directory = self.directory(folder)
        if not await self._filer.lane.call(self._files.exists, f"{directory}/cur"):
            if (
                folder.messages
            ):  # an operator's mistake, or a file system that is not mounted: nobody's wish to delete mail
                log.warning("%s is gone; the index keeps its %d messages", directory, folder.messages)
            return
        await self._filer.lane.call(self._see, folder)
        listed, _ = await self._filer.lane.call(self._side_files, directory)
        rows = await self._reader.call(self._known, folder.id)
        found = {entry.base: entry for entry in await self._filer.lane.call(self.files_of, directory)
                 if not busy or entry.path.rpartition("/")[2] not in busy}  # fmt: skip
        uids = listed.uids if listed and listed.uidvalidity == folder.uidvalidity else {}
        merged = tuple(
            (uid, found[base].name_flags) for base, (uid, last) in rows.items()
            if base in found and last != maildir.NO_FILE and found[base].name_flags != last
        )  # fmt: skip
        for names in _parts(merged):
            await self._writer.do(MergeNames(folder.id, tuple(names)))
        gone = [uid for base, (uid, last) in rows.items() if base not in found and last != maildir.NO_FILE]
        if gone:
            await self._expunge_missing(folder, gone, directory)
        last = 1 << 32
        unknown = sorted((entry for base, entry in found.items() if base not in rows),
                         key=lambda entry: (uids.get(entry.base, last), entry.base))  # fmt: skip
        # what comes meanwhile is read once, not anew by each unit: 10,000 files took 2.2 s of looking for their names in the index
        entered, floor = set[str](), 1 + max((uid for uid, _ in rows.values()), default=0)
        for part in _parts(unknown):
            came, floor = await self._reader.call(self._entered, folder.id, floor)
            entered.update(came)
            left = [entry for entry in part if entry.base not in entered]
            entries = await self._filer.lane.call(self._entries, left, uids)
            await self._writer.do(Enter(folder.id, tuple(entries), floor))
        await self._writer.do(Adopted(folder.id))
        if any(uids.get(base) != uid for base, (uid, last) in rows.items() if last != maildir.NO_FILE):
            self._filer.mark(folder.id)

    async def take(self, account: str, name: str, files: Sequence[str], floor: int) -> Taken:
        """Enter these files of cur/, which nobody else makes, in this order; `floor`: of the call before. In the time and memory of so
        many, however large the folder is."""
        folder = await self._adopted(account, name)
        came, floor = await self._reader.call(self._entered, folder.id, floor, _LOOKED)
        directory, there = self.directory(folder), set(came)
        left = [Found(*maildir.split_name(file), f"{directory}/cur/{file}") for file in files]
        if len(came) < _LOOKED:
            wanted = [entry for entry in left if entry.base not in there]
            entries = await self._filer.lane.call(self._entries, wanted, {})
            await self._writer.do(Enter(folder.id, tuple(entries), floor))
        return Taken(tuple(came), floor, len(came) < _LOOKED)

    async def _adopted(self, account: str, name: str) -> Folder:
        """The folder, with the keywords that its Maildir has now."""
        directory = self.home(account) + maildir.folder_dir(name)
        known = await self._reader.call(self._known_folder, account, name)
        if known is None and await self._filer.lane.call(self._first, directory, _LISTS) is not None:
            await self.account(account)  # another server's, with UIDs of its own
        else:
            words = await self._filer.lane.call(self._words, directory)
            await self._writer.do(Adopt(account, name, None, words, (name,), int(self._clock.now())))
            if known is None:
                found = await self._reader.call(self._known_folder, account, name)
                assert found is not None
                await self._writer.do(Adopted(found.id))
        folder = await self._reader.call(self._known_folder, account, name)
        assert folder is not None
        return folder

    def _known_folder(self, account: str, name: str) -> Folder | None:
        row = self._db.execute(f"select {FOLDER} from folder where account=? and name=?", (account, name)).fetchone()
        return None if row is None else folder_of(row)

    def _see(self, folder: Folder) -> None:
        """Remember when new/ and cur/ changed last; not where that was a moment ago, since more may come in the same moment."""
        times = self._times(folder)
        if len(self._seen) >= _SEEN:
            self._seen.clear()
        self._seen[folder.id] = times if self._clock.now() - max(times) / 1e9 > 1 else ()

    def _times(self, folder: Folder) -> tuple[int, ...]:
        directory = self.directory(folder)
        return self._files.times([f"{directory}/new", f"{directory}/cur"])

    def is_as_seen(self, folder: Folder) -> bool:
        """Whether no name in it has changed since it was scanned."""
        return self._seen.get(folder.id) == self._times(folder)

    async def _expunge_missing(self, folder: Folder, uids: Sequence[int], directory: str) -> None:
        """A second look first: a listing may miss a file that is renamed while it is read."""
        await self._filer.settle()
        if self._filer.behind(folder.account):
            return  # they may lie elsewhere yet
        again = {entry.base for entry in await self._filer.lane.call(self.files_of, directory)}
        if await self._reader.call(self._name, folder.id) != folder.name:
            return  # it was renamed meanwhile: nothing was seen of it
        rows = await self._reader.call(self._known, folder.id)
        sure = {uid for base, (uid, last) in rows.items() if base not in again and last != maildir.NO_FILE}
        for part in _parts([uid for uid in uids if uid in sure]):
            await self._writer.do(Expunge(folder.id, tuple(part)))

    def _name(self, folder: int) -> str | None:
        row = self._db.execute("select name from folder where id=?", (folder,)).fetchone()
        return None if row is None else str(row[0])

    def _known(self, folder: int) -> dict[str, tuple[int, int]]:
        rows = self._db.execute("select file, uid, name_flags from message where folder=?", (folder,)).fetchall()
        return {file: (uid, name_flags) for file, uid, name_flags in rows}

    def _entered(self, folder: int, floor: int, limit: int = -1) -> tuple[list[str], int]:
        """File names of the rows from that UID on, and the UID behind them."""
        text = "select file, uid from message where folder=? and uid>=? order by uid limit ?"
        rows = self._db.execute(text, (folder, floor, limit)).fetchall()
        return [file for file, _ in rows], max((uid + 1 for _, uid in rows), default=floor)

    def files_of(self, directory: str) -> list[Found]:
        """The message files of a folder; a name that is in new/ and cur/ comes twice."""
        new = [Found(name.partition(":")[0], maildir.IN_NEW, f"{directory}/new/{name}")
               for name in self._files.listing(f"{directory}/new") if not name.startswith(".")]  # fmt: skip
        cur = [Found(*maildir.split_name(name), f"{directory}/cur/{name}")
               for name in self._files.listing(f"{directory}/cur") if not name.startswith(".")]  # fmt: skip
        return new + cur

    def _entries(self, found: Sequence[Found], uids: Mapping[str, int]) -> list[Entry]:
        entries = []
        for entry in map(self._clean, found):
            try:
                date = self._files.modified(entry.path)
                _, size, envelope, structure = self.render(entry.path)
            except OSError:  # gone again: the next scan will see
                continue
            entries.append(Entry(max(0, entry.name_flags), date, size, entry.name_flags, entry.base, envelope,
                                 structure, uid=uids.get(entry.base, 0)))  # fmt: skip
        return entries

    def _clean(self, entry: Found) -> Found:
        """A file whose name can stand in the index and in a line of the uidlist: one of other octets is renamed."""
        base = maildir.clean(entry.base)
        if base == entry.base:
            return entry
        path = entry.path.replace(entry.base, base, 1)
        with contextlib.suppress(OSError):  # gone again: the next scan will see
            self._files.rename(entry.path, path)
        return Found(base, entry.name_flags, path)

    def render(self, path: str) -> tuple[int, int, bytes, bytes]:
        """Octets of a file, octets with each line end as CRLF, ENVELOPE and BODYSTRUCTURE. Of a large one a few blocks are read at a
        time."""
        with self._open(path) as (descriptor, octets):
            if octets <= _SMALL:
                text = with_crlf(self._files.pread(descriptor, 0, octets))
                return octets, len(text), *render(text)
            lines = Lines(self._files, descriptor, octets)
            return octets, lines.size, *render(Window(lines.size, lines.read))

    def size(self, path: str) -> int:
        """Octets with each line end as CRLF."""
        with self._open(path) as (descriptor, octets):
            return Lines(self._files, descriptor, octets).size

    @contextlib.contextmanager
    def _open(self, path: str) -> Iterator[tuple[int, int]]:
        """Descriptor and octets."""
        descriptor = self._files.open_read(path)
        try:
            yield descriptor, self._files.length(descriptor)
        finally:
            self._files.close(descriptor)

    async def rebuild(self, account: str, progress: Callable[[int, int], None]) -> None:
        """Every row from its file again; UIDs, flags, keywords and UIDVALIDITY stay."""
        await self.account(account)
        folders = await self._reader.call(self.folders, account)
        total, done = sum(folder.messages for folder in folders), 0
        for folder in folders:
            rows = await self._reader.call(self._known, folder.id)
            for part in _parts(sorted(rows.items())):
                again = await self._filer.lane.call(self._again, self.directory(folder), part)
                await self._writer.do(Again(folder.id, again))
                done += len(part)
                progress(done, total)

    def _again(
        self, directory: str, part: Sequence[tuple[str, tuple[int, int]]]
    ) -> list[tuple[int, int, int, bytes, bytes]]:
        rows = []
        for base, (uid, name_flags) in part:
            path = f"{directory}/{maildir.place(base, name_flags)}"
            if name_flags == maildir.NO_FILE:
                continue
            try:
                rows.append((uid, *self.render(path if self._files.exists(path) else find(self._files, path) or path)))
            except OSError:
                continue
        return rows


def _parts(things: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(things), _CHUNK):
        yield things[start : start + _CHUNK]
