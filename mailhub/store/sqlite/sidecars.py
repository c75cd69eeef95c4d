"""Dovecot's side files, kept beside the Maildir so that leaving mailhub is `cp -a`.

They lag behind the index by moments: lines are appended as mail comes in, the whole file is written when a folder is
first met and when the store closes. Nothing of ours reads them while there is an index.
"""

import json
import logging
import sqlite3

from .. import maildir
from ..files import Files
from .writer import Told

log = logging.getLogger("mailhub.store")
_REMEMBERED = 10_000  # folders whose file can be appended to


class Sidecars:
    """Used in the filer's lane, but for `mark`, which the loop calls after each commit."""

    def __init__(self, db: sqlite3.Connection, files: Files, mail: str) -> None:
        self._db, self._files, self._mail = db, files, mail
        self._folders: set[int] = set()
        self._accounts: set[str] = set()
        self._written: dict[int, tuple[int, int, str]] = {}  # folder: uidvalidity, next UID, keywords in its files
        self._touched: set[int] = set()

    def mark(self, told: Told) -> None:
        for account, folder in told.changed:
            if folder is None:
                self._accounts.add(account)
            else:
                self._folders.add(folder)

    def flush(self) -> None:
        """Bring the files of all marked folders up to date."""
        folders, self._folders = self._folders, set()
        accounts, self._accounts = self._accounts, set()
        for folder in folders:
            self._folder(folder)
        for account in accounts:
            self._subscriptions(account)

    def close(self) -> None:
        """Flush, and write the lists whole where messages were expunged since."""
        self.flush()
        for folder in self._touched:
            self._written.pop(folder, None)
            self._folder(folder)

    def _folder(self, folder: int) -> None:
        row = self._db.execute(
            "select account, name, uidvalidity, uidnext, keywords from folder where id=?", (folder,)
        ).fetchone()
        if row is None:
            self._written.pop(folder, None)
            return
        account, name, uidvalidity, uidnext, keywords = row
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
        rows = self._db.execute(
            "select uid, file from message where folder=? and uid>=? order by uid", (folder, start)
        ).fetchall()
        lines = maildir.uidlist_lines(rows)
        if start:
            if lines:
                self._files.append_text(path, lines)
            return
        guid = f"{uidvalidity:08x}{folder:08x}".ljust(32, "0")
        self._files.replace_text(path, maildir.uidlist_head(uidvalidity, uidnext, guid) + lines)

    def _keywords(self, directory: str, keywords: list[str]) -> None:
        path = f"{directory}/dovecot-keywords"
        if keywords or self._files.exists(path):
            self._files.replace_text(path, maildir.keywords_file(keywords))

    def _subscriptions(self, account: str) -> None:
        rows = self._db.execute("select name from subscription where account=? order by name", (account,)).fetchall()
        home = f"{self._mail}/{maildir.home(account)}"
        if self._files.exists(home):
            self._files.replace_text(f"{home}/subscriptions", maildir.subscriptions_file(row[0] for row in rows))
