"""The units of the queue as SQL: put, settle, and the operator's changes."""

import json
import sqlite3
from collections.abc import Collection, Iterable, Sequence
from typing import ClassVar

import msgspec

from mailhub.model import steps

from ..api import Fate, Filing, NewContent, NewItem, Outcome, Settle, State
from ..queue_rows import HELD, domain, parameters_text, row, verdict_text
from .filing import file_messages
from .sieve import fresh, remember_marks
from .suppressions import remember
from .webhooks import notify
from .writer import Told, insert_rows


def remember_id(db: sqlite3.Connection, number: int) -> None:
    """No id, nor a file name made of it, is given again after a restart, whatever the clock shows then."""
    db.execute(
        "insert into meta values ('last_id', ?) on conflict(key) do update set value = max(cast(value as integer), ?)",
        (str(number), number),
    )


def insert_items(db: sqlite3.Connection, items: Sequence[NewItem], leased: Collection[int] = ()) -> None:
    """Idempotent by the items' ids. `leased`: those of them that the caller attempts at once."""
    if items:
        remember_id(db, max(item.id for item in items))
    insert_contents(db, [item.content for item in items if not isinstance(item.content, int)])
    rows = [
        (i.id, i.content if isinstance(i.content, int) else i.content.id, i.sender, i.created, i.parameters.priority,
         parameters_text(i.parameters), msgspec.json.encode(i.origin).decode(), i.filter, verdict_text(i.verdict))
        for i in items
    ]  # fmt: skip
    insert_rows(db, "insert into item", rows, "on conflict(id) do nothing")
    recipients = [
        row(item.id, new, item.due, _first_state(item, leased), item.sender, item.parameters.priority)
        for item in items
        for new in item.recipients
    ]
    _insert_recipients(db, recipients)


def insert_contents(db: sqlite3.Connection, new: Sequence[NewContent]) -> None:
    rows = [(c.id, c.body.size, c.body.spool, c.prefix, c.body.data, c.tail) for c in new]
    insert_rows(db, "insert into content", rows, "on conflict(id) do nothing")


def _first_state(item: NewItem, leased: Collection[int]) -> State:
    if item.held:
        return State.HOLD
    return State.ACTIVE if item.id in leased else State.INCOMING


def _insert_recipients(db: sqlite3.Connection, rows: Sequence[tuple[object, ...]]) -> None:
    insert_rows(db, "insert into recipient", rows, "on conflict(item, n) do nothing")


class Put(msgspec.Struct, frozen=True):
    """`leased`: its recipients are ACTIVE from the first."""

    item: NewItem
    leased: bool

    def apply(self, db: sqlite3.Connection, told: Told) -> None:
        self.apply_many(db, told, [self])

    @staticmethod
    def apply_many(db: sqlite3.Connection, told: Told, units: "Sequence[Put]") -> None:
        insert_items(db, [unit.item for unit in units], {unit.item.id for unit in units if unit.leased})
        for item in (unit.item for unit in units if unit.item.mark is not None):
            remember_marks(db, filter(None, [item.mark]), item.created)


