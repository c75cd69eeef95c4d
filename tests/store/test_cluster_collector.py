"""A body that comes again while it is collected: it is there, or whoever brought it is told that it is not. Two nodes, each step of either."""

import asyncio
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import pytest
from support.stores import CLOCK, Stores, emptied

from mailhub.model.errors import Temporary
from mailhub.model.reply import Reply
from mailhub.store.api import Fate, NewContent, NewItem, NewRecipient, Outcome, Settle
from mailhub.store.mysql.engine import Tx
from mailhub.store.mysql.queue_units import Put

OCTETS = b"z" * 100_000
OK = Reply(250, "2.0.0", "Ok")
ROLE: ContextVar[str] = ContextVar("role", default="")
PATIENCE = 0.3  # seconds for one to go on while the other stands, where it does not wait for it in the database


@pytest.fixture(params=["mariadb_server", pytest.param("galera_node", marks=pytest.mark.slow)])
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stores]:
    with emptied(request.getfixturevalue(request.param), tmp_path) as made:
        yield made


class Gate:
    """Who has that role stands still behind so many statements."""

    def __init__(self, role: str, statements: int) -> None:
        self._role, self._left = role, statements
        self.reached, self.open = asyncio.Event(), asyncio.Event()

    async def passed(self) -> None:
        if ROLE.get() == self._role:
            self._left -= 1
            if self._left == 0:
                self.reached.set()
                await self.open.wait()


async def sent(store: Any) -> Put:
    """The unit of a large message that is delivered, and whose body is doomed."""
    writer = store.queue.body_writer()
    writer.feed(OCTETS)
    number = store.queue.new_id()
    item = NewItem(
        number, NewContent(number, b"P", await writer.finish()), "a@b.c", (NewRecipient(0, "x@else.test"),), 0, 0
    )
    put = await store.queue.put(item)
    await store.queue.settle(Settle(put.id, put.lease, (Outcome(0, Fate.RELAYED, OK),)))
    return Put(item, store.nodes.number, 0)


async def in_role(role: str, work: Any) -> Any:
    ROLE.set(role)
    return await work


@pytest.mark.parametrize("stands", ["collects", "puts"])
async def test_what_is_put_again_is_there_or_refused(
    stores: Stores, monkeypatch: pytest.MonkeyPatch, stands: str
) -> None:
    gates: list[Gate] = []
    for name in ("all", "run"):
        told = getattr(Tx, name)

        async def watched(self: Tx, text: str, *values: object, told: Any = told) -> Any:
            found = await told(self, text, *values)
            for gate in gates:
                await gate.passed()
            return found

        monkeypatch.setattr(Tx, name, watched)
    a, b = stores.make("a"), stores.make("b")
    await a.open()
    await b.open()
    outcomes: list[bool] = []
    statements = 0
    while True:
        statements += 1
        unit = await sent(b)
        gate = Gate(stands, statements)
        gates[:] = [gate]
        work = {
            "collects": lambda: in_role("collects", a.collector.collect(-1.0)),
            "puts": lambda unit=unit: in_role("puts", b.engine.do(unit, again=True)),
        }
        first = asyncio.create_task(work.pop(stands)())
        reached = asyncio.create_task(gate.reached.wait())
        await asyncio.wait({first, reached}, return_when=asyncio.FIRST_COMPLETED)
        ((_, other),) = work.items()
        second = asyncio.create_task(other())
        await asyncio.wait({second}, timeout=PATIENCE)
        gate.open.set()
        gates.clear()
        ended = await asyncio.gather(first, second, return_exceptions=True)
        put = ended[1] if stands == "collects" else ended[0]
        assert put is None or isinstance(put, Temporary), put
        reached.cancel()
        await a.collector.collect(-1.0)
        if put is not None:
            assert (stores.count("item"), stores.count("body"), stores.bodies()) == (0, 0, [])
        else:
            assert len(stores.bodies()) == 1, f"behind statement {statements} of who {stands}"
            (item,) = await a.queue.lease(CLOCK.now(), 10)
            assert b"".join([part async for part in item.content.blocks()]) == b"P" + OCTETS
            await a.queue.settle(Settle(item.id, item.lease, (Outcome(0, Fate.RELAYED, OK),)))
            await a.collector.collect(-1.0)
            assert (stores.count("body"), stores.bodies()) == (0, [])
        outcomes.append(put is None)
        if not gate.reached.is_set():
            break
    assert {True, False} == set(outcomes), "each was quicker once"
    assert statements > 4
    await a.close()
    await b.close()


async def test_that_a_body_is_gone_is_known_for_a_while(stores: Stores) -> None:
    store = stores.make()
    await store.open()
    unit = await sent(store)
    await store.collector.collect(-1.0)
    with pytest.raises(Temporary, match="is gone"):
        await store.engine.do(unit, again=True)
    assert stores.count("doomed") == 1
    stores.run("update doomed set since = since - 4000, gone = gone - 4000")
    await store.collector.collect(300.0)
    assert stores.count("doomed") == 0
    await store.close()
