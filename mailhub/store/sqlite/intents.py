"""Changes to files that commits have decided (links, renames, new folders, deletions), done in their order, and again after a crash.

What fails waits, and with it all that came later for the same accounts: a rename that is passed over would leave what follows it
looking at another folder. Whoever misses a file of such an account has to wait as well (`behind`), since it may lie elsewhere yet.
"""

import json
import logging
import sqlite3
from pathlib import PurePosixPath

from .. import maildir
from ..files import Files

log = logging.getLogger("mailhub.store")
_DELAYED = ("unlink", "rmtree")


class Intents:
    """Called in the filer's lane, but for `behind`. `performed`: done, to be forgotten after a sync; `delayed`: deletions, to be done after it."""

    def __init__(self, db: sqlite3.Connection, files: Files, mail: str) -> None:
        self._db, self._files, self._mail = db, files, mail
        self._seen = 0
        self._left: set[int] = set()
        self._behind: dict[str, str] = {}  # accounts' places: why
        self.performed: list[int] = []
        self.delayed: list[tuple[int, str, str]] = []

    @property
    def trouble(self) -> str:
        """What can not be done, "" where all is."""
        return next(iter(self._behind.values()), "")

    def behind(self, account: str) -> str:
        """Why files of the account may not yet be where the index has them; "": they are."""
        return self._behind.get(_place(maildir.home(account)), "")

    def perform(self) -> None:
        """All that is new, and what was left."""
        rows = self._db.execute(
            "select id, kind, source, target from intent where id > ? or id in (select value from json_each(?)) order by id",
            (self._seen, json.dumps(sorted(self._left))),
        ).fetchall()
        left: set[int] = set()
        behind: dict[str, str] = {}
        for number, kind, source, target in rows:
            places = {_place(path) for path in (source, target) if path}
            why = next((behind[place] for place in places if place in behind), "") or self._one(
                number, kind, source, target
            )
            if why:
                left.add(number)
                behind |= dict.fromkeys(places, why)
            self._seen = max(self._seen, number)
        if behind and behind != self._behind:
            log.error(
                "mail files of %s: %s; it is tried again, and what comes after it waits",
                ", ".join(sorted(behind)),
                min(behind.values()),
            )
        self._left, self._behind = left, behind

    def _one(self, number: int, kind: str, source: str, target: str) -> str:
        """Why it could not be done, "" where it was."""
        if kind in _DELAYED:
            self.delayed.append((number, kind, source))
            return ""
        try:
            self._change(kind, f"{self._mail}/{source}", f"{self._mail}/{target}")
        except FileNotFoundError:
            log.warning("mail files: %s is gone; nothing to %s", source, kind)
        except OSError as error:
            return f"{kind}: {error}"
        self.performed.append(number)
        return ""

    def _change(self, kind: str, source: str, target: str) -> None:
        if kind == "mkdir":
            make_maildir(self._files, source)
            return
        here = source if self._files.exists(source) else find(self._files, source)
        if here is None:
            return
        if kind == "link":
            self._files.link(here, target)
        elif not self._files.exists(target):
            self._files.rename(here, target)
        elif self._files.exists(f"{here}/cur"):  # a folder, where a message was written under its new name
            self._files.merge_tree(here, target)

    def remove(self, kind: str, source: str) -> None:
        """What was `delayed`."""
        path = f"{self._mail}/{source}"
        if kind == "rmtree":
            self._files.remove_tree(path)
        else:
            here = path if self._files.exists(path) else find(self._files, path)
            if here is not None:
                self._files.unlink(here)


def _place(path: str) -> str:
    """The part of a path below DATA/mail that is an account's: DOMAIN/USER."""
    return "/".join(path.split("/", 2)[:2])


def make_maildir(files: Files, directory: str) -> None:
    """The three folders of a Maildir and, for one that is not an inbox, the mark that Maildir++ puts in it."""
    if files.exists(f"{directory}/cur"):
        return
    for name in ("tmp", "new", "cur"):
        files.make_dirs(f"{directory}/{name}")
    if PurePosixPath(directory).name.startswith("."):
        files.replace_text(f"{directory}/maildirfolder", b"")


def find(files: Files, path: str) -> str | None:
    """Where a message file is now that is not at `path`: another program, or a crash, has moved it or its flags."""
    directory = str(PurePosixPath(path).parent.parent)
    base = PurePosixPath(path).name.partition(":")[0]
    if files.exists(f"{directory}/new/{base}"):
        return f"{directory}/new/{base}"
    for name in files.listing(f"{directory}/cur"):
        if name.partition(":")[0] == base:
            return f"{directory}/cur/{name}"
    return None
