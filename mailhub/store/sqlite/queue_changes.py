"""Leases and the operator's changes as SQL. Each unit touches a bounded number of items."""

import json
import sqlite3
from collections.abc import Mapping, Sequence

from msgspec import Struct

from ..api import Act, QueueFilter, State
from ..queue_rows import HELD
from .queue_units import drop_items
from .writer import Told

_BACK = f"case when state = {HELD} then 3 when attempts = 0 then 0 else 2 end"  # what a leased recipient was
_LEASED = f"state in (1, {HELD})"
_WAITING = "state in (0, 2)"  # the words of the partial indices
QUARANTINED = """substr(verdict, 1, 12) = '{"action":3,'"""
# At the opening: no lease outlives its process.
RELEASE_ALL = f"update recipient set state = {_BACK} where {_LEASED} returning item, address"


class Take(Struct, frozen=True):
    """Lease recipients, as far as they still wait, and give their flows the next turn: behind all that is due now.

    Returns the numbers of those taken, by item.
    """

    now: float
    chosen: Sequence[tuple[int, int]]
    flows: Sequence[tuple[str, str]]

    def apply(self, db: sqlite3.Connection, told: Told) -> dict[int, list[int]]:
        taken: dict[int, list[int]] = {}
        for item, n in db.execute(
            f"update recipient set state = 1 where {_WAITING}"
            " and (item, n) in (select value->>0, value->>1 from json_each(?)) returning item, n",
            (json.dumps(self.chosen),),
        ).fetchall():
            taken.setdefault(item, []).append(n)
        flows = json.dumps(self.flows)
        of_flow = f"from recipient r where r.domain = flow.domain and r.sender = flow.sender and r.{_WAITING}"
        these = "(domain, sender) in (select value->>0, value->>1 from json_each(?))"
        db.execute(f"delete from flow where {these} and not exists (select 1 {of_flow})", (flows,))
        db.execute(f"update flow set due = max(?, (select min(r.due) {of_flow})) where {these}", (self.now, flows))
        return taken


class Release(Struct, frozen=True):
    """Give recipients back as they were, or due at another time."""

    item: int
    numbers: Sequence[int]
    due: float | None = None

    def apply(self, db: sqlite3.Connection, told: Told) -> None:
        db.execute(
            f"update recipient set state = {_BACK}, due = coalesce(?, due) where {_LEASED} and item = ?"
            " and n in (select value from json_each(?))",
            (self.due, self.item, json.dumps(list(self.numbers))),
        )


class Corrupt(Struct, frozen=True):
    """Set an item aside that cannot be read: the recipients that were leased to see that, and all that wait."""

    item: int
    numbers: Sequence[int]

    def apply(self, db: sqlite3.Connection, told: Told) -> None:
        db.execute(
            f"update recipient set state = 4 where item = ? and ({_WAITING} or n in (select value from json_each(?)))",
            (self.item, json.dumps(list(self.numbers))),
        )


# What an act does to a recipient, and which states it applies to (of those that the filter asks for).
ASSIGNMENTS: Mapping[Act, tuple[str, tuple[int, ...]]] = {
    Act.HOLD: (f"state = case when {_LEASED} then {HELD} else 3 end", (0, 1, 2, 4)),
    Act.UNHOLD: (f"state = case state when {HELD} then 1 else 2 end, due = :now", (3, 4, HELD)),
    Act.RETRY: ("due = :now", (0, 2)),
    Act.REQUEUE: ("state = 0, due = :now, attempts = 0", (0, 2, 3, 4)),
}


class Change(Struct, frozen=True):
    """An act on those recipients of the items `ids` that the filter means. Returns how many items it touched."""

    ids: tuple[int, ...]
    act: Act
    which: QueueFilter
    now: float

    def apply(self, db: sqlite3.Connection, told: Told) -> int:
        if self.act is Act.REMOVE:
            return self._remove(db, told)
        assignment, states = ASSIGNMENTS[self.act]
        term, values = where(self.which)
        values |= {"ids": json.dumps(self.ids), "now": self.now, "possible": json.dumps(states)}
        touched = db.execute(
            f"update recipient set {assignment} where item in (select value from json_each(:ids)) and {term}"
            " and state in (select value from json_each(:possible)) returning item",
            values,
        ).fetchall()
        return len(set(touched))

    def _remove(self, db: sqlite3.Connection, told: Told) -> int:
        """An item under delivery is left alone as a whole."""
        found = db.execute(
            "select json_group_array(value) from json_each(?)"
            f" where not exists (select 1 from recipient where item = value and {_LEASED})",
            (json.dumps(self.ids),),
        ).fetchone()[0]
        contents = db.execute(
            "select json_group_array(content) from item where id in (select value from json_each(?))", (found,)
        ).fetchone()[0]
        term, values = where(self.which)
        gone = db.execute(
            f"delete from recipient where item in (select value from json_each(:ids)) and {term} returning item",
            values | {"ids": found},
        ).fetchall()
        drop_items(db, told, json.loads(found), json.loads(contents))
        return len(set(gone))


def where(which: QueueFilter) -> tuple[str, dict[str, object]]:
    """A filter as SQL over `recipient`."""
    terms: list[str] = []
    values: dict[str, object] = {}
    if which.sender is not None:
        terms.append("sender = :sender" if which.sender[:1] != "@" else "substr(sender, -length(:sender)) = :sender")
        values["sender"] = which.sender
    if which.recipient is not None:
        terms.append("domain = :domain" if which.recipient[:1] == "@" else "address = :address")
        values["domain"], values["address"] = which.recipient[1:].lower(), which.recipient
    if which.states:
        states = [*map(int, which.states), *([HELD] if State.ACTIVE in which.states else ())]
        terms.append("state in (select value from json_each(:states))")
        values["states"] = json.dumps(states)
    if which.quarantined:
        terms.append(f"state = 3 and exists (select 1 from item where id = recipient.item and {QUARANTINED})")
    for bound, sign, value in (("older", "<", which.older_than), ("newer", ">=", which.newer_than)):
        if value is not None:
            terms.append(f"(select created from item where id = recipient.item) {sign} :{bound}")
            values[bound] = value
    return " and ".join(terms) or "1", values
