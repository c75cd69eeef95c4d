"""THREADID and PREVIEW of messages: found in their files when they are first asked for, and kept beside the index from then on."""

import json
import sqlite3
from collections.abc import Mapping, Sequence

from msgspec import Struct

from mailhub.model.mailbox import Glimpse

from .writer import Told


class KeepGlimpses(Struct, frozen=True):
    """Those of messages that are still there."""

    folder: int
    found: Mapping[int, Glimpse]

    def apply(self, db: sqlite3.Connection, told: Told) -> None:
        db.executemany(
            "insert or replace into glimpse select folder, uid, ?, ? from message where folder = ? and uid = ?",
            [(one.thread, one.preview, self.folder, uid) for uid, one in self.found.items()],
        )


def glimpses(db: sqlite3.Connection, folder: int, uids: Sequence[int]) -> dict[int, Glimpse]:
    """Of those that were asked for before."""
    text = "select uid, thread, preview from glimpse where folder = ? and uid in (select value from json_each(?))"
    return {uid: Glimpse(thread, preview) for uid, thread, preview in db.execute(text, (folder, json.dumps(uids)))}
