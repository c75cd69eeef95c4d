"""A backup taken: mail files first, then the database of one moment, then what came in between; a head when all of it is on disk."""

import os
import shutil
import sqlite3
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from mailhub.model.clock import Clock

from .. import maildir
from ..sqlite.schema import VERSION
from .cut import Cut, copy_database
from .layout import DATABASE, FORMAT, HEAD, JUNK, MANIFEST, PARTIAL, Folder, Head, Trouble, named, started
from .manifest import DATA, SIDE, Entry, Written, checked, entries
from .objects import Objects, digest_of
from .work import Work

Progress = Callable[[int, int], object]
_WORK = "work.db"
_TOLD, _LENGTH = 100, 500  # files that could not be read, by name; characters of that
_EVERY = 100  # files between two words on the progress
_LARGEST = 67_108_864  # octets of a file beside the mail, or below a folder of the data


def take(folder: Folder, data: Path, hostname: str, program: str, clock: Clock, progress: Progress) -> tuple[str, Head]:
    """Its name and head. The folder is locked. Trouble, OSError."""
    if not (data / "mailhub.db").is_file():
        raise Trouble(f"{data}: no data folder of mailhub's, for there is no {data / 'mailhub.db'}", "not_found")
    name = _free_name(folder, clock.now())
    partial = folder.path / (name + PARTIAL)
    partial.mkdir(mode=0o700)
    return _Taking(folder, str(data.resolve()), partial, clock, progress).run(name, hostname, program)


def _free_name(folder: Folder, now: float) -> str:
    """Above all that there are: two that begin in one second, or after a clock went back, have names a second apart."""
    last = max((each.removesuffix(PARTIAL) for each in (*folder.names(), *folder.broken())), default="")
    return named(now) if named(now) > last else named(started(last) + 1)


