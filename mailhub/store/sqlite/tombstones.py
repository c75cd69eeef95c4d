"""What is remembered of messages that are gone: their UIDs and the mod-sequence of the end, for clients that were away (RFC 7162).

A folder keeps TOMBSTONES of them. Where older ones were dropped, a row with UID 0 says up to which mod-sequence: whoever asks
for changes since before that is told so (`Changes.forgotten`) and has to compare UIDs.
"""

import json
import sqlite3
from collections.abc import Sequence

TOMBSTONES = 10_000  # of a folder


def bury(db: sqlite3.Connection, folder: int, uids: Sequence[int], modseq: int) -> None:
    """These are gone with `modseq`; the oldest tombstones make room. What goes together is dropped together."""
    db.execute(
        "insert into expunged (folder, uid, modseq) select ?, value, ? from json_each(?)",
        (folder, modseq, json.dumps(list(uids))),
    )
    over = db.execute(
        "select modseq from expunged where folder=? and uid>0 order by modseq desc limit 1 offset ?",
        (folder, TOMBSTONES),
    ).fetchone()
    if over is not None:
        db.execute("delete from expunged where folder=? and modseq<=?", (folder, over[0]))
        db.execute("insert into expunged (folder, modseq, uid) values (?,?,0)", (folder, over[0]))


def forgotten(db: sqlite3.Connection, folder: int) -> int:
    """The mod-sequence up to which tombstones were dropped; 0: none was."""
    # nothing of the folder stands before that row, so it is found without a look at the others
    first = db.execute(
        "select modseq, uid from expunged where folder=? order by modseq, uid limit 1", (folder,)
    ).fetchone()
    return first[0] if first is not None and first[1] == 0 else 0


def buried(db: sqlite3.Connection, folder: int, since: int) -> tuple[int, ...]:
    """UIDs gone after a mod-sequence, ascending."""
    found = db.execute(
        "select json_group_array(uid) from expunged where folder=? and modseq>? and uid>0", (folder, since)
    ).fetchone()[0]
    return tuple(sorted(json.loads(found)))
