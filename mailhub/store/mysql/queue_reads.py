"""What the queue reads: whose turn it is, items by id, pages, counts. Questions are bounded by steps; counts go over an index."""

import asyncio
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import msgspec
from msgspec.structs import replace

from mailhub.model.clock import Clock
from mailhub.model.envelope import Origin

from ..api import Body, Busy, Item, QueueCounts, QueuedRecipient, QueueFilter, State
from ..bodies import StoredContent
from ..queue_rows import HELD, RECIPIENT, moment, parameters_of, recipient_of, state_of, verdict_of
from .engine import Engine, Tx

LEASED = 1_000  # recipients of an item that one lease gives; of all items, it does not begin one beyond that
STEP = 1_000  # items looked at in one call
_URGENT = 200  # recipients with priority that are looked at for one lease
_ROWS = 50  # recipients of a flow that are looked at for each item to be leased
_COUNTED = 1_000  # rows of counts
_GOOD = 5.0  # seconds for which counts do
_CHEAP = 0.1  # seconds that they may take whenever they are asked for
_SHARE = 20
_WAITS = "state in (0, 2)"
_ITEM = (
    "select item.id, item.content, item.sender, item.created, item.parameters, item.origin, item.filter, item.verdict,"
    " content.size, content.body, body.object, content.prefix, content.tail, body.id from item"
    " left join content on content.id = item.content left join body on body.id = content.body where item.id in %s"
)

Open = Callable[[int, bytes, Body, bytes], StoredContent]
Chosen = dict[int, list[int]]  # numbers of recipients by item


class Damaged(Exception):
    """A message of the queue cannot be read."""


# --- whose turn it is ----------------------------------------------------------------------------------------------------


