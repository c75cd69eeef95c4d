"""Dovecot's side files, kept beside the Maildir so that leaving mailhub is `cp -a`.

They lag behind the index by moments: lines are appended as mail comes in, the whole file is written when a folder is
first met and when the store closes. Nothing of ours reads them while there is an index.
"""

import json
import logging
import sqlite3
from collections.abc import Callable, Iterable
from typing import TypeVar

from .. import maildir
from ..files import Files
from ..side_files import UidList, keywords_file, read_identities, subscriptions_file, uidlist_head, uidlist_lines
from .writer import Told

T = TypeVar("T")

log = logging.getLogger("mailhub.store")
_LINE = 5_120  # octets of Courier's file that count
_ROWS = 5_000  # of a list that are in memory at a time
_REMEMBERED = 10_000  # folders whose file can be appended to


class Sidecars:
    """Used in the filer's lane, but for `mark`, which the loop calls after each commit."""

    def __init__(self, db: sqlite3.Connection, files: Files, mail: str) -> None:
        self._db, self._files, self._mail = db, files, mail
        self._folders: set[int] = set()
        self._accounts: set[str] = set()
        self._owners: set[str] = set()  # of folders whose files were written
        self._written: dict[int, tuple[int, int, str]] = {}  # folder: uidvalidity, next UID, keywords in its files
        self._touched: set[int] = set()

    def mark(self, told: Told) -> None:
        for account, folder in told.changed:
            if folder is None:
                self._accounts.add(account)
            else:
                self._folders.add(folder)

    def stale(self, folder: int) -> None:
        """What is known of a folder's files is wrong; the loop calls this, too."""
        self._written.pop(folder, None)
        self._folders.add(folder)

    def flush(self) -> None:
        """Bring the files of all marked folders up to date. OSError where that failed for some: they stay marked."""
        folders, self._folders = self._folders, set()
        accounts, self._accounts = self._accounts, set()
        failed = self._each(self._folder, folders, self._folders)
        failed = self._each(self._subscriptions, accounts, self._accounts) or failed
        owners, self._owners = self._owners | accounts, set()
        failed = self._each(self._maildirsize, owners, self._owners) or failed
        if failed:
            raise failed

    @staticmethod
    def _each(write: Callable[[T], None], things: Iterable[T], left: set[T]) -> OSError | None:
        """Those that can not be written are put into `left`."""
        failed = None
        for thing in things:
            try:
                write(thing)
            except OSError as error:
                failed = error
                left.add(thing)
        return failed

    def close(self) -> None:
        """Flush, and write the lists whole where messages were expunged since."""
        self.flush()
        touched, self._touched = self._touched, set()
        for folder in touched:
            self.stale(folder)
        self.flush()
        self._touched.clear()

    def rewrite(self, account: str) -> None:
        """All of an account, whole."""
        for (folder,) in self._db.execute("select id from folder where account=?", (account,)).fetchall():
            self._written.pop(folder, None)
            self._folder(folder)
        self._subscriptions(account)

    def _folder(self, folder: int) -> None:
        row = self._db.execute(
            "select account, name, uidvalidity, uidnext, keywords from folder where id=?1"
            " and not exists (select 1 from adopting where folder = ?1)",
            (folder,),
        ).fetchone()
        if row is None:
            self._written.pop(folder, None)
            return
        account, name, uidvalidity, uidnext, keywords = row
        self._owners.add(account)
        directory = f"{self._mail}/{maildir.home(account)}{maildir.folder_dir(name)}"
        last = self._written.get(folder)
        try:
            self._uidlist(folder, directory, uidvalidity, uidnext, last)
            if last is None or last[2] != keywords:
                self._keywords(directory, json.loads(keywords))
        except FileNotFoundError:  # the folder's directory is still to be made, or was taken away
            return
        if len(self._written) >= _REMEMBERED:
            self._written.clear()
        self._written[folder] = (uidvalidity, uidnext, keywords)
        self._touched.add(folder)

    def _uidlist(
        self, folder: int, directory: str, uidvalidity: int, uidnext: int, last: tuple[int, int, str] | None
    ) -> None:
        path = f"{directory}/dovecot-uidlist"
        start = last[1] if last is not None and last[0] == uidvalidity and self._files.exists(path) else 0
        old = UidList(uidvalidity, 1) if start else self._old(path, uidvalidity)
        rows = self._db.execute(
            "select uid, file, size from message where folder=? and uid>=? order by uid", (folder, start)
        )
        lines = b"".join(uidlist_lines(some, old.fields) for some in iter(lambda: rows.fetchmany(_ROWS), []))
        if start:
            if lines:
                self._files.append_text(path, lines)
            return
        guid = old.guid or f"{uidvalidity:08x}{folder:08x}".ljust(32, "0")
        head = uidlist_head(uidvalidity, max(uidnext, old.uidnext), guid)
        self._files.replace_text(path, head + lines)

    def _old(self, path: str, uidvalidity: int) -> UidList:
        """The list that is there, without its UIDs: identities that Dovecot gave stay."""
        old = read_identities(self._files.read(path)) if self._files.exists(path) else None
        return old if old is not None and old.uidvalidity == uidvalidity else UidList(uidvalidity, 1)

    def _keywords(self, directory: str, keywords: list[str]) -> None:
        path = f"{directory}/dovecot-keywords"
        if keywords or self._files.exists(path):
            self._files.replace_text(path, keywords_file(keywords))

    def _subscriptions(self, account: str) -> None:
        rows = self._db.execute("select name from subscription where account=? order by name", (account,)).fetchall()
        home = f"{self._mail}/{maildir.home(account)}"
        if self._files.exists(home):
            self._files.replace_text(f"{home}/subscriptions", subscriptions_file(row[0] for row in rows))

    def _maildirsize(self, account: str) -> None:
        """Where Courier's quota has its file: its limits, and sums made new. Trash does not count there."""
        path = f"{self._mail}/{maildir.home(account)}/maildirsize"
        if self._files.exists(path):
            limits = self._files.read(path, 0, _LINE).partition(b"\n")[0]
            size, count = self._db.execute(
                "select coalesce(sum(size), 0), coalesce(sum(messages), 0) from folder where account=? and name != 'Trash'",
                (account,),
            ).fetchone()
            self._files.replace_text(path, limits + f"\n{size:>12} {count:>12}\n".encode())
