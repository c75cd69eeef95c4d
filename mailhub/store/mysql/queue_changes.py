"""Leases and the operator's changes. Each unit touches a bounded number of items."""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from ..api import Act, QueueFilter
from ..queue_rows import HELD
from .engine import Tx
from .nodes import BACK
from .queue_reads import Chosen, where
from .queue_units import drop_items, flows_of, tidy, turn

_LEASED = f"state in (1, {HELD})"
_WAITS = "state in (0, 2)"
_MENDED = 1_000  # flows


class Take(Struct, frozen=True):
    """Lease recipients, as far as they still wait, and give their flows the next turn: behind all that is due now.

    Returns the numbers of those taken, by item. `leases`: one for each item.
    """

    now: float
    chosen: Chosen
    flows: Sequence[bytes]
    leases: Mapping[int, int]

    async def apply(self, tx: Tx) -> Chosen:
        taken: Chosen = {}
        for item, numbers in sorted(self.chosen.items()):
            lease = self.leases[item]
            if await tx.run(
                f"update recipient set state = 1, lease = %s where item = %s and n in %s and {_WAITS}",
                lease,
                item,
                numbers,
            ):
                rows = await tx.all("select n from recipient where item = %s and lease = %s order by n", item, lease)
                taken[item] = [n for (n,) in rows]
        for flow in sorted(self.flows):
            await tx.one(
                "select due from flow where id = %s for update", flow
            )  # who puts mail into it comes before or after
            row = await tx.one("select min(due) from recipient where flow = %s", flow)
            if row is None or row[0] is None:
                await tidy(tx, [flow])
            else:
                await tx.run("update flow set due = %s where id = %s", max(self.now, float(row[0])), flow)
        return taken


class Mend(Struct, frozen=True):
    """Flows that have lost their turn, or have it too late, get it: how many. Who puts mail into a flow writes its row only where the turn
    comes sooner by that, so that another node's Take, at the same moment, may not have seen the one, and the other not the Take."""

    now: float

    async def apply(self, tx: Tx) -> int:
        lost = await tx.all(
            "select waiting.flow from (select distinct flow from recipient where flow is not null) waiting"
            " left join flow on flow.id = waiting.flow where flow.id is null limit %s",
            _MENDED,
        )  # fmt: skip
        late = await tx.all(
            "select flow.id from flow join recipient on recipient.flow = flow.id where flow.due > %s"
            " group by flow.id, flow.due having min(recipient.due) < flow.due limit %s",
            self.now, _MENDED,
        )  # fmt: skip
        flows = {flow for (flow,) in (*lost, *late)}
        if flows:
            rows = await tx.all(
                "select flow, domain, sender, min(due) from recipient where flow in %s group by flow, domain, sender",
                flows,
            )
            await turn(tx, [(flow, domain, sender, float(due)) for flow, domain, sender, due in rows])
        return len(flows)


class Release(Struct, frozen=True):
    """Give recipients back as they were, or due at another time, as far as the lease still holds them."""

    item: int
    lease: int
    numbers: Sequence[int]
    due: float | None = None

    async def apply(self, tx: Tx) -> None:
        found = await tx.all(
            "select n from recipient where item = %s and lease = %s and n in %s for update",
            self.item,
            self.lease,
            self.numbers,
        )
        numbers = [n for (n,) in found]
        if numbers:
            await tx.run(
                f"update recipient set state = {BACK}, due = coalesce(%s, due), lease = null where item = %s and n in %s",
                self.due, self.item, numbers,
            )  # fmt: skip
            await turn(tx, await flows_of(tx, self.item, numbers))


class Corrupt(Struct, frozen=True):
    """Set an item aside that cannot be read: the recipients that were leased to see that, and all that wait."""

    item: int
    lease: int

    async def apply(self, tx: Tx) -> None:
        flows = await tx.all("select distinct flow_id from recipient where item = %s", self.item)
        await tx.run(
            f"update recipient set state = 4, lease = null where item = %s and ({_WAITS} or lease = %s)",
            self.item,
            self.lease,
        )
        await tidy(tx, [flow for (flow,) in flows])


# What an act does to a recipient, and which states it applies to (of those that the filter asks for).
_ASSIGNMENTS: Mapping[Act, tuple[str, tuple[int, ...]]] = {
    Act.HOLD: (f"state = case when {_LEASED} then {HELD} else 3 end", (0, 1, 2, 4)),
    Act.UNHOLD: (f"due = %s, state = case state when {HELD} then 1 else 2 end", (3, 4, HELD)),
    Act.RETRY: ("due = %s", (0, 2)),
    Act.REQUEUE: ("due = %s, state = 0, attempts = 0", (0, 2, 3, 4)),
}


class Change(Struct, frozen=True):
    """An act on those recipients of the items `ids` that the filter means. Returns how many items it touched."""

    ids: tuple[int, ...]
    act: Act
    which: QueueFilter
    now: float

    async def apply(self, tx: Tx) -> int:
        await tx.run("update item set settled = settled + 1 where id in %s", sorted(self.ids))
        if self.act is Act.REMOVE:
            return await self._remove(tx)
        assignment, states = _ASSIGNMENTS[self.act]
        term, values = where(self.which)
        rows = await tx.all(
            f"select item, n, flow_id, domain, sender from recipient where item in %s and {term} and state in %s for update",
            sorted(self.ids), *values, states,
        )  # fmt: skip
        given = [self.now] if "%s" in assignment else []
        by_item: dict[int, list[int]] = {}
        for item, n, *_ in rows:
            by_item.setdefault(item, []).append(n)
        for item, numbers in sorted(by_item.items()):
            await tx.run(f"update recipient set {assignment} where item = %s and n in %s", *given, item, numbers)
        if self.act is Act.HOLD:
            await tidy(tx, {row[2] for row in rows})
        else:
            await turn(tx, {(*row[2:], self.now) for row in rows})
        return len(by_item)

    async def _remove(self, tx: Tx) -> int:
        """An item under delivery is left alone as a whole."""
        active = {item for (item,) in await tx.all(
            f"select distinct item from recipient where item in %s and {_LEASED}", sorted(self.ids)
        )}  # fmt: skip
        free = sorted(set(self.ids) - active)
        term, values = where(self.which)
        rows = await tx.all(
            f"select item, n, flow_id from recipient where item in %s and {term} for update", free, *values
        )
        by_item: dict[int, list[int]] = {}
        for item, n, _ in rows:
            by_item.setdefault(item, []).append(n)
        for item, numbers in sorted(by_item.items()):
            await tx.run("delete from recipient where item = %s and n in %s", item, numbers)
        await tidy(tx, {row[2] for row in rows})
        await drop_items(tx, free)
        return len(by_item)
