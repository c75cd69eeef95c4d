"""An account, a folder or a message out of a backup, put into the Maildirs of a server that may be running.

A folder that is not there comes back whole: built aside with its uidlist, keywords and dates, then renamed to its place, where the server
takes it as one that another server left: with its UIDs. Into a folder that is there come the messages that it has no file of, by base
name: `take` names them, and the server gives them new UIDs. A repeated command finds what came, and goes on.
"""

import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from msgspec import Struct, field

from mailhub.model.address import key
from mailhub.model.mailbox import KEYWORD_SHIFT, SEPARATOR
from mailhub.model.mailbox import Folder as State

from .. import maildir, side_files
from ..sqlite.filing import FOLDER, folder_of
from ..sqlite.homes import Homes
from ..sqlite.incoming import letter_of
from ..sqlite.intents import make_maildir
from .besides import Besides
from .layout import DATABASE, MANIFEST, Folder, Trouble
from .manifest import Entry, entries, is_folder
from .objects import digest_of
from .whole import GAP, TOLD, Restored, fetch

BATCH = 500  # files that enter the index at a time
_SYSTEM = (1 << KEYWORD_SHIFT) - 1
_EVERY = 100


class Place(Struct):
    """Where a folder's messages go. `whole`: it is built aside in `directory`, and has its UIDs; else they come to the others there."""

    name: str
    directory: str
    whole: bool
    words: list[str]
    there: set[str]
    uids: list[tuple[int, str, int]] = field(default_factory=list)
    came: list[tuple[int, str]] = field(
        default_factory=list
    )  # UIDs they had, and names in cur/, of those that are to be taken