async def turns(tx: Tx, now: float, limit: int, busy: Busy) -> tuple[Chosen, list[bytes]]:
    """Recipients to be leased, and the flows they were found by."""
    domains, senders = sorted(busy.domains), sorted(busy.senders)
    items: dict[int, None] = {}
    flows = dict.fromkeys(await _urgent(tx, now, max(1, limit // 2), busy, items))
    terms = "".join([" and domain not in %s" if domains else "", " and sender not in %s" if senders else ""])
    found = await tx.all(
        f"select id from flow where due <= %s{terms} order by due limit %s",
        now, *(value for value in (domains, senders) if value), limit,
    )  # fmt: skip
    for rest, (flow,) in zip(range(len(found), 0, -1), found, strict=True):
        flows[flow] = None
        share = -(-max(0, limit - len(items)) // rest)
        if share:
            rows = await tx.all(
                "select item from recipient where flow = %s and due <= %s order by due limit %s",
                flow,
                now,
                share * _ROWS,
            )
            new = [item for item in dict.fromkeys(row[0] for row in rows) if item not in items]
            items.update(dict.fromkeys(new[:share]))
    chosen: Chosen = {}
    left = LEASED
    for item in items:
        if left <= 0:
            break
        rows = await tx.all(
            f"select n from recipient where item = %s and {_WAITS} and due <= %s order by domain in %s, n limit %s",
            item, now, domains, LEASED,
        )  # fmt: skip
        chosen[item] = [n for (n,) in rows]
        left -= len(rows)
    return chosen, list(flows)


async def _urgent(tx: Tx, now: float, limit: int, busy: Busy, items: dict[int, None]) -> list[bytes]:
    """Half of a page at the most, so that urgent mail overtakes and never starves what is not."""
    rows = await tx.all(
        "select item, priority, domain, sender, flow_id from recipient where urgent = 1 and due <= %s order by due limit %s",
        now, _URGENT,
    )  # fmt: skip
    free = [row for row in rows if row[2] not in busy.domains and row[3] not in busy.senders]
    chosen = sorted(free, key=lambda row: -int(row[1]))[:limit]
    items.update(dict.fromkeys(row[0] for row in chosen))
    return [row[4] for row in chosen]


async def next_due(tx: Tx, busy: Busy) -> float | None:
    domains, senders = sorted(busy.domains), sorted(busy.senders)
    terms = " and ".join(
        ["true", *(["domain not in %s"] if domains else []), *(["sender not in %s"] if senders else [])]
    )
    row = await tx.one(
        f"select due from flow where {terms} order by due limit 1", *(value for value in (domains, senders) if value)
    )
    return None if row is None else float(row[0])


# --- items ---------------------------------------------------------------------------------------------------------------


class ItemReads:
    """`open_content` makes a Content of (id, prefix, body, tail)."""

    def __init__(self, open_content: Open) -> None:
        self._open = open_content

    async def leased(self, tx: Tx, number: int, recipients: Sequence[int]) -> Item:
        """An item with these recipients; Damaged where any part of it is not as it should be."""
        rows, recipients_of = await self._rows(tx, [number]), await self._recipients(tx, [number])
        if not rows:
            raise Damaged("its row is missing")
        if rows[0][8] is None:
            raise Damaged("its content is missing")
        if rows[0][13] is None:
            raise Damaged("its body is missing")
        wanted = set(recipients)
        there_are = recipients_of.get(number, [])
        found = tuple(r for r in there_are if r.n in wanted)
        try:
            return replace(self._item(rows[0], found), whole=len(found) == len(there_are))
        except (ValueError, TypeError, msgspec.MsgspecError) as error:
            raise Damaged(str(error)) from error

    async def shown(self, tx: Tx, numbers: Sequence[int]) -> list[Item]:
        """Items with all their recipients, as far as they can be read: one that is damaged does not hide the others."""
        by_number = {row[0]: row for row in await self._rows(tx, numbers)}
        items = []
        for number, recipients in sorted((await self._recipients(tx, numbers)).items()):
            try:
                items.append(self._item(by_number[number], tuple(recipients)))
            except (KeyError, ValueError, TypeError, msgspec.MsgspecError):
                content = self._open(0, b"", Body(0, b""), b"")
                items.append(Item(number, content, "", number / 1_000_000, tuple(recipients)))
        return items

    async def _rows(self, tx: Tx, numbers: Sequence[int]) -> list[tuple[Any, ...]]:
        return await tx.all(_ITEM, list(numbers))

    async def _recipients(self, tx: Tx, numbers: Sequence[int]) -> dict[int, list[QueuedRecipient]]:
        found: dict[int, list[QueuedRecipient]] = {}
        for row in await tx.all(f"select {RECIPIENT} from recipient where item in %s order by item, n", list(numbers)):
            found.setdefault(row[0], []).append(recipient_of(row))
        return found

    def _item(self, row: Sequence[Any], recipients: tuple[QueuedRecipient, ...]) -> Item:
        number, content, sender, created, parameters, origin, taken_by, verdict, size, key, name, prefix, tail, _ = row
        stored = self._open(content, prefix, Body(size, None, name or key.hex()), tail)
        return Item(number, stored, sender, float(created), recipients, parameters_of(parameters),
                    msgspec.json.decode(origin, type=Origin), taken_by, verdict=verdict_of(verdict))  # fmt: skip


# --- pages and counts ----------------------------------------------------------------------------------------------------


def where(which: QueueFilter) -> tuple[str, list[object]]:
    """A filter as SQL over `recipient`."""
    terms: list[str] = []
    values: list[object] = []
    if which.sender is not None:
        exact = which.sender[:1] != "@"
        terms.append("recipient.sender = %s" if exact else "right(recipient.sender, %s) = %s")
        values += [which.sender] if exact else [len(which.sender), which.sender]
    if which.recipient is not None:
        terms.append("domain = %s" if which.recipient[:1] == "@" else "address = %s")
        values.append(which.recipient[1:].lower() if which.recipient[:1] == "@" else which.recipient)
    if which.states:
        terms.append("state in %s")
        values.append([*map(int, which.states), *([HELD] if State.ACTIVE in which.states else ())])
    if which.quarantined:
        terms.append("state = 3 and exists (select 1 from item where id = recipient.item and quarantined = id)")
    for sign, value in (("<", which.older_than), (">=", which.newer_than)):
        if value is not None:
            terms.append(f"(select created from item where id = recipient.item) {sign} %s")
            values.append(value)
    return " and ".join(terms) or "true", values


async def step(tx: Tx, which: QueueFilter, after: int) -> tuple[list[int], int, int | None]:
    """Ids above `after` that match, of so many that were looked at, up to which; None where there are no more."""
    if which.ids:
        numbers = sorted(number for number in set(which.ids) if number > after)[:STEP]
    elif which.quarantined:
        numbers = await _numbers(tx, "select id from item where quarantined > %s order by quarantined limit %s", after)
    elif which.recipient is not None and which.recipient[:1] == "@":
        numbers = await _numbers(
            tx, "select distinct item from recipient where domain = %s and item > %s order by item limit %s",
            which.recipient[1:].lower(), after,
        )  # fmt: skip
    else:
        numbers = await _numbers(
            tx, "select distinct item from recipient where item > %s order by item limit %s", after
        )
    term, values = where(which)
    found = await tx.all(
        f"select distinct item from recipient where item in %s and {term} order by item", numbers, *values
    )
    return [item for (item,) in found], len(numbers), numbers[-1] if len(numbers) == STEP else None


async def _numbers(tx: Tx, statement: str, *values: object) -> list[int]:
    return [number for (number,) in await tx.all(statement, *values, STEP)]


async def counts(tx: Tx) -> QueueCounts:
    totals = await tx.one("select (select count(*) from item), (select count(*) from recipient)")
    assert totals is not None
    found: dict[tuple[str, State], tuple[int, float]] = {}
    for domain, state, count, created in await tx.all(
        "select domain, state, some, (select created from item where id ="
        " (select min(item) from recipient where recipient.domain = most.domain))"
        " from (select domain, state, count(*) as some from recipient group by domain, state order by some desc limit %s) most",
        _COUNTED,
    ):
        key = (domain, state_of(state))
        before, _ = found.get(key, (0, 0.0))
        found[key] = (before + int(count), float(created or 0.0))
    return QueueCounts(int(totals[0]), int(totals[1]), tuple((*key, *value) for key, value in found.items()))


class Counts:
    """They go over an index of the whole queue: those that were found last do for a while where nothing changes here, and where they cost
    much, for twenty times as long as that took, so that whoever looks at the queue never takes more than a part of the database's time."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine, self._clock, self._asking = engine, clock, asyncio.Lock()
        self._found = QueueCounts(0, 0, ())
        self._good = self._least = float("-inf")  # they do until then: while nothing changes, and whatever changes
        self._changes = 0

    def changed(self) -> None:
        self._changes += 1
        self._good = self._least

    async def get(self) -> QueueCounts:
        async with self._asking:
            begun, changes = self._clock.monotonic(), self._changes
            if begun >= self._good:
                self._found = await self._engine.look(counts)
                now = self._clock.monotonic()
                self._least = now + _SHARE * (now - begun) if now - begun > _CHEAP else now
                self._good = max(self._least, now + _GOOD) if changes == self._changes else self._least
            return self._found


async def quarantine_size(tx: Tx) -> tuple[int, int]:
    row = await tx.one(
        "select count(*), coalesce(sum(content.size + length(content.prefix)), 0) from item join content on content.id = item.content"
        " where quarantined is not null and exists (select 1 from recipient where item = item.id and state = 3)"
    )
    assert row is not None
    return int(row[0]), int(row[1])


async def ages(tx: Tx, edges: Sequence[float], domains: int, limit: int) -> list[tuple[str, tuple[int, ...]]]:
    """Ids are times of arrival."""
    bounds = [(1 << 63) - 1, *map(moment, edges), 0]
    found = []
    for (domain,) in await tx.all(
        "select domain from recipient group by domain order by count(*) desc limit %s", domains
    ):
        sums = []
        for high, low in pairwise(bounds):
            row = await tx.one(
                "select count(*) from (select 1 from recipient where domain = %s and item between %s and %s limit %s) some",
                domain, low, high - 1, limit,
            )  # fmt: skip
            sums.append(int(row[0]) if row else 0)
        found.append((domain, tuple(sums)))
    return found
