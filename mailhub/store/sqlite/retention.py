"""Which messages have been in their folder for too long, or are too many."""

import json
import sqlite3

# when it came into the folder, as model.mailbox.MessageRow.saved has it; else its date
_SAVED = "case when moved > 0 then moved when cast(file as integer) > 0 then cast(file as integer) else date end"


def folders_named(db: sqlite3.Connection, name: str, after: int, limit: int) -> list[int]:
    """Ids of the folders of that name of all accounts, ascending; "Name.*" stands for all below Name."""
    pattern = name.replace("[", "[[]").replace("?", "[?]")
    pattern = pattern[:-1].replace("*", "[*]") + "*" if name.endswith(".*") else pattern.replace("*", "[*]")
    rows = db.execute("select id from folder where name glob ? and id > ? order by id limit ?", (pattern, after, limit))
    return [row[0] for row in rows.fetchall()]


def expired(db: sqlite3.Connection, folder: int, before: int, keep: int, limit: int) -> list[int]:
    """UIDs of what was saved before that time, and of what is not among the `keep` newest (0: all may stay)."""
    found = db.execute(
        "select json_group_array(uid) from (select uid from message where folder=?1 and"
        f" ({_SAVED} < ?2 or (?3 > 0 and uid <= (select uid from message where folder=?1 order by uid desc limit 1 offset ?3)))"
        " order by uid limit ?4)",
        (folder, before, keep, limit),
    ).fetchone()[0]
    return [int(uid) for uid in json.loads(found)]
