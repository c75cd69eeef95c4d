"""What the queue reads, in the reading lane: whose turn it is, items by id, pages, counts. No statement goes over the whole
queue, but by bounded steps."""

import json
import sqlite3
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import msgspec
from msgspec.structs import replace

from mailhub.model.envelope import Origin

from ..api import Body, Busy, Item, QueueCounts, QueuedRecipient, QueueFilter, State
from ..bodies import StoredContent
from ..queue_rows import RECIPIENT, moment, parameters_of, recipient_of, state_of, verdict_of
from .queue_changes import QUARANTINED, where

LEASED = 1_000  # recipients of an item that one lease gives; of all items, it does not begin one beyond that
_STEP = 1_000  # items looked at in one call
_URGENT = 200  # recipients with priority that are looked at for one lease
_ROWS = 50  # recipients of a flow that are looked at for each item to be leased
_COUNTED = 1_000  # rows of counts
_WAITING = "state in (0, 2)"  # the words of the partial indices

Open = Callable[[int, bytes, Body, bytes], StoredContent]

DUE_FLOWS = (
    "select domain, sender from flow where due <= ? and domain not in (select value from json_each(?))"
    " and sender not in (select value from json_each(?)) order by due limit ?"
)
NEXT_FLOW = (
    "select due from flow where domain not in (select value from json_each(?))"
    " and sender not in (select value from json_each(?)) order by due limit 1"
)
URGENT = f"select item, priority, domain, sender from recipient where {_WAITING} and priority > 0 and due <= ? order by due limit ?"
OF_FLOW = f"select item from recipient where domain = ? and sender = ? and {_WAITING} and due <= ? order by due limit ?"
# All of a message where one lease has room for them: aliases are expanded beside the addresses that they may stand for.
DUE_OF_ITEM = (
    f"select n from recipient where item = ? and {_WAITING} and due <= ?"
    " order by domain in (select value from json_each(?)), n limit ?"
)
RECIPIENTS = f"select {RECIPIENT} from recipient where item in (select value from json_each(?))"
ITEMS = (
    "select item.id, item.content, sender, created, parameters, origin, filter, verdict, content.size, content.spool,"
    " content.prefix, content.tail, length(content.body) from item left join content on content.id = item.content"
    " where item.id in (select value from json_each(?))"
)
STEP = "select distinct item from recipient where item > ? order by item limit ?"
STEP_OF_QUARANTINE = f"select id from item where {QUARANTINED} and id > ? order by id limit ?"
QUARANTINE = (
    "select count(*), coalesce(sum(content.size + length(content.prefix)), 0) from item join content on content.id = item.content"
    f" where {QUARANTINED} and exists (select 1 from recipient where item = item.id and state = 3)"
)
STEP_OF_DOMAIN = "select distinct item from recipient where domain = ? and item > ? order by item limit ?"
COUNTS = (
    "select domain, state, recipients, (select created from item where id ="
    " (select min(item) from recipient where recipient.domain = tally.domain)) from tally order by recipients desc limit ?"
)
LARGEST = "select domain from tally group by domain order by sum(recipients) desc limit ?"
AGES = "select count(*) from (select 1 from recipient where domain = ? and item between ? and ? limit ?)"
TOTALS = "select (select count from total where name = 'items'), (select count from total where name = 'recipients')"


class Damaged(Exception):
    """A message of the queue cannot be read."""


