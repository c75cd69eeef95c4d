"""The units of the queue: put, settle, and what goes with the last recipient of a message."""

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Sequence

import msgspec

from mailhub.model import steps
from mailhub.model.errors import Temporary

from ..api import Fate, Filing, NewContent, NewItem, Outcome, Settle, State
from ..queue_rows import HELD, domain, parameters_text, row, verdict_text
from .contents import drop_contents, insert_contents, refer_contents
from .engine import KEPT, Tx
from .filing import Source, file_messages, source_of
from .sieve import fresh, remember_marks
from .suppressions import remember
from .webhooks import notify

QUARANTINED = '{"action":3,'  # how the verdict of mail begins that is held because of it
_WAITS = "state in (0, 2)"
_KEY = 500  # characters of what a row is found by
_COLUMNS = (
    "item, n, address, orcpt, notify, depth, parent, path, state, due, attempts, code, enhanced, reply, remote, warned,"
    " domain, sender, priority, tls, tried, flow_id, lease"
)


def flow_of(domain: str, sender: str) -> bytes:
    """What a sender's mail for a domain is filed under."""
    return hashlib.blake2b(f"{domain}\n{sender}".encode("utf-8", "surrogatepass"), digest_size=16).digest()


async def insert_items(
    tx: Tx,
    items: Sequence[NewItem],
    node: int,
    contents: Sequence[NewContent] = (),
    leases: "dict[int, int] | None" = None,
) -> None:
    """Idempotent by the items' ids. `contents`: others than theirs that they may be made of. `leases`: by item, of those that the
    caller attempts at once. Temporary where another node has given one of the ids."""
    if not items:
        return
    there = dict(await tx.all("select id, node from item where id in %s for update", [item.id for item in items]))
    if any(owner != node for owner in there.values()):
        raise Temporary("store: another mailhub has a message of that id")
    items = [item for item in items if item.id not in there]
    new = {c.id: c for c in (*contents, *(i.content for i in items if not isinstance(i.content, int)))}
    refs = Counter(item.content if isinstance(item.content, int) else item.content.id for item in items)
    await insert_contents(tx, [content for number, content in new.items() if number in refs], refs)
    await refer_contents(tx, {number: count for number, count in refs.items() if number not in new})
    await tx.insert(
        "insert into item (id, node, content, sender, created, priority, parameters, origin, filter, verdict, quarantined)",
        [_item(item, node) for item in items],
    )
    await insert_recipients(tx, [
        (*row(item.id, recipient, item.due, _first_state(item, leases or {}), item.sender, item.parameters.priority),
         (leases or {}).get(item.id))
        for item in items for recipient in item.recipients
    ])  # fmt: skip


def _item(item: NewItem, node: int) -> tuple[object, ...]:
    content = item.content if isinstance(item.content, int) else item.content.id
    verdict = verdict_text(item.verdict)
    return (item.id, node, content, item.sender, item.created, item.parameters.priority, parameters_text(item.parameters),
            msgspec.json.encode(item.origin).decode(), item.filter, verdict,
            item.id if verdict.startswith(QUARANTINED) else None)  # fmt: skip


def _first_state(item: NewItem, leases: Collection[int]) -> State:
    if item.held:
        return State.HOLD
    return State.ACTIVE if item.id in leases else State.INCOMING


async def insert_recipients(tx: Tx, rows: Sequence[tuple[object, ...]]) -> None:
    """Rows as `queue_rows.row` makes them, with their lease."""
    whole = [
        (*one[:16], (filed := _short(str(one[16]))), *one[17:-1], flow_of(filed, str(one[17])), one[-1]) for one in rows
    ]
    await tx.insert(f"insert into recipient ({_COLUMNS})", whole, KEPT.format("n"))
    waiting = [
        (one[21], one[16], one[17], float(str(one[9]))) for one in whole if one[8] in (State.INCOMING, State.DEFERRED)
    ]
    await turn(tx, waiting)


def _short(text: str) -> str:
    """What a key has room for: commands and files in alias lists may be longer, and are no addresses."""
    return (
        text
        if len(text) <= _KEY
        else f"{text[: _KEY - 40]} {hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:39]}"
    )


async def turn(tx: Tx, flows: Iterable[tuple[object, object, object, float]]) -> None:
    """(id, domain, sender, due) of mail that waits from now on: its flow has its turn then, or sooner."""
    first: dict[object, tuple[object, ...]] = {}
    for flow in sorted(flows, key=lambda flow: -flow[3]):
        first[flow[0]] = flow
    rows = sorted(first.values(), key=lambda flow: bytes(flow[0]))  # type: ignore[call-overload]
    await tx.insert(
        "insert into flow (id, domain, sender, due)", rows, "on duplicate key update due = least(due, values(due))"
    )


async def tidy(tx: Tx, flows: Collection[bytes]) -> None:
    """Flows of which nothing waits any more go."""
    if flows:
        await tx.run(
            "delete from flow where id in %s and not exists (select 1 from recipient r where r.flow = flow.id)",
            sorted(flows),
        )


class Put(msgspec.Struct, frozen=True):
    """`lease`: its recipients are leased from the first; 0: they are not."""

    item: NewItem
    node: int
    lease: int

    async def apply(self, tx: Tx) -> None:
        await insert_items(tx, [self.item], self.node, leases={self.item.id: self.lease} if self.lease else {})
        if self.item.mark is not None:
            await remember_marks(tx, [self.item.mark], self.item.created)