class Piece:
    """Of `account`; `folder`: of that one alone; `message`: of a UID in it, or of a Message-ID; `into`: the folder that they come to."""

    def __init__(self, backups: Folder, name: str, data: Path, location: str, owner: tuple[int, int] | None) -> None:
        self._backups, self._name, self._data, self._owner = backups, name, data.resolve(), owner
        self._files = backups.files
        self._homes = Homes(self._files, f"{self._data}/mail", location)
        self._together = self._files.sync_all(str(self._data))  # else each file is synced as it is written
        self._states: dict[str, State | None] = {}
        self.done = Restored()

    def open(self, account: str) -> None:
        """Trouble where the backup has no such account, or is damaged."""
        self._account = key(account)
        self._head = self._backups.head(self._name)
        path = str(self._backups.path / self._name / DATABASE)
        if digest_of(path)[0] != self._head.databases[DATABASE]:
            raise Trouble(f"{path}: its digest is another")
        self._db = sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)
        if self._db.execute("select 1 from folder where account=?", (self._account,)).fetchone() is None:
            raise Trouble(f"{self._backups.path / self._name}: it has no mail of {account}", "not_found")

    @property
    def besides(self) -> Besides:
        """What it knows besides mail."""
        return Besides(self._db, self._account)

    def close(self) -> None:
        self._db.close()

    def password(self) -> tuple[str, bool] | None:
        """What the account signed in with, as it was stored, and whether it could; None where it was kept elsewhere."""
        row = self._db.execute("select password, enabled from account where name=?", (self._account,)).fetchone()
        return None if row is None else (row[0], bool(row[1]))

    def limits(self) -> tuple[int | None, int | None]:
        """Quota of its own: octets and messages; None where it is the next one's."""
        row = self._db.execute("select storage, messages from quota where name=?", (self._account,)).fetchone()
        return (None, None) if row is None else (row[0], row[1])

    def scripts(self) -> list[tuple[str, bytes, bool]]:
        """Sieve scripts: name, text, whether it was the active one."""
        rows = self._db.execute(
            "select name, text, active from sieve_script where account=?", (self._account,)
        ).fetchall()
        return [(name, text, bool(active)) for name, text, active in rows]

    def bring(self, folder: str, message: str, into: str, progress: Callable[[int, int], object]) -> list[Place]:
        """Put the files where they belong; the places, of which those that are `whole` are there already. Trouble, OSError."""
        for name in (folder, into):
            if name and not is_folder(name):
                raise Trouble(f"{name!r} is no folder's name")
        self._homes.make(self._account)
        home = self._homes.path(self._account)
        self._own(*(str(parent) for parent in list(Path(home).parents)[:3]), home, *self._parts(home))
        places: dict[str, Place] = {}
        for seen, entry in enumerate(self._entries(folder, message), 1):
            target = into if folder or message else f"{into}{SEPARATOR}{entry.folder}"
            target = target if into else entry.folder
            if target not in places:
                places[target] = self._place(target, plain=bool(into or message))
            self._put(places[target], entry)
            if seen % _EVERY == 0:
                progress(seen, max(seen, self._head.messages))
        if not folder and not into:
            self._empty_ones(places)
        for place in places.values():
            self._finish(place)
        progress(1, 1)
        return list(places.values())

    # --- what is asked for ---------------------------------------------------------------------------------------------

    def _entries(self, folder: str, message: str) -> Iterator[Entry]:
        """The account's messages, or those that are meant. Trouble where there are none of those."""
        uid = int(message) if message.isascii() and message.isdigit() and len(message) <= 10 else 0
        wanted = None if not message or uid else self._of_id(message)
        found = False
        for entry in entries(str(self._backups.path / self._name / MANIFEST), self._head.manifest):
            if entry.kind != "mail" or entry.account != self._account or (folder and entry.folder != folder):
                continue
            if (uid and entry.uid != uid) or (wanted is not None and (entry.folder, entry.uid) not in wanted):
                continue
            found = True
            yield entry
        if not found and message:
            raise Trouble(f"{self._backups.path / self._name}: it has no such message", "not_found")
        if not found and folder and self._state(folder) is None:
            raise Trouble(f"{self._backups.path / self._name}: {self._account} has no folder {folder}", "not_found")

    def _of_id(self, message: str) -> set[tuple[str, int]]:
        """Folders and UIDs of a Message-ID, which ends an ENVELOPE (before it stands what it replies to)."""
        end = f'"{message if message.startswith("<") else f"<{message}>"}")'.encode()
        rows = self._db.execute(
            "select f.name, r.uid from rendered r join folder f on f.id=r.folder where f.account=? and substr(r.envelope, -?) = ?",
            (self._account, len(end), end),
        ).fetchmany(10_000)
        return set(rows)

    def _state(self, folder: str) -> State | None:
        """A folder in the backup."""
        if folder not in self._states:
            row = self._db.execute(
                f"select {FOLDER} from folder where account=? and name=?", (self._account, folder)
            ).fetchone()
            self._states[folder] = None if row is None else folder_of(row)
        return self._states[folder]

    # --- where it goes ---------------------------------------------------------------------------------------------------

    def _parts(self, directory: str) -> list[str]:
        return [f"{directory}/{part}" for part in ("tmp", "new", "cur")]

    def _own(self, *paths: str) -> None:
        if self._owner is not None:
            for path in paths:
                with suppress(FileNotFoundError):
                    os.chown(path, *self._owner)

    def _directory(self, folder: str) -> str:
        return self._homes.path(self._account) + maildir.folder_dir(folder)

    def _place(self, name: str, *, plain: bool) -> Place:
        """`plain`: never with the UIDs of the backup."""
        directory = self._directory(name)
        there = {
            file.partition(":")[0] for part in ("new", "cur") for file in self._files.listing(f"{directory}/{part}")
        }
        new = not there and not self._files.exists(f"{directory}/dovecot-uidlist")
        whole = (
            new
            and not plain
            and self._state(name) is not None
            and (name == "INBOX" or not self._files.exists(directory))
        )
        words: list[str] = []
        if not whole:
            with suppress(FileNotFoundError):
                words = list(side_files.read_keywords(self._files.read(f"{directory}/dovecot-keywords")))
        if whole:
            directory = f"{self._homes.path(self._account)}/..restoring{maildir.folder_dir(name)[1:]}"
            self._files.remove_tree(directory)
        make_maildir(self._files, directory)
        self._own(directory, *self._parts(directory), f"{directory}/maildirfolder")
        return Place(name, directory, whole, words, there)

    def _put(self, place: Place, entry: Entry) -> None:
        if entry.file in place.there:
            return
        source = self._state(entry.folder)
        row = (
            source
            and self._db.execute(
                "select flags, date from message where folder=? and uid=?", (source.id, entry.uid)
            ).fetchone()
        )
        given, date = row or (max(0, entry.name_flags), entry.date)
        flags = self._flags(place, given, source.keywords if source else ())
        name = f"{entry.file}:2,{maildir.letters(flags)}"
        temporary = f"{place.directory}/tmp/{entry.file}"
        try:
            fetch(self._backups, self._files, entry, temporary)
        except OSError as error:
            if str(error.filename).startswith(str(self._data)):
                raise
            self.done.failed += 1
            if self.done.failed <= TOLD:
                self.done.wrong.append(f"{entry.folder} {entry.uid}: {error.strerror or error}")
            return
        self._own(temporary)
        self._files.set_modified(temporary, date)
        if not self._together:
            self._files.sync_file(temporary)
        self._files.rename(temporary, f"{place.directory}/cur/{name}")
        place.there.add(entry.file)
        self.done.messages += 1
        self.done.octets += entry.size
        if place.whole:
            place.uids.append((entry.uid, entry.file, entry.size))
        else:
            place.came.append((entry.uid, name))

    def _flags(self, place: Place, flags: int, theirs: Sequence[str]) -> int:
        """With the letters that the folder has for these keywords."""
        known = flags & _SYSTEM
        for number, word in enumerate(theirs):
            if flags >> (KEYWORD_SHIFT + number) & 1:
                before = len(place.words)
                known |= letter_of(place.words, word)
                if len(place.words) != before:
                    self._write(f"{place.directory}/dovecot-keywords", side_files.keywords_file(place.words))
        return known

    def _write(self, path: str, text: bytes) -> None:
        self._files.replace_text(path, text)
        self._own(path)
        self._files.sync_file(path)

    def _empty_ones(self, places: dict[str, Place]) -> None:
        """Folders of the backup that held nothing."""
        rows = self._db.execute("select name from folder where account=? and messages=0", (self._account,)).fetchall()
        for (name,) in rows:
            if name not in places and is_folder(name) and not self._files.exists(self._directory(name)):
                places[name] = self._place(name, plain=False)

    def _finish(self, place: Place) -> None:
        """All is on disk; a folder that was built aside gets its name, its list before its mail."""
        source = self._state(place.name)
        if self._together:
            self._files.sync_all(place.directory)
        if place.whole and source is not None:
            rows = sorted((uid, file, size) for uid, file, size in place.uids if uid)
            guid = f"{source.uidvalidity:08x}{source.id:08x}{0:016x}"
            text = side_files.uidlist_head(source.uidvalidity, min(source.uidnext + GAP, side_files.LAST_UID), guid)
            self._write(f"{place.directory}/dovecot-uidlist", text + side_files.uidlist_lines(rows, {}))
            self._move(place)
        self._files.sync_file(f"{place.directory}/cur")
        self._files.sync_file(place.directory)

    def _move(self, place: Place) -> None:
        target = self._directory(place.name)
        if place.name != "INBOX":
            self._files.rename(place.directory, target)
        else:
            for name in ("dovecot-uidlist", "dovecot-keywords"):
                if self._files.exists(f"{place.directory}/{name}"):
                    self._files.rename(f"{place.directory}/{name}", f"{target}/{name}")
            for name in self._files.listing(f"{place.directory}/cur"):
                self._files.rename(f"{place.directory}/cur/{name}", f"{target}/cur/{name}")
            self._files.remove_tree(place.directory)
        place.directory = target


def batches(place: Place) -> Iterator[tuple[str, ...]]:
    """Files that enter the index, in the order they had; once, with none, where the whole folder is to be looked at."""
    files = [name for _, name in sorted(place.came)]
    for start in range(0, len(files) or 1, BATCH):
        yield tuple(files[start : start + BATCH])
