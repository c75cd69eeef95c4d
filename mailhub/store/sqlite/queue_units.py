"""The units of the queue as SQL: put, settle, and the operator's changes."""

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from ..api import Fate, NewItem, NewRecipient, Outcome, QueueFilter, Settle, State
from .filing import file_messages
from .writer import Told

_RECIPIENT = "insert into recipient values (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?) on conflict(item, n) do nothing"


def _recipient(item: int, new: NewRecipient, due: float) -> tuple[object, ...]:
    path = "\n".join(new.path)
    return (item, new.n, new.address, new.orcpt, new.notify, new.depth, new.parent, path, State.INCOMING, due,
            0, None, None, None, None, 0)  # fmt: skip


def insert_item(db: sqlite3.Connection, item: NewItem) -> None:
    """Idempotent by the item's id."""
    content = item.content
    if not isinstance(content, int):
        db.execute(
            "insert into content values (?,?,?,?,?) on conflict(id) do nothing",
            (content.id, content.body.size, content.body.spool, content.prefix, content.body.data),
        )
        content = content.id
    origin = msgspec.json.encode(item.origin).decode()
    db.execute(
        "insert into item values (?,?,?,?,?,?,?,?,?) on conflict(id) do nothing",
        (item.id, content, item.sender, item.created, item.envid, item.ret, item.smtputf8, item.body, origin),
    )
    rows = [_recipient(item.id, new, item.due) for new in item.recipients]
    for row in rows:
        db.execute(_RECIPIENT, row)


@dataclass(frozen=True, slots=True)
class Put:
    item: NewItem

    def apply(self, db: sqlite3.Connection, told: Told) -> None:
        insert_item(db, self.item)


@dataclass(frozen=True, slots=True)
class Record:
    """api.Settle with the id of the item's content. Recipients that are gone were settled by an earlier try."""

    unit: Settle
    content: int
    now: int

    def apply(self, db: sqlite3.Connection, told: Told) -> None:
        item = self.unit.item
        asked = [outcome.n for outcome in self.unit.outcomes]
        found = db.execute(
            "select json_group_array(n) from recipient where item=? and n in (select value from json_each(?))",
            (item, json.dumps(asked)),
        ).fetchone()[0]
        here = set(json.loads(found))
        outcomes = [outcome for outcome in self.unit.outcomes if outcome.n in here]
        if not outcomes:
            return
        gone = [outcome.n for outcome in outcomes if outcome.fate != Fate.DEFERRED]
        for outcome in outcomes:
            self._one(db, outcome)
        filings = [filing for outcome in outcomes for filing in outcome.filings]
        if filings:
            file_messages(db, told, filings, self.now)
        for born in self.unit.born:
            insert_item(db, born)
        if gone:
            db.execute(
                "delete from recipient where item=? and n in (select value from json_each(?))", (item, json.dumps(gone))
            )
            drop_items(db, told, [item], [self.content])

    def _one(self, db: sqlite3.Connection, outcome: Outcome) -> None:
        if outcome.fate == Fate.DEFERRED:
            db.execute(
                "update recipient set state=case when state=3 then 3 else 2 end, due=?, attempts=attempts+1, code=?,"
                " enhanced=?, reply=?, remote=?, warned=max(warned, ?) where item=? and n=?",
                (outcome.due, outcome.reply.code, outcome.reply.enhanced, outcome.reply.text, outcome.remote,
                 outcome.warned, self.unit.item, outcome.n),
            )  # fmt: skip
        for child in outcome.children:
            db.execute(_RECIPIENT, _recipient(self.unit.item, child, outcome.due))


def drop_items(db: sqlite3.Connection, told: Told, items: Sequence[int], contents: Sequence[int]) -> None:
    """Delete those items that have no recipient left, and content that nothing refers to any more."""
    db.execute(
        "delete from item where id in (select value from json_each(?))"
        " and not exists (select 1 from recipient where recipient.item = item.id)",
        (json.dumps(list(items)),),
    )
    drop_contents(db, told, contents)


_UNUSED = (
    " from content where id in (select value from json_each(?))"
    " and not exists (select 1 from item where item.id = content.id and item.content = content.id)"
    " and not exists (select 1 from item where item.content = content.id and item.content != item.id)"
    " and not exists (select 1 from filed where filed.content = content.id)"
)


def drop_contents(db: sqlite3.Connection, told: Told, contents: Sequence[int]) -> None:
    """Collect content in the unit that dropped its last reference; spool files go after the commit."""
    ids = json.dumps(list(contents))
    spools = db.execute(f"select json_group_array(spool){_UNUSED} and spool is not null", (ids,)).fetchone()[0]
    told.spools.extend(json.loads(spools))
    db.execute(f"delete{_UNUSED}", (ids,))


def where(which: QueueFilter) -> tuple[str, list[object]]:
    """A filter as SQL over `recipient` joined with `item`."""
    terms: list[str] = []
    values: list[object] = []
    if which.ids:
        terms.append("item.id in (select value from json_each(?))")
        values.append(json.dumps(which.ids))
    for column, wanted in (("item.sender", which.sender), ("recipient.address", which.recipient)):
        if wanted is not None:
            terms.append(f"substr({column}, -length(?)) = ?" if wanted.startswith("@") else f"{column} = ?")
            values.extend([wanted, wanted] if wanted.startswith("@") else [wanted])
    if which.states:
        terms.append("recipient.state in (select value from json_each(?))")
        values.append(json.dumps([int(state) for state in which.states]))
    if which.older_than is not None:
        terms.append("item.created < ?")
        values.append(which.older_than)
    return " and ".join(terms) or "1", values


@dataclass(frozen=True, slots=True)
class Change:
    """Set state or due time of recipients: `ids` are items already chosen, at most 1,000."""

    ids: tuple[int, ...]
    which: QueueFilter
    assignment: str  # one of ours, never from outside
    values: tuple[object, ...]

    def apply(self, db: sqlite3.Connection, told: Told) -> int:
        term, values = where(self.which)
        return db.execute(
            f"update recipient set {self.assignment} where item in (select value from json_each(?)) and exists"
            f" (select 1 from item where item.id = recipient.item and {term})",
            (*self.values, json.dumps(self.ids), *values),
        ).rowcount


@dataclass(frozen=True, slots=True)
class Remove:
    ids: tuple[int, ...]
    which: QueueFilter

    def apply(self, db: sqlite3.Connection, told: Told) -> int:
        term, values = where(self.which)
        ids = json.dumps(self.ids)
        contents = db.execute(
            "select json_group_array(content) from item where id in (select value from json_each(?))", (ids,)
        ).fetchone()[0]
        db.execute(
            "delete from recipient where item in (select value from json_each(?)) and exists"
            f" (select 1 from item where item.id = recipient.item and {term})",
            (ids, *values),
        )
        drop_items(db, told, self.ids, json.loads(contents))
        return len(self.ids)


@dataclass(frozen=True, slots=True)
class Corrupt:
    """Set an item aside that can not be read."""

    item: int

    def apply(self, db: sqlite3.Connection, told: Told) -> None:
        db.execute("update recipient set state=? where item=?", (State.CORRUPT, self.item))
