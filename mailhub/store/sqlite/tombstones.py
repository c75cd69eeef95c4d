"""What is remembered of messages that are gone: their UIDs and the mod-sequence of the end, for clients that were away (RFC 7162).

A folder keeps TOMBSTONES of them at most. Its first row is no tombstone but says how many there are, as a UID below 1, and up to
which mod-sequence older ones were dropped: whoever asks for changes since before that is told so (`Changes.forgotten`) and has
to compare UIDs.
"""

import json
import sqlite3
from collections.abc import Sequence

TOMBSTONES = 10_000  # of a folder


def bury(db: sqlite3.Connection, folder: int, uids: Sequence[int], modseq: int) -> None:
    """These are gone with `modseq`. Where that is too many, the oldest tenth makes room; what goes together is dropped together."""
    floor, count = _head(db, folder)
    db.execute(
        "insert into expunged (folder, uid, modseq) select ?, value, ? from json_each(?)",
        (folder, modseq, json.dumps(list(uids))),
    )
    db.execute("delete from expunged where folder=? and modseq=? and uid<1", (folder, floor))
    count += len(uids)
    if count > TOMBSTONES:
        (floor,) = db.execute(
            "select modseq from expunged where folder=? order by modseq desc limit 1 offset ?",
            (folder, TOMBSTONES * 9 // 10),
        ).fetchone()
        count -= db.execute("delete from expunged where folder=? and modseq<=?", (folder, floor)).rowcount
    db.execute("insert into expunged (folder, modseq, uid) values (?,?,?)", (folder, floor, -count))


def _head(db: sqlite3.Connection, folder: int) -> tuple[int, int]:
    """(the mod-sequence up to which tombstones were dropped, how many there are)."""
    # nothing of the folder stands before that row, so it is found without a look at the others
    first = db.execute(
        "select modseq, uid from expunged where folder=? order by modseq, uid limit 1", (folder,)
    ).fetchone()
    if first is not None and first[1] < 1:
        return first[0], -first[1]
    (count,) = db.execute("select count(*) from expunged where folder=?", (folder,)).fetchone()
    return 0, count


def forgotten(db: sqlite3.Connection, folder: int) -> int:
    """The mod-sequence up to which tombstones were dropped; 0: none was."""
    return _head(db, folder)[0]


def buried(db: sqlite3.Connection, folder: int, since: int) -> tuple[int, ...]:
    """UIDs gone after a mod-sequence, ascending."""
    found = db.execute(
        "select json_group_array(uid) from expunged where folder=? and modseq>? and uid>0", (folder, since)
    ).fetchone()[0]
    return tuple(sorted(json.loads(found)))