class QueueReads:
    """On the reading connection. `open_content` makes a Content of (id, prefix, body, tail)."""

    def __init__(self, db: sqlite3.Connection, open_content: Open) -> None:
        self._db, self._open = db, open_content

    # --- whose turn it is ------------------------------------------------------------------------------------------

    def turns(self, now: float, limit: int, busy: Busy) -> tuple[list[tuple[int, int]], list[tuple[str, str]]]:
        """Recipients (item, n) to be leased, and the flows they were found by."""
        domains, senders = json.dumps(list(busy.domains)), json.dumps(list(busy.senders))
        items: dict[int, None] = {}
        flows = dict.fromkeys(self._urgent(now, max(1, limit // 2), busy, items))
        found = self._db.execute(DUE_FLOWS, (now, domains, senders, limit)).fetchall()
        for rest, (domain, sender) in zip(range(len(found), 0, -1), found, strict=True):
            flows[domain, sender] = None
            self._take_of((domain, sender), now, -(-max(0, limit - len(items)) // rest), items)
        chosen: list[tuple[int, int]] = []
        for item in items:
            if len(chosen) >= LEASED:
                break
            rows = self._db.execute(DUE_OF_ITEM, (item, now, domains, LEASED)).fetchall()
            chosen.extend((item, row[0]) for row in rows)
        return chosen, list(flows)

    def _urgent(self, now: float, limit: int, busy: Busy, items: dict[int, None]) -> list[tuple[str, str]]:
        """Half of a page at the most, so that urgent mail overtakes and never starves what is not."""
        rows = self._db.execute(URGENT, (now, _URGENT)).fetchall()
        free = [row for row in rows if row[2] not in busy.domains and row[3] not in busy.senders]
        chosen = sorted(free, key=lambda row: -row[1])[:limit]
        items.update(dict.fromkeys(row[0] for row in chosen))
        return [(row[2], row[3]) for row in chosen]

    def _take_of(self, flow: tuple[str, str], now: float, share: int, items: dict[int, None]) -> None:
        if share:
            rows = self._db.execute(OF_FLOW, (*flow, now, share * _ROWS)).fetchall()
            new = [item for item in dict.fromkeys(row[0] for row in rows) if item not in items]
            items.update(dict.fromkeys(new[:share]))

    def next_due(self, busy: Busy) -> float | None:
        values = (json.dumps(list(busy.domains)), json.dumps(list(busy.senders)))
        row = self._db.execute(NEXT_FLOW, values).fetchone()
        return None if row is None else float(row[0])

    # --- items -----------------------------------------------------------------------------------------------------

    def leased(self, number: int, recipients: Sequence[int], size: Callable[[str], int | None]) -> Item:
        """An item with these recipients; Damaged where any part of it is not as it should be. `size` is that of a spool
        file."""
        try:
            rows, recipients_of = self._rows([number]), self._recipients([number])
        except sqlite3.DatabaseError as error:
            raise _damage(error) from error
        if not rows:
            raise Damaged("its row is missing")
        row = rows[0]
        *_, told, spool, prefix, _, inline = row
        if prefix is None:
            raise Damaged("its content is missing")
        there = inline if spool is None else size(spool)
        if there != told:
            raise Damaged(f"its body has {there} octets of {told}")
        wanted = set(recipients)
        try:
            there_are = recipients_of.get(number, [])
            found = tuple(r for r in there_are if r.n in wanted)
            return replace(self._item(row, found), whole=len(found) == len(there_are))
        except (ValueError, TypeError, msgspec.MsgspecError) as error:
            raise Damaged(str(error)) from error

    def shown(self, numbers: Sequence[int]) -> list[Item]:
        """Items with all their recipients, as far as they can be read: one that is damaged does not hide the others."""
        try:
            rows, recipients_of = self._rows(numbers), self._recipients(numbers)
        except sqlite3.DatabaseError:
            if len(numbers) > 1:
                return [item for number in numbers for item in self.shown([number])]
            return [self._unreadable(number, ()) for number in numbers]
        by_number = {row[0]: row for row in rows}
        items = []
        for number, recipients in sorted(recipients_of.items()):
            try:
                items.append(self._item(by_number[number], tuple(recipients)))
            except (KeyError, ValueError, TypeError, msgspec.MsgspecError):
                items.append(self._unreadable(number, recipients))
        return items

    def _unreadable(self, number: int, recipients: Sequence[QueuedRecipient]) -> Item:
        return Item(number, self._open(0, b"", Body(0, b""), b""), "", number / 1_000_000, tuple(recipients))

    def _rows(self, numbers: Sequence[int]) -> list[tuple[Any, ...]]:
        return self._db.execute(ITEMS, (json.dumps(list(numbers)),)).fetchall()

    def _recipients(self, numbers: Sequence[int]) -> dict[int, list[QueuedRecipient]]:
        found: dict[int, list[QueuedRecipient]] = {}
        for row in self._db.execute(RECIPIENTS, (json.dumps(list(numbers)),)).fetchall():
            found.setdefault(row[0], []).append(recipient_of(row))
        return found

    def _item(self, row: Sequence[Any], recipients: tuple[QueuedRecipient, ...]) -> Item:
        number, content, sender, created, parameters, origin, taken_by, verdict, size, spool, prefix, tail, _ = row
        stored = self._open(content, prefix, Body(size, None, spool), tail)
        return Item(number, stored, sender, created, recipients, parameters_of(parameters),
                    msgspec.json.decode(str(origin), type=Origin), taken_by, verdict=verdict_of(verdict))  # fmt: skip

    def body(self, content: int) -> bytes | None:
        row = self._db.execute("select body from content where id=?", (content,)).fetchone()
        return row[0] if row is not None and isinstance(row[0], bytes) else None

    # --- pages and counts ------------------------------------------------------------------------------------------

    def step(self, which: QueueFilter, after: int) -> tuple[list[int], int, int | None]:
        """Ids above `after` that match, of so many that were looked at, up to which; None where there are no more."""
        if which.ids:
            numbers = sorted(number for number in set(which.ids) if number > after)[:_STEP]
        elif which.quarantined:
            numbers = self._numbers(STEP_OF_QUARANTINE, after)
        elif which.recipient is not None and which.recipient[:1] == "@":
            numbers = self._numbers(STEP_OF_DOMAIN, which.recipient[1:].lower(), after)
        else:
            numbers = self._numbers(STEP, after)
        term, values = where(which)
        found = self._db.execute(
            f"select distinct item from recipient where item in (select value from json_each(:ids)) and {term} order by item",
            values | {"ids": json.dumps(numbers)},
        ).fetchall()
        return [row[0] for row in found], len(numbers), numbers[-1] if len(numbers) == _STEP else None

    def _numbers(self, statement: str, *values: object) -> list[int]:
        return [row[0] for row in self._db.execute(statement, (*values, _STEP)).fetchall()]

    def counts(self) -> QueueCounts:
        items, recipients = self._db.execute(TOTALS).fetchone()
        found: dict[tuple[str, State], tuple[int, float]] = {}
        for domain, state, count, oldest in self._db.execute(COUNTS, (_COUNTED,)).fetchall():
            before, _ = found.get((domain, state_of(state)), (0, 0.0))
            found[domain, state_of(state)] = (before + count, oldest or 0.0)
        return QueueCounts(items, recipients, tuple((*key, *value) for key, value in found.items()))

    def quarantine_size(self) -> tuple[int, int]:
        messages, octets = self._db.execute(QUARANTINE).fetchone()
        return messages, octets

    def ages(self, edges: Sequence[float], domains: int, limit: int) -> list[tuple[str, tuple[int, ...]]]:
        """Ids are times of arrival."""
        bounds = [1 << 63, *map(moment, edges), 0]
        spans = [(low, high - 1) for high, low in pairwise(bounds)]
        return [
            (domain, tuple(self._db.execute(AGES, (domain, *span, limit)).fetchone()[0] for span in spans))
            for (domain,) in self._db.execute(LARGEST, (domains,)).fetchall()
        ]


def _damage(error: sqlite3.DatabaseError) -> Exception:
    """A row that is malformed, or text that is none, is damage; busy, full and I/O errors say nothing of the message."""
    passing = isinstance(error, sqlite3.OperationalError) and "decode" not in str(error)
    return error if passing else Damaged(str(error))
