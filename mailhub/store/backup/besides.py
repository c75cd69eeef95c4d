"""What a backup knows of an account besides its mail: app passwords, second factor, aliases, rights, annotations, keywords."""

import json
import sqlite3
from collections.abc import Iterator

from mailhub.model.mailbox import KEYWORD_SHIFT

from .. import maildir

_CARRIED = KEYWORD_SHIFT + maildir.KEYWORD_LETTERS  # bits of flags that the name of a file can have
_PAGE = 5_000


class Besides:
    """`db`: the backup's."""

    def __init__(self, db: sqlite3.Connection, account: str) -> None:
        self._db, self._account = db, account

    def app_passwords(self) -> list[tuple[str, str, tuple[str, ...], float]]:
        """Name, digest, services, when it was made."""
        rows = self._db.execute(
            "select name, digest, services, created from app_password where account=?", (self._account,)
        )
        return [(name, digest, tuple(json.loads(services)), created) for name, digest, services, created in rows]

    def second_factor(self) -> tuple[str, bool, int, tuple[str, ...]] | None:
        """Secret, whether it was confirmed, counter, recovery codes as they were stored."""
        row = self._db.execute(
            "select secret, confirmed, counter, recovery from second_factor where account=?", (self._account,)
        ).fetchone()
        return None if row is None else (row[0], bool(row[1]), row[2], tuple(json.loads(row[3])))

    def aliases(self) -> list[tuple[str, tuple[str, ...]]]:
        """Those that led to the account, and all that they led to."""
        rows = self._db.execute("select address, targets from alias")
        found = [(address, tuple(json.loads(targets))) for address, targets in rows]
        return [(address, targets) for address, targets in found if self._account in map(str.lower, targets)]

    def rights(self, folder: str) -> list[tuple[str, str]]:
        rows = self._db.execute("select identifier, rights from acl where folder=?", (self._number(folder),))
        return [(identifier, rights) for identifier, rights in rows]

    def annotations(self, folder: str) -> list[tuple[str, bytes, bool]]:
        """Entry, value, whether it is the owner's own; of `folder` "", what hangs on the account."""
        rows = self._db.execute(
            "select entry, value, private from annotation where holder=? and folder=?",
            (self._account, self._number(folder) if folder else 0),
        )
        return [(entry, bytes(value), bool(private)) for entry, value, private in rows]

    def keywords(self, folder: str) -> Iterator[tuple[str, tuple[int, ...]]]:
        """Those that no name of a file carries, with UIDs, some thousand at a time."""
        row = self._db.execute(
            "select id, keywords from folder where account=? and name=?", (self._account, folder)
        ).fetchone()
        names = json.loads(row[1]) if row is not None else []
        for bit, name in enumerate(names[maildir.KEYWORD_LETTERS :], _CARRIED):
            rows = self._db.execute(
                "select uid from message where folder=? and flags & ? order by uid", (row[0], 1 << bit)
            )
            while page := rows.fetchmany(_PAGE):
                yield name, tuple(uid for (uid,) in page)

    def _number(self, folder: str) -> int:
        row = self._db.execute("select id from folder where account=? and name=?", (self._account, folder)).fetchone()
        return -1 if row is None else int(row[0])
