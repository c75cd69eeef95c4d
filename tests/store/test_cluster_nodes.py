"""Several nodes on one store: whose a message is, who may settle it, and what each hears of the others."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from support.stores import CLOCK, Stores, emptied, queued

from mailhub.model.clock import VirtualClock
from mailhub.model.mailbox import SEEN, Changed, FlagOp
from mailhub.model.reply import Reply
from mailhub.store.api import (
    Body,
    Fate,
    Filing,
    NewContent,
    NewItem,
    NewMessage,
    NewRecipient,
    Outcome,
    QueueFilter,
    Settle,
    State,
)
from mailhub.store.mysql import looking, queue_reads

OK = Reply(250, "2.0.0", "Ok")
LATER = Reply(451, "4.0.0", "Later")
WHO = "alice@example.org"


@pytest.fixture(params=["mariadb_server", pytest.param("galera_node", marks=pytest.mark.slow)])
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """On Galera the nodes ask different servers, and bodies lie in S3."""
    objects = next(request.getfixturevalue("places")) if request.param == "galera_node" else ""
    with emptied(request.getfixturevalue(request.param), tmp_path, objects=objects) as made:
        yield made


@asynccontextmanager
async def nodes(stores: Stores, *names: str, **options: object) -> AsyncIterator[list[Any]]:
    made = [stores.make(name, **options) for name in names]
    for store in made:
        await store.open()
    try:
        yield made
    finally:
        for store in made:
            await store.close()


async def bury(store: Any) -> None:
    """Without the patience that follows a time in which nobody could speak."""
    store.nodes._patient = float("-inf")
    await store.nodes.bury()


def dead(stores: Stores, store: Any) -> None:
    """Its signs of life are long ago."""
    stores.run(f"update node set alive_until = 1 where id = {store.nodes.number}")


def message(text: bytes) -> NewMessage:
    return NewMessage(Body(len(text), text), 1_700_000_000, b"(E)", b"(B)")


async def test_a_message_is_leased_by_one_node(stores: Stores) -> None:
    async with nodes(stores, "a", "b") as (a, b):
        for _ in range(30):
            put = await a.queue.put(queued(a, "x@example.org"))
            await a.queue.release(put.id, put.lease)
        shares = await asyncio.gather(*(store.queue.lease(CLOCK.now(), 30) for store in (a, b) for _ in range(3)))
        taken = [item.id for share in shares for item in share]
        assert (len(taken), len(set(taken))) == (30, 30)


async def test_what_a_silent_node_had_is_taken_up_and_it_can_settle_nothing(stores: Stores) -> None:
    async with nodes(stores, "a", "b") as (a, b):
        put = await a.queue.put(queued(a, "x@example.org", "y@example.org"))
        assert await b.queue.lease(CLOCK.now(), 10) == []
        await bury(b)
        assert await b.queue.lease(CLOCK.now(), 10) == [], "it lives"
        dead(stores, a)
        await bury(b)
        (again,) = await b.queue.lease(CLOCK.now(), 10)
        assert [r.address for r in again.recipients] == ["x@example.org", "y@example.org"]
        # it wakes up, and has delivered one of them
        await a.queue.settle(Settle(put.id, put.lease, (Outcome(0, Fate.DELIVERED, OK),), last=False))
        await a.queue.settle(Settle(put.id, put.lease, (Outcome(1, Fate.DEFERRED, LATER, due=CLOCK.now() + 50),)))
        (there,) = await b.queue.page(QueueFilter())
        assert [(r.n, r.state, r.attempts) for r in there.recipients] == [(0, State.ACTIVE, 0), (1, State.ACTIVE, 0)]
        await b.queue.settle(
            Settle(again.id, again.lease, (Outcome(0, Fate.RELAYED, OK), Outcome(1, Fate.RELAYED, OK)))
        )
        assert stores.count("item") == stores.count("content") == stores.count("body") == 0


async def test_a_node_that_was_taken_for_dead_signs_in_anew(stores: Stores) -> None:
    async with nodes(stores, "a", "b") as (a, b):
        put = await a.queue.put(queued(a, "x@example.org"))
        first = a.nodes.number
        dead(stores, a)
        await bury(b)
        assert not await a.nodes._beat()
        a._fenced()
        await a.nodes._sign_in()
        assert a.nodes.number > first
        await a.queue.settle(Settle(put.id, put.lease, (Outcome(0, Fate.DELIVERED, OK),)))  # passed over
        assert [item.id for item in await a.queue.lease(CLOCK.now(), 10)] == [put.id]


async def test_nobody_is_taken_off_while_none_could_speak(stores: Stores) -> None:
    async with nodes(stores, "a", "b") as (a, b):
        put = await a.queue.put(queued(a, "x@example.org"))
        dead(stores, a)
        await b.nodes.bury()
        assert await b.queue.lease(CLOCK.now(), 10) == [], "b has just come itself, or come back to the database"
        b.nodes._patient = b.nodes._clock.monotonic()
        await b.nodes.bury()
        assert [item.id for item in await b.queue.lease(CLOCK.now(), 10)] == [put.id]


async def test_signs_of_life_stand_in_no_line(stores: Stores) -> None:
    """All connections wait for an answer: nobody takes the node for dead all the same."""
    async with nodes(stores, "a", connections=2) as (a,):
        slow = [asyncio.create_task(a.engine.all("select sleep(5)")) for _ in range(2)]
        await asyncio.sleep(0.5)
        assert await a.nodes._beat()
        assert not any(task.done() for task in slow)
        await asyncio.gather(*slow)


async def test_a_node_that_may_be_taken_for_dead_takes_no_work(stores: Stores) -> None:
    async with nodes(stores, "a") as (a,):
        put = await a.queue.put(queued(a, "x@example.org"))
        await a.queue.release(put.id, put.lease)
        a.nodes._beaten -= 31.0
        assert await a.queue.lease(CLOCK.now(), 10) == []
        assert (await a.queue.put(queued(a, "y@example.org"))).lease == 0
        await a.nodes._beat()
        assert len(await a.queue.lease(CLOCK.now(), 10)) == 2


async def test_the_next_life_of_a_node_goes_on_at_once(stores: Stores) -> None:
    first = stores.make("a")
    await first.open()
    put = await first.queue.put(queued(first, "x@example.org"))
    # it dies: nothing is given back
    first.nodes._task.cancel()
    await first.poll.stop()
    await first.collector.stop()
    await first.engine.close()
    await first.texts.stop()
    await first.traces.stop()
    first._drop_lock()
    async with nodes(stores, "a") as (second,):
        assert [item.id for item in await second.queue.lease(CLOCK.now(), 10)] == [put.id]


async def test_a_node_that_ends_leaves_its_work_to_others_at_once(stores: Stores) -> None:
    async with nodes(stores, "b") as (b,):
        a = stores.make("a")
        await a.open()
        put = await a.queue.put(queued(a, "x@example.org"))
        await a.close()
        assert [item.id for item in await b.queue.lease(CLOCK.now(), 10)] == [put.id]


async def test_the_last_recipients_on_two_nodes_take_the_message_along(stores: Stores) -> None:
    async with nodes(stores, "a", "b") as (a, b):
        for _ in range(20):
            put = await a.queue.put(queued(a, "x@one.test", "y@two.test"))
            stores.run(f"update recipient set state = 0, lease = null where item = {put.id} and n = 1")
            stores.run(
                "insert ignore into flow (id, domain, sender, due) select flow_id, domain, sender, due from recipient"
                f" where item = {put.id} and n = 1"
            )
            (half,) = await b.queue.lease(CLOCK.now(), 10)
            await asyncio.gather(
                a.queue.settle(Settle(put.id, put.lease, (Outcome(0, Fate.RELAYED, OK),))),
                b.queue.settle(Settle(half.id, half.lease, (Outcome(1, Fate.RELAYED, OK),))),
            )
        assert stores.count("item") == stores.count("content") == stores.count("body") == 0


async def test_ids_of_two_nodes_never_meet(stores: Stores) -> None:
    async with nodes(stores, "a", "b") as (a, b):
        ids = [store.queue.new_id() for _ in range(1000) for store in (a, b)]
        assert len(set(ids)) == len(ids)
        last = max(ids)
    async with nodes(stores, "c") as (c,):
        assert c.queue.new_id() not in ids
        assert c.queue.new_id() > last - 64


async def test_uids_are_given_once_whoever_asks(stores: Stores) -> None:
    async with nodes(stores, "a", "b") as (a, b):
        folder = (await a.mailboxes.folders(WHO))[0].id
        given = await asyncio.gather(
            *(
                store.mailboxes.append(folder, [message(b"%d" % n), message(b"x")])
                for n in range(15)
                for store in (a, b)
            )
        )
        uids = [uid for pair in given for uid in pair]
        assert sorted(uids) == list(range(1, 61))
        view = await b.mailboxes.view(folder)
        assert (list(view.uids), view.folder.messages) == (list(range(1, 61)), 60)
        assert len(set(view.modseqs)) == 30
        assert await a.mailboxes.check(WHO) == []


async def test_flags_copies_and_expunges_of_two_nodes_keep_the_counters_right(stores: Stores) -> None:
    async with nodes(stores, "a", "b") as (a, b):
        folder = (await a.mailboxes.folders(WHO))[0].id
        other = (await a.mailboxes.create(WHO, "Other")).id
        await a.mailboxes.append(folder, [message(b"%d" % n) for n in range(40)])
        await asyncio.gather(*(
            work
            for n in range(1, 36, 5)
            for work in (
                a.mailboxes.set_flags(folder, [n, n + 1], FlagOp.ADD, SEEN, ["A"]),
                b.mailboxes.set_flags(folder, [n + 1, n + 2], FlagOp.ADD, SEEN, ["B"]),
                a.mailboxes.move(folder, [n + 3], other),
                b.mailboxes.move(other, [n + 3], folder),
                b.mailboxes.copy(folder, [n], other),
                a.mailboxes.expunge(folder, [n + 4, n + 3]),
            )
        ))  # fmt: skip
        assert await a.mailboxes.check(WHO) == []
        assert set((await b.mailboxes.folder(folder)).keywords) == {"A", "B"}


async def test_one_body_for_all_who_have_the_message_and_none_for_nobody(stores: Stores) -> None:
    octets = b"z" * 200_000
    async with nodes(stores, "a", "b") as (a, b):
        writer = a.queue.body_writer()
        writer.feed(octets)
        number = a.queue.new_id()
        new = NewContent(number, b"P", await writer.finish())
        put = await a.queue.put(
            NewItem(number, new, "a@b.c", (NewRecipient(0, WHO), NewRecipient(1, "x@else.test")), 0, 0)
        )
        assert b"".join([part async for part in put.content.blocks()]) == b"P" + octets
        filing = Filing(WHO, "INBOX", "1.Q1R0.mx", b"H", number, 200_002, 1, b"E", b"B")
        bounce = NewItem(
            a.queue.new_id(),
            NewContent(a.queue.new_id(), b"R", put.content.body, b"T"),
            "",
            (NewRecipient(0, "a@b.c"),),
            0,
            0,
        )
        done = (Outcome(0, Fate.DELIVERED, OK, filings=(filing,)), Outcome(1, Fate.FAILED, LATER))
        await a.queue.settle(Settle(put.id, put.lease, done, (bounce,)))
        folder = (await b.mailboxes.folders(WHO))[0].id
        await b.mailboxes.copy(folder, [1], folder)
        assert (stores.count("body"), stores.count("content"), len(stores.bodies())) == (1, 1, 1)
        async with await b.mailboxes.open(folder, 2) as opened:
            assert await opened.read(0, 1_000_000) == b"HP" + octets
        await a.mailboxes.expunge(folder, [1, 2])
        (report,) = await b.queue.lease(CLOCK.now(), 10)
        assert b"".join([part async for part in report.content.blocks()]) == b"R" + octets + b"T"
        await b.collector.collect(-1.0)
        assert len(stores.bodies()) == 1
        await b.queue.settle(Settle(report.id, report.lease, (Outcome(0, Fate.RELAYED, OK),)))
        await b.collector.collect(300.0)
        assert (stores.count("body"), len(stores.bodies())) == (0, 1), "who reads it may go on for a while"
        await b.collector.collect(-1.0)
        assert (stores.count("doomed where gone <= 0"), stores.bodies()) == (0, [])


async def test_bodies_without_a_row_are_swept_away_and_others_are_not(stores: Stores) -> None:
    async with nodes(stores, "a") as (a,):
        folder = (await a.mailboxes.folders(WHO))[0].id
        for keep in (True, False):
            writer = a.queue.body_writer()
            writer.feed(b"%d" % keep * 100_000)
            body = await writer.finish()
            if keep:
                await a.mailboxes.append(folder, [NewMessage(body, 1, b"E", b"B")])
        assert len(stores.bodies()) == 2
        assert await a.collector.sweep(60.0) == 0, "younger"
        assert await a.collector.sweep(-60.0) == 1
        async with await a.mailboxes.open(folder, 1) as opened:
            assert await opened.read(0, 3) == b"111"


async def test_the_copy_of_a_body_has_its_bound(stores: Stores) -> None:
    async with nodes(stores, "a", cache_limit=250_000) as (a,):
        folder = (await a.mailboxes.folders(WHO))[0].id
        for n in range(4):
            writer = a.queue.body_writer()
            writer.feed(b"%d" % n * 100_000)
            await a.mailboxes.append(folder, [NewMessage(await writer.finish(), 1, b"E", b"B")])
        copies = list((stores.path / "a/cache").iterdir())
        assert len(copies) == 2
        for uid in range(1, 5):
            async with await a.mailboxes.open(folder, uid) as opened:
                assert len(await opened.read(0, 1_000_000)) == 100_000
        assert sum(path.stat().st_size for path in (stores.path / "a/cache").iterdir()) <= 250_000


async def test_changes_of_others_are_heard(stores: Stores) -> None:
    async with nodes(stores, "a", "b") as (a, b):
        folder = (await a.mailboxes.folders(WHO))[0].id
        await a.mailboxes.view(folder)
        await a.poll.look()  # what happened since the lists were read
        told: list[Changed] = []
        a.mailboxes.subscribe(told.extend)
        await a.poll.look()
        assert told == []
        await b.mailboxes.append(folder, [message(b"x")])
        await a.poll.look()
        assert [(change.account, change.folder) for change in told] == [(WHO, folder)]
        await a.poll.look()
        assert len(told) == 1
        await b.mailboxes.append(folder, [message(b"y")])
        await a.mailboxes.view(folder)
        assert len(told) == 2, "who looked before is told of what another session has come upon"
        made = await b.mailboxes.create(WHO, "New")
        await a.poll.look()
        assert told[-1] == Changed(WHO, None)
        await a.mailboxes.view(made.id)
        await b.mailboxes.delete(made.id)
        await a.poll.look()
        assert {change.folder for change in told[3:]} == {made.id, None}


async def test_others_work_is_noticed(stores: Stores) -> None:
    async with nodes(stores, "a", "b") as (a, b):
        woken: list[int] = []
        a.queue.watch(lambda: woken.append(1))
        await a.queue.look()
        assert woken == []
        put = await b.queue.put(queued(b, "x@example.org"))
        await b.queue.release(put.id, put.lease)
        a.queue._looked = float("-inf")
        await a.queue.look()
        assert woken == [1]


async def test_mail_whose_flow_has_lost_its_turn_is_found(stores: Stores) -> None:
    async with nodes(stores, "a", "b") as (a, b):
        lost = await a.queue.put(queued(a, "x@one.test", due=CLOCK.now() + 10))
        late = await a.queue.put(queued(a, "x@two.test", due=CLOCK.now() + 10))
        assert not lost.lease
        stores.run("delete from flow where domain = 'one.test'")
        stores.run(f"update flow set due = {CLOCK.now() + 3_600} where domain = 'two.test'")
        assert await b.queue.lease(CLOCK.now() + 20, 10) == []
        b.queue.watch(lambda: None)
        await b.queue.look()
        assert {item.id for item in await b.queue.lease(CLOCK.now() + 20, 10)} == {lost.id, late.id}


async def test_a_lease_that_nobody_holds_is_given_back(stores: Stores) -> None:
    """Of a node that lives: a COMMIT whose answer was lost may have made it."""
    async with nodes(stores, "a", "b") as (a, b):
        put = await a.queue.put(queued(a, "x@one.test"))
        kept = await a.queue.put(queued(a, "x@two.test"))
        del a.queue._leases[put.lease]
        await a.queue.give_back_lost()
        assert await b.queue.lease(CLOCK.now(), 10) == [], "it may be on its way"
        await a.queue.give_back_lost()
        assert [item.id for item in await b.queue.lease(CLOCK.now(), 10)] == [put.id]
        await a.queue.settle(Settle(kept.id, kept.lease, (Outcome(0, Fate.RELAYED, OK),)))
        assert stores.count("item") == 1


async def test_ids_of_another_server_come_by_the_page(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looking, "_ROWS", 3)
    async with nodes(stores, "a") as (a,):
        folder = (await a.mailboxes.folders(WHO))[0].id
        assert await a.mailboxes.former_ids(folder) == {}
        stores.run(
            f"insert into former values {', '.join(f'({folder}, {n * n}, {chr(39)}id,{n}{chr(39)})' for n in range(1, 8))}"
        )
        asked = a.engine.statements
        assert await a.mailboxes.former_ids(folder) == {n * n: f"id,{n}" for n in range(1, 8)}
        assert a.engine.statements - asked == 4


async def test_counts_that_cost_much_are_taken_seldom(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    stores.clock = clock = VirtualClock()
    counted, asked, seconds = queue_reads.counts, [], 0.0

    async def slow(tx: Any) -> Any:
        found = await counted(tx)
        asked.append(clock.monotonic())
        await clock.advance(seconds)
        return found

    async with nodes(stores, "a") as (a,):
        monkeypatch.setattr(queue_reads, "counts", slow)

        async def told() -> int:
            return int((await a.queue.counts()).items)

        await a.queue.put(queued(a, "x@example.org"))
        assert (await told(), await told(), len(asked)) == (1, 1, 1)
        await a.queue.put(queued(a, "x@example.org"))
        assert (await told(), len(asked)) == (2, 2), "little work is done at once"
        seconds = 2.0
        await a.queue.put(queued(a, "x@example.org"))
        assert (await asyncio.gather(told(), told(), told()), len(asked)) == ([3, 3, 3], 3), "one asks for all"
        await a.queue.put(queued(a, "x@example.org"))
        await clock.advance(39.0)
        assert (await told(), len(asked)) == (3, 3)
        await clock.advance(1.0)
        assert (await told(), len(asked)) == (4, 4)
