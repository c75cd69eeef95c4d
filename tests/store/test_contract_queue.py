"""The queue half of the store contract, on both stores."""

import asyncio
from typing import Any

import pytest
from msgspec.structs import replace
from support.stores import CLOCK, Stores, queued

from mailhub.model.errors import Temporary
from mailhub.model.reply import Reply
from mailhub.store.api import (
    Act,
    Fate,
    Filing,
    NewContent,
    NewItem,
    NewRecipient,
    Outcome,
    QueueFilter,
    Settle,
    State,
)

OK = Reply(250, "2.0.0", "Ok")
LATER = Reply(451, "4.0.0", "Later")


async def test_what_was_put_is_there_after_a_restart(stores: Stores) -> None:
    store = stores.make()
    await store.open()
    put = await store.queue.put(queued(store, "b@example.org", "c@example.org"))
    assert put.lease
    await store.close()
    store = stores.make()
    await store.open()
    (found,) = await store.queue.lease(CLOCK.now(), 10)
    assert [r.address for r in found.recipients] == ["b@example.org", "c@example.org"]
    assert await found.content.read(0, 1000) == b"Received: here\r\nSubject: x\r\n\r\nhello\r\n"
    await store.close()


async def test_what_is_put_is_told_as_it_is_leased(store: Any) -> None:
    """A recipient whose reverse-path is the owner's of a list has it at once, and later."""
    new = queued(store, "x@example.org", "y@example.org")
    owned = replace(new.recipients[1], sender="owner@example.org")
    put = await store.queue.put(replace(new, recipients=(new.recipients[0], owned)))
    assert put.recipients[1].sender == "owner@example.org"
    await store.queue.release(put.id, put.lease)
    (leased,) = await store.queue.lease(CLOCK.now(), 1)
    assert [one.sender for one in leased.recipients] == [one.sender or new.sender for one in put.recipients]


async def test_a_lease_is_given_once_and_comes_back_by_release(store: Any) -> None:
    put = await store.queue.put(queued(store, "b@example.org"))
    assert await store.queue.lease(CLOCK.now(), 10) == []
    await store.queue.release(put.id, put.lease)
    assert [found.id for found in await store.queue.lease(CLOCK.now(), 10)] == [put.id]


async def test_settled_recipients_leave_and_the_last_takes_item_and_content_along(store: Any, stores: Stores) -> None:
    put = await store.queue.put(queued(store, "b@example.org", "c@example.org"))
    due = CLOCK.now() + 300
    await store.queue.settle(
        Settle(
            put.id,
            put.lease,
            (Outcome(0, Fate.DELIVERED, OK), Outcome(1, Fate.DEFERRED, LATER, "mx[1]", "TLSv1.3", 77.0, due)),
        )
    )
    (left,) = await store.queue.page(QueueFilter())
    (recipient,) = left.recipients
    assert (recipient.address, recipient.state, recipient.attempts) == ("c@example.org", State.DEFERRED, 1)
    assert (recipient.last, recipient.remote) == (LATER, "mx[1]")
    assert (recipient.tls, recipient.tried) == ("TLSv1.3", 77.0)
    assert await store.queue.lease(CLOCK.now(), 10) == []
    assert await store.queue.next_due() == due
    (again,) = await store.queue.lease(due, 10)
    await store.queue.settle(Settle(again.id, again.lease, (Outcome(1, Fate.FAILED, LATER),)))
    counts = await store.queue.counts()
    assert (counts.items, counts.recipients) == (0, 0)
    assert stores.count("content") == 0


async def test_a_settling_that_comes_twice_makes_one_bounce(store: Any) -> None:
    put = await store.queue.put(queued(store, "b@example.org"))
    bounce = queued(store, "a@example.org")
    unit = Settle(put.id, put.lease, (Outcome(0, Fate.FAILED, LATER),), (bounce,))
    await store.queue.settle(unit)
    with pytest.raises(Temporary):
        await store.queue.settle(unit)
    (found,) = await store.queue.lease(CLOCK.now(), 10)
    assert found.id == bounce.id


async def test_expansion_replaces_the_recipient(store: Any) -> None:
    put = await store.queue.put(queued(store, "list@example.org"))
    number = (1 << 62) + 5  # they are made of digests
    children = (
        NewRecipient(number, "x@example.org", depth=1, parent=0, path=("list@example.org",)),
        NewRecipient(number + 1, "y@example.org"),
        NewRecipient(number + 2, f"|/bin/do {'x' * 900}"),
    )
    await store.queue.settle(
        Settle(put.id, put.lease, (Outcome(0, Fate.EXPANDED, OK, due=CLOCK.now(), children=children),))
    )
    (found,) = await store.queue.lease(CLOCK.now(), 10)
    assert [(r.n, r.address, r.path) for r in found.recipients] == [
        (number, "x@example.org", ("list@example.org",)),
        (number + 1, "y@example.org", ()),
        (number + 2, f"|/bin/do {'x' * 900}", ()),
    ]