class _Taking:
    def __init__(self, folder: Folder, data: str, partial: Path, clock: Clock, progress: Progress) -> None:
        self._folder, self._data, self._partial, self._clock = folder, data, partial, clock
        self._files, self._progress = folder.files, progress
        self._work = Work(str(partial / _WORK))
        self._objects = Objects(folder, self._work.trusted)
        self._passed_over: list[str] = []
        self._done = self._total = 0

    def run(self, name: str, hostname: str, program: str) -> tuple[str, Head]:
        taken = self._clock.now()
        before = self._folder.names()
        if before:
            self._work.know(
                entries(str(self._folder.path / before[-1] / MANIFEST), self._folder.head(before[-1]).manifest)
            )
        accounts = self._accounts()
        for account in accounts:
            self._account(account)
        self._beside()
        cut = self._clock.now()
        databases = self._databases()
        view = Cut(str(self._partial / DATABASE), self._data, self._work, self._objects, self._files)
        gone = view.agree()
        for account in accounts:
            self._side_files(account)
        manifest = self._manifest(view)
        messages, octets, queued = view.counts()
        view.close()
        (self._partial / _WORK).unlink()
        head = Head(
            format=FORMAT, taken=taken, cut=cut, done=self._clock.now(), program=program, store=VERSION, hostname=hostname,
            messages=messages, octets=octets, new_objects=self._objects.new, new_octets=self._objects.octets, queued=queued,
            gone=gone, manifest=manifest, passed_over=tuple(self._passed_over),
            databases={each: digest_of(str(self._partial / each))[0] for each in databases},
        )  # fmt: skip
        self._finish(name, head)
        return name, head

    def _finish(self, name: str, head: Head) -> None:
        """All is on disk before there is a head, and the head before it has its name."""
        self._objects.sync()
        for each in (MANIFEST, *head.databases, "."):
            self._files.sync_file(str(self._partial / each))
        self._files.replace_text(str(self._partial / HEAD), msgspec.json.format(msgspec.json.encode(head)))
        self._files.sync_file(str(self._partial / HEAD))
        self._files.sync_file(str(self._partial))
        self._files.rename(str(self._partial), str(self._folder.path / name))
        self._files.sync_file(str(self._folder.path))

    # --- mail files ------------------------------------------------------------------------------------------------------

    def _accounts(self) -> list[str]:
        """Those that the index knows, and those that have a Maildir without that."""
        db = sqlite3.connect(f"file:{self._data}/mailhub.db?mode=ro", uri=True)
        try:
            db.execute("pragma busy_timeout=30000")
            known = {account for (account,) in db.execute("select distinct account from folder").fetchall()}
            self._total = db.execute("select coalesce(sum(messages), 0) from folder").fetchone()[0]
        finally:
            db.close()
        for domain in self._files.listing(f"{self._data}/mail"):
            for user in self._files.listing(f"{self._data}/mail/{domain}"):
                account = maildir.account(domain, user)
                if account is not None and self._files.exists(f"{self._data}/mail/{domain}/{user}/Maildir/cur"):
                    known.add(account)
        return sorted(known)

    def _folders(self, account: str) -> Iterator[tuple[str, str]]:
        """Names and directories."""
        home = f"{self._data}/mail/{maildir.home(account)}"
        yield "INBOX", home
        for entry in sorted(self._files.listing(home)):
            folder = maildir.folder_name(entry)
            if folder is not None and self._files.exists(f"{home}/{entry}/cur"):
                yield folder, f"{home}/{entry}"

    def _account(self, account: str) -> None:
        for folder, directory in self._folders(account):
            for part in ("new", "cur"):
                for file in self._files.listing(f"{directory}/{part}"):
                    if not file.startswith("."):
                        self._mail(account, folder, part, file, f"{directory}/{part}/{file}")

    def _mail(self, account: str, folder: str, part: str, file: str, path: str) -> None:
        base, flags = maildir.split_name(file)
        name_flags = maildir.IN_NEW if part == "new" else flags
        if not checked(Entry(kind="mail", digest="0" * 64, size=0, account=account, folder=folder, file=base)):
            self._pass_over(path, "a name that is no message's")
            return
        try:
            self._work.saw(account, folder, base, name_flags, self._known(account, folder, base, path))
        except FileNotFoundError:
            return  # it was renamed or deleted meanwhile: the cut tells
        except OSError as error:
            self._pass_over(path, error.strerror or str(error))
        self._done += 1
        if self._done % _EVERY == 0:
            self._progress(self._done, max(self._total, self._done))

    def _known(self, account: str, folder: str, base: str, path: str) -> tuple[str, int, int]:
        """A mail file's octets never change: what is as it was is not read again."""
        now = os.lstat(path)
        digest = self._work.known(account, folder, base, now.st_size, int(now.st_mtime))
        if digest is not None and stat.S_ISREG(now.st_mode) and self._objects.there(digest, now.st_size):
            return digest, now.st_size, int(now.st_mtime)
        return self._objects.put(path)

    def _pass_over(self, path: str, why: str) -> None:
        if len(self._passed_over) < _TOLD:
            text = f"{path}: {why}".encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
            self._passed_over.append(text[-_LENGTH:])

    # --- what lies beside it ------------------------------------------------------------------------------------------------

    def _beside(self) -> None:
        for name in self._files.listing(f"{self._data}/spool"):
            self._other("spool", "", "", name, f"{self._data}/spool/{name}")
        for part in DATA:
            for directory, _, names in os.walk(f"{self._data}/{part}"):
                for name in names:
                    path = f"{directory}/{name}"
                    self._other("data", "", "", path.removeprefix(f"{self._data}/"), path, _LARGEST)

    def _side_files(self, account: str) -> None:
        for folder, directory in self._folders(account):
            for name in SIDE:
                self._other("side", account, folder, name, f"{directory}/{name}", _LARGEST)

    def _other(self, kind: str, account: str, folder: str, file: str, path: str, limit: int = 1 << 48) -> None:
        if not checked(Entry(kind=kind, digest="0" * 64, size=0, account=account, folder=folder, file=file)):
            return
        try:
            if os.lstat(path).st_size > limit:
                self._pass_over(path, "too large")
                return
            self._work.saw_other(kind, account, folder, file, self._objects.put(path))
        except FileNotFoundError:
            return
        except OSError as error:
            self._pass_over(path, error.strerror or str(error))

    def _databases(self) -> list[str]:
        copy_database(f"{self._data}/mailhub.db", str(self._partial / DATABASE))
        if not self._files.exists(f"{self._data}/{JUNK}"):
            return [DATABASE]
        copy_database(f"{self._data}/{JUNK}", str(self._partial / JUNK))
        return [DATABASE, JUNK]

    def _manifest(self, view: Cut) -> str:
        with open(self._partial / MANIFEST, "xb") as file:
            written = Written(file)
            for entry in view.entries():
                written.put(entry)
        self._progress(1, 1)
        return written.digest


def clear(folder: Folder) -> list[str]:
    """Take away what was broken off; their names. The folder is locked."""
    broken = folder.broken()
    for name in broken:
        shutil.rmtree(folder.path / name, ignore_errors=True)
    return broken