class Record(msgspec.Struct, frozen=True):
    """api.Settle with the id of the item's content. Recipients that are not leased any more were settled by an earlier
    try."""

    patient: ClassVar[bool] = True
    unit: Settle
    content: int
    now: int

    def apply(self, db: sqlite3.Connection, told: Told) -> None:
        self.apply_many(db, told, [self])

    @staticmethod
    def apply_many(db: sqlite3.Connection, told: Told, units: "Sequence[Record]") -> None:
        here = _present(db, {(record.unit.item, outcome.n) for record in units for outcome in record.unit.outcomes})
        taken = [(r, [o for o in r.unit.outcomes if (r.unit.item, o.n) in here]) for r in units]
        taken = [(record, outcomes) for record, outcomes in taken if outcomes]
        gone: list[tuple[int, int]] = []
        filings: list[Filing] = []
        children: list[tuple[object, ...]] = []
        named: dict[int, set[str]] = {}  # those of children, by item
        for record, outcomes in taken:
            item = record.unit.item
            leaving = {outcome.n for outcome in outcomes if outcome.fate == Fate.EXPANDED}
            for outcome in outcomes:
                if outcome.fate == Fate.DEFERRED:
                    _defer(db, item, outcome)
                else:
                    gone.append((item, outcome.n))
                filings.extend(outcome.filings)
                if outcome.children:
                    children.extend(_children(db, item, outcome, leaving, named.setdefault(item, set())))
        insert_rows(
            db,
            "insert into reached",
            [(record.unit.item, address) for record, _ in taken for address in record.unit.reached],
            "on conflict(item, address) do nothing",
        )
        _insert_recipients(db, children)
        insert_contents(db, [content for record, _ in taken for content in record.unit.contents])
        if filings:
            file_messages(db, told, filings, units[0].now)
        births = [birth for record, _ in taken for birth in record.unit.births]
        born = [birth.item for birth in births if birth.once is None or fresh(db, birth.once, units[0].now)]
        insert_items(db, [*born, *(born for record, _ in taken for born in record.unit.born)])
        remember_marks(db, [mark for record, _ in taken for mark in record.unit.marks], units[0].now)
        for record, outcomes in taken:
            if record.unit.notices:
                here_now = {outcome.n for outcome in outcomes}
                notify(db, [notice for notice in record.unit.notices if notice.n in here_now])
            if record.unit.memory is not None:
                remember(db, record.unit.memory)
        if gone:
            db.execute(
                "delete from recipient where (item, n) in (select value->>0, value->>1 from json_each(?))",
                (json.dumps(gone),),
            )
            drop_items(db, told, [r.unit.item for r, _ in taken], [r.content for r, _ in taken])


def _present(db: sqlite3.Connection, asked: Iterable[tuple[int, int]]) -> set[tuple[int, int]]:
    """Those that are leased still: what was settled, or given back, is passed over."""
    found = db.execute(
        "select json_group_array(json_array(item, n)) from recipient where state in (1, 5) and (item, n) in"
        " (select value->>0, value->>1 from json_each(?))",
        (json.dumps(list(asked)),),
    ).fetchone()[0]
    return {(item, n) for item, n in json.loads(found)}


def _children(
    db: sqlite3.Connection, item: int, outcome: Outcome, leaving: set[int], named: set[str]
) -> list[tuple[object, ...]]:
    """They are held where their parent was to be. Left out: an address that the message is queued for anyway, unless it is
    expanded in this unit, too; one that it has reached; one that is `named` by another child, to which these are added."""
    state, sender, priority = db.execute(
        "select state, sender, priority from recipient where item=? and n=?", (item, outcome.n)
    ).fetchone()
    domains = json.dumps(sorted({domain(child.address) for child in outcome.children}))
    queued = db.execute(
        "select n, address, path from recipient where item=? and domain in (select value from json_each(?))",
        (item, domains),
    ).fetchall()
    names = {steps.name(child.address, child.path): child for child in outcome.children}
    reached = db.execute(
        "select address from reached where item=? and address in (select value from json_each(?))",
        (item, json.dumps(list(names))),
    ).fetchall()
    waiting = {steps.name(address, tuple(path.split("\n"))) for n, address, path in queued if n not in leaving}
    taken = named | waiting | {row[0] for row in reached}
    named.update(names)
    first = State.HOLD if state in (State.HOLD, HELD) else State.INCOMING
    return [
        row(item, child, outcome.due, first, sender, priority) for name, child in names.items() if name not in taken
    ]


def _defer(db: sqlite3.Connection, item: int, outcome: Outcome) -> None:
    db.execute(
        "update recipient set state=case when state in (3, 5) or ? then 3 else 2 end, due=?, attempts=attempts+1, code=?,"
        " enhanced=?, reply=?, remote=?, tls=?, tried=?, warned=max(warned, ?) where item=? and n=?",
        (outcome.held, outcome.due, outcome.reply.code, outcome.reply.enhanced, outcome.reply.text, outcome.remote,
         outcome.tls, outcome.when, outcome.warned, item, outcome.n),
    )  # fmt: skip


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
    spools = db.execute(f"select json_group_array(distinct spool){_UNUSED} and spool is not null", (ids,)).fetchone()[0]
    db.execute(f"delete{_UNUSED}", (ids,))
    if spools != "[]":  # a report that returns the message may share its file
        unshared = "select json_group_array(value) from json_each(?) where not exists"
        alone = db.execute(f"{unshared} (select 1 from content where spool = value)", (spools,)).fetchone()[0]
        told.spools.extend(json.loads(alone))