async def test_a_large_body_lies_in_a_file_until_it_is_delivered(store: Any, stores: Stores) -> None:
    writer = store.queue.body_writer()
    block = b"x" * 1000 + b"\r\n"
    for _ in range(200):
        writer.feed(block)
    body = await writer.finish()
    assert body.spool is not None
    assert body.size == 200 * len(block)
    number = store.queue.new_id()
    new = NewItem(number, NewContent(number, b"P: 1\r\n", body), "a@b.c", (NewRecipient(0, "d@e.f"),), 0, 0)
    put = await store.queue.put(new)
    assert b"".join([part async for part in put.content.blocks(7000)]) == b"P: 1\r\n" + block * 200
    await store.queue.settle(Settle(put.id, put.lease, (Outcome(0, Fate.RELAYED, OK),)))
    await stores.tidy(store)
    assert stores.bodies() == []


async def test_hold_release_retry_remove(store: Any, stores: Stores) -> None:
    put = await store.queue.put(queued(store, "b@example.org", due=CLOCK.now() + 1000))
    which = QueueFilter(recipient="@example.org")
    assert await store.queue.act_on_all(Act.HOLD, which, CLOCK.now()) == 1
    assert await store.queue.act_on_all(Act.RETRY, which, CLOCK.now()) == 0
    assert await store.queue.lease(CLOCK.now() + 2000, 10) == []
    assert await store.queue.act_on_all(Act.UNHOLD, which, CLOCK.now()) == 1
    (found,) = await store.queue.lease(CLOCK.now(), 10)
    assert await store.queue.act_on_all(Act.REMOVE, QueueFilter(ids=(put.id,)), CLOCK.now()) == 0, "under delivery"
    await store.queue.release(found.id, found.lease)
    assert await store.queue.act_on_all(Act.REMOVE, QueueFilter(sender="nobody@example.org"), CLOCK.now()) == 0
    assert await store.queue.act_on_all(Act.REMOVE, QueueFilter(sender="a@example.org"), CLOCK.now()) == 1
    assert stores.count("content") == 0


async def test_held_while_under_delivery_stays_held_when_deferred(store: Any) -> None:
    put = await store.queue.put(queued(store, "b@example.org"))
    await store.queue.act_on_all(Act.HOLD, QueueFilter(ids=(put.id,)), CLOCK.now())
    await store.queue.settle(Settle(put.id, put.lease, (Outcome(0, Fate.DEFERRED, LATER, due=CLOCK.now()),)))
    assert await store.queue.lease(CLOCK.now(), 10) == []


async def test_one_bad_unit_does_not_hurt_its_batch(store: Any) -> None:
    bad = queued(store, "b@example.org")
    bad = NewItem(bad.id, bad.content, None, bad.recipients, bad.created, bad.due)  # type: ignore[arg-type]
    units = [queued(store, "b@example.org"), bad, queued(store, "b@example.org")]
    answers = await asyncio.gather(*(store.queue.put(unit) for unit in units), return_exceptions=True)
    assert [isinstance(answer, Exception) for answer in answers] == [False, True, False]
    assert (await store.queue.counts()).items == 2


async def test_a_damaged_item_is_set_aside(store: Any, stores: Stores) -> None:
    put = await store.queue.put(queued(store, "b@example.org"))
    good = await store.queue.put(queued(store, "b@example.org"))
    await store.queue.release(put.id, put.lease)
    await store.queue.release(good.id, good.lease)
    stores.run(f"update item set origin='{{' where id={put.id}")
    assert [found.id for found in await store.queue.lease(CLOCK.now(), 10)] == [good.id]


async def test_filing_indexes_the_delivery_in_the_same_commit(store: Any) -> None:
    put = await store.queue.put(queued(store, "b@example.org"))
    filing = Filing(
        "b@example.org", "INBOX", "1.Q1R0.mx", b"Return-Path: <>\r\n", put.content.id,
        17 + put.content.size, 1_700_000_000, b"E", b"B",
    )  # fmt: skip
    await store.mailboxes.stage(filing, put.content)
    await store.queue.settle(Settle(put.id, put.lease, (Outcome(0, Fate.DELIVERED, OK, filings=(filing,)),)))
    (inbox,) = await store.mailboxes.folders("b@example.org")
    assert (inbox.messages, inbox.unseen, inbox.uidnext) == (1, 1, 2)
    async with await store.mailboxes.open(inbox.id, 1) as message:
        assert (await message.read(0, 10_000)).startswith(b"Return-Path: <>\r\nReceived: here\r\nSubject")
        assert message.size == filing.size


async def test_ids_never_repeat_even_where_the_clock_stands_still_over_a_restart(stores: Stores) -> None:
    store = stores.make()
    await store.open()
    put = await store.queue.put(queued(store, "b@example.org"))
    await store.queue.settle(Settle(put.id, put.lease, (Outcome(0, Fate.RELAYED, OK),)))
    await store.close()
    store = stores.make()
    await store.open()
    assert store.queue.new_id() > put.id
    await store.close()
