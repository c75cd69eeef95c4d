"""Mail that moves in: files put into an account's Maildir as another program would, by a name that its source gives, so that what was
broken off goes on without a second copy. They enter the index behind that, in the order of their dates, a few at a time: `batch`, `entered`.

DATA/import/DOMAIN/USER.db remembers what came, also where its owner has deleted it since.
"""

import hashlib
import os
import sqlite3
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from mailhub.model.address import key

from .. import maildir, side_files
from ..files import Files
from .homes import Homes
from .intents import make_maildir

_MARK = ".I"
_BATCH = 500  # files that enter the index at a time
_COMMIT = 100  # messages remembered by one commit; files tell of those since the last


class Incoming:
    """One account. `owner`: who the files are given to, None for whoever runs this."""

    def __init__(self, data: Path, location: str, account: str, owner: tuple[int, int] | None = None) -> None:
        self._files, self._owner = Files(), owner
        homes = Homes(self._files, f"{data}/mail", location)
        self._home = homes.path(key(account))
        homes.make(key(account))
        name = maildir.home(key(account)).removesuffix("/Maildir")
        database = f"{data}/import/{name}.db"
        self._files.make_dirs(database.rpartition("/")[0])
        self._db = sqlite3.connect(database)
        self._db.execute(
            "create table if not exists came(folder text, name text, primary key(folder, name)) without rowid"
        )
        self._db.execute(
            "create table if not exists waiting(folder text, date integer, name text, primary key(folder, date, name)) without rowid"
        )
        self._folders: dict[str, tuple[str, list[str]]] = {}  # directory and keywords
        self._open = 0
        self._own(self._home, *(f"{self._home}/{part}" for part in ("tmp", "new", "cur")))

    def _own(self, *paths: str) -> None:
        if self._owner is not None:
            for path in paths:
                os.chown(path, *self._owner)

    def folder(self, name: str) -> None:
        """Make it where it is missing, and look at what came before."""
        if name in self._folders:
            return
        directory = self._home + maildir.folder_dir(name)
        make_maildir(self._files, directory)
        self._own(directory, *(f"{directory}/{part}" for part in ("tmp", "new", "cur")))
        if name != "INBOX":
            self._own(f"{directory}/maildirfolder")
        for part in ("new", "cur"):
            with os.scandir(f"{directory}/{part}") as entries:
                for entry in entries:
                    date, mark, rest = entry.name.partition(_MARK)
                    if mark and self._remember(name, rest.partition(".")[0]) and part == "cur":
                        self._wait(name, int(date), entry.name)
        words: list[str] = []
        with suppress(FileNotFoundError):
            words = list(side_files.read_keywords(self._files.read(f"{directory}/dovecot-keywords")))
        self._folders[name] = (directory, words)

    def came(self, folder: str, source: str) -> bool:
        """Whether that message came before."""
        found = self._db.execute("select 1 from came where folder = ? and name = ?", (folder, _name(source))).fetchone()
        return found is not None

    def put(
        self, folder: str, source: str, date: int, flags: int, keywords: Iterable[str], blocks: Iterable[bytes]
    ) -> None:
        """`source`: what tells it from all others of where it comes from. `date`: INTERNALDATE. Keywords beyond the 26th of a folder have
        no letter, and are left out."""
        self.folder(folder)
        directory, words = self._folders[folder]
        base = f"{date}{_MARK}{_name(source)}.import"
        temporary = f"{directory}/tmp/{base}"
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        size = 0
        try:
            for block in blocks:
                self._files.append(descriptor, (block,))
                size += len(block)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        self._own(temporary)
        self._files.set_modified(temporary, date)
        for word in keywords:
            flags |= self._bit(directory, words, word)
        file = f"{maildir.sized(base, size)}:2,{maildir.letters(flags)}"
        self._files.rename(temporary, f"{directory}/cur/{file}")
        self._wait(folder, date, file)
        self._remember(folder, _name(source))

    def _bit(self, directory: str, words: list[str], word: str) -> int:
        before = len(words)
        bit = letter_of(words, word)
        if len(words) != before:
            self._files.replace_text(f"{directory}/dovecot-keywords", side_files.keywords_file(words))
            self._own(f"{directory}/dovecot-keywords")
        return bit

    def _wait(self, folder: str, date: int, file: str) -> None:
        self._db.execute("insert or ignore into waiting values (?, ?, ?)", (folder, date, file))

    def _remember(self, folder: str, name: str) -> bool:
        """Whether it is new."""
        new = self._db.execute("insert or ignore into came values (?, ?)", (folder, name)).rowcount > 0
        self._open += 1
        if self._open >= _COMMIT:
            self.flush()
        return new

    def waiting(self) -> dict[str, int]:
        """Folders, with how many of their files are not in the index yet."""
        return dict(self._db.execute("select folder, count(*) from waiting group by folder order by folder").fetchall())

    def batch(self, folder: str) -> list[str]:
        """The names of the oldest of them."""
        text = "select name from waiting where folder = ? order by date, name limit ?"
        return [name for (name,) in self._db.execute(text, (folder, _BATCH)).fetchall()]

    def entered(self, folder: str, files: Iterable[str], bases: Iterable[str]) -> None:
        """Files that are in the index, by their names; or by base names, among which there may be any others."""
        gone = [(folder, int(file.partition(_MARK)[0]), file) for file in files]
        self._db.executemany("delete from waiting where folder = ? and date = ? and name = ?", gone)
        for base in bases:
            date, mark, _ = base.partition(_MARK)
            if mark and date.isdecimal():
                self._db.execute(
                    "delete from waiting where folder = ? and date = ? and name >= ? and name < ?",
                    (folder, int(date), f"{base}:", f"{base};"),
                )
        self._db.commit()

    def flush(self) -> None:
        """What came is on disk."""
        for directory, _ in self._folders.values():
            self._files.sync_file(f"{directory}/cur")
        self._db.commit()
        self._open = 0

    def close(self) -> None:
        self.flush()
        self._db.close()


def letter_of(words: list[str], word: str) -> int:
    """The flag of a keyword's letter in a folder, which learns it (`words` grows); 0 where no letter is left."""
    known = [name.lower() for name in words]
    if word.lower() not in known:
        if len(words) >= maildir.KEYWORD_LETTERS:
            return 0
        words.append(word)
        known.append(word.lower())
    return int(maildir.flags_of(chr(97 + known.index(word.lower()))))


def _name(source: str) -> str:
    return hashlib.blake2b(source.encode("utf-8", "surrogateescape"), digest_size=12).hexdigest()