class Record(msgspec.Struct, frozen=True):
    """api.Settle. Recipients that the lease does not hold any more were settled by an earlier try, or are another node's now; how many
    it still held is what comes back."""

    unit: Settle
    lease: int
    node: int
    now: int

    async def apply(self, tx: Tx) -> int:
        unit, item = self.unit, self.unit.item
        # one at a time for each message, on all nodes: who takes its last recipient away has to see that it is the last
        if not await tx.run("update item set settled = settled + 1 where id = %s", item):
            return 0
        states = dict(await tx.all(
            "select n, state from recipient where item = %s and lease = %s and n in %s for update",
            item, self.lease, [outcome.n for outcome in unit.outcomes],
        ))  # fmt: skip
        outcomes = [outcome for outcome in unit.outcomes if outcome.n in states]
        if not outcomes:
            return 0
        gone = [outcome.n for outcome in outcomes if outcome.fate != Fate.DEFERRED]
        for outcome in outcomes:
            if outcome.fate == Fate.DEFERRED:
                await _defer(tx, item, outcome, states[outcome.n])
        await tx.insert(
            "insert into reached (item, address)",
            [(item, _short(address)) for address in unit.reached],
            KEPT.format("item"),
        )
        await self._expand(tx, outcomes)
        filings = [filing for outcome in outcomes for filing in outcome.filings]
        if filings:
            await file_messages(tx, filings, await self._sources(tx, filings), self.now)
        births = [birth.item for birth in unit.births if birth.once is None or await fresh(tx, birth.once, self.now)]
        await insert_items(tx, [*births, *unit.born], self.node, unit.contents)
        await remember_marks(tx, unit.marks, self.now)
        await notify(tx, [notice for notice in unit.notices if notice.n in states])
        if unit.memory is not None:
            await remember(tx, unit.memory)
        if gone:
            await tx.run("delete from recipient where item = %s and n in %s", item, gone)
            await drop_items(tx, [item])
        return len(outcomes)

    async def _sources(self, tx: Tx, filings: Sequence[Filing]) -> dict[int, Source]:
        """By id, of what the filed messages are made."""
        sources = {content.id: source_of(content) for content in self.unit.contents}
        stored = {filing.content for filing in filings} - set(sources)
        if stored:
            for number, *rest in await tx.all("select id, prefix, body, tail from content where id in %s", stored):
                sources[number] = Source(*rest)
        if missing := {filing.content for filing in filings} - set(sources):
            raise Temporary(f"content {min(missing)} is gone")
        return sources

    async def _expand(self, tx: Tx, outcomes: Sequence[Outcome]) -> None:
        leaving = {outcome.n for outcome in outcomes if outcome.fate == Fate.EXPANDED}
        named: set[str] = set()
        rows: list[tuple[object, ...]] = []
        for outcome in outcomes:
            if outcome.children:
                rows += await _children(tx, self.unit.item, outcome, leaving, named)
        await insert_recipients(tx, rows)


async def _children(
    tx: Tx, item: int, outcome: Outcome, leaving: set[int], named: set[str]
) -> list[tuple[object, ...]]:
    """As store.sqlite.queue_units has it: left out are addresses that the message is queued for anyway, that it has reached, and that
    are `named` by another child, to which these are added."""
    found = await tx.one("select state, sender, priority from recipient where item = %s and n = %s", item, outcome.n)
    assert found is not None
    state, sender, priority = found
    queued = await tx.all(
        "select n, address, path from recipient where item = %s and domain in %s",
        item, {_short(domain(child.address)) for child in outcome.children},
    )  # fmt: skip
    names = {steps.name(child.address, child.path): child for child in outcome.children}
    shorts = {_short(name): name for name in names}
    reached = await tx.all("select address from reached where item = %s and address in %s", item, list(shorts))
    waiting = {steps.name(address, tuple(path.split("\n"))) for n, address, path in queued if n not in leaving}
    taken = named | waiting | {shorts[one[0]] for one in reached}
    named.update(names)
    first = State.HOLD if state in (State.HOLD, HELD) else State.INCOMING
    return [
        (*row(item, child, outcome.due, first, sender, priority), None)
        for name, child in names.items()
        if name not in taken
    ]


async def _defer(tx: Tx, item: int, outcome: Outcome, state: int) -> None:
    after = State.HOLD if outcome.held or state in (State.HOLD, HELD) else State.DEFERRED
    await tx.run(
        "update recipient set state = %s, due = %s, attempts = attempts + 1, code = %s, enhanced = %s, reply = %s, remote = %s,"
        " tls = %s, tried = %s, warned = greatest(warned, %s), lease = null where item = %s and n = %s",
        int(after), outcome.due, outcome.reply.code, outcome.reply.enhanced, outcome.reply.text, outcome.remote,
        outcome.tls, outcome.when, int(outcome.warned), item, outcome.n,
    )  # fmt: skip
    if after is State.DEFERRED:
        await turn(tx, await flows_of(tx, item, [outcome.n]))


async def flows_of(tx: Tx, item: int, numbers: Sequence[int]) -> list[tuple[bytes, str, str, float]]:
    """Of those recipients that wait."""
    rows = await tx.all(
        f"select flow_id, domain, sender, due from recipient where item = %s and n in %s and {_WAITS}",
        item,
        list(numbers),
    )
    return [(flow, domain, sender, float(due)) for flow, domain, sender, due in rows]


async def drop_items(tx: Tx, items: Sequence[int]) -> None:
    """Delete those items that have no recipient left, and content that nothing refers to any more."""
    done = await tx.all(
        "select id, content from item where id in %s and not exists (select 1 from recipient where recipient.item = item.id)"
        " for update",
        list(items),
    )
    if not done:
        return
    ended = [number for number, _ in done]
    await tx.run("delete from item where id in %s", ended)
    await tx.run("delete from reached where item in %s", ended)
    await drop_contents(tx, [content for _, content in done])
