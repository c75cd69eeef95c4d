"""A queue of any size costs the same: no statement that is used while mail flows goes over all of it."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from mailhub.config.schema import Store as StoreConfig
from mailhub.model.clock import VirtualClock
from mailhub.model.envelope import MailParameters
from mailhub.model.reply import Reply
from mailhub.store.api import Act, Body, Busy, Fate, NewContent, NewItem, NewRecipient, Outcome, QueueFilter, Settle
from mailhub.store.sqlite import SqliteStore
from mailhub.store.sqlite.queue_changes import RELEASE_ALL
from mailhub.store.sqlite.schema import connect

CLOCK = VirtualClock()
LATER = Reply(451, "4.0.0", "Later")
SIZED = ("item", "recipient", "content", "flow", "tally", "filed")  # tables that grow with the queue


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(tmp_path, StoreConfig(free_space_floor=0, inline_limit=100), CLOCK, "mx.test")
    await store.open()
    yield store
    await store.close()


async def put(store: SqliteStore, *recipients: str, sender: str = "a@example.org", priority: int = 0,
              due: float = 0.0, size: int = 20, in_line: bool = True) -> NewItem:  # fmt: skip
    number = store.queue.new_id()
    writer = store.queue.body_writer()
    writer.feed(b"x" * size)
    content = NewContent(number, b"", await writer.finish())
    item = NewItem(
        number, content, sender, tuple(NewRecipient(n, address) for n, address in enumerate(recipients)), CLOCK.now(),
        due or CLOCK.now(), MailParameters(priority=priority), in_line=in_line,
    )  # fmt: skip
    await store.queue.put(item)
    return item


class Recorder:
    """Which statements were run."""

    def __init__(self) -> None:
        self.statements: set[str] = set()

    def watch(self, db: sqlite3.Connection) -> None:
        db.set_trace_callback(self.statements.add)


def scans(db: sqlite3.Connection, statement: str) -> Iterator[str]:
    """The tables that SQLite would read from end to end."""
    if not statement.lstrip().lower().startswith(("select", "update", "delete", "insert", "with")):
        return
    for row in db.execute(f"explain query plan {statement}").fetchall():
        words = row[3].split()
        if words[0] == "SCAN" and words[1] in SIZED and "recipient_active" not in words:
            yield row[3]


# Bounded by their own limit, in the order of the index that they go along.
WALKS = (
    "from flow where due <= ",  # those that are due, past those that are busy
    "select due from flow where domain not in",
    "from tally order by recipients desc limit",
    "content, folder, uid, head",
    "(select content, folder, uid from filed join message",
)


async def test_no_statement_of_the_queue_reads_it_all(store: SqliteStore) -> None:
    """The plans are asked of statements as they ran, with what was bound to them, while each thing is done once."""
    recorder = Recorder()
    for n in range(20):
        await put(store, f"u{n}@d{n % 3}.test", sender=f"s{n % 2}@x.test", priority=n % 2)
    assert store._writer._db is not None
    for db in (store._writer._db, store.queue._reads._db):
        recorder.watch(db)
    await put(store, "b@example.org", size=500)
    (item, *rest) = await store.queue.lease(CLOCK.now(), 10, Busy(frozenset({"d0.test"}), frozenset({"s9@x.test"})))
    bounce = NewItem(
        store.queue.new_id(), NewContent(1, b"", Body(2, b"hi")), "", (NewRecipient(0, "a@b.test"),), 0.0, 0.0
    )
    later = Outcome(item.recipients[0].n, Fate.DEFERRED, LATER, due=CLOCK.now() + 10)
    await store.queue.settle(Settle(item.id, item.lease, (later,), (bounce,)))
    gone = Outcome(rest[0].recipients[0].n, Fate.RELAYED, LATER)
    await store.queue.settle(Settle(rest[0].id, rest[0].lease, (gone,)))
    children = (NewRecipient(1 << 53, "c@d.test", depth=1),)
    expanded = Outcome(rest[1].recipients[0].n, Fate.EXPANDED, LATER, due=CLOCK.now(), children=children)
    await store.queue.settle(Settle(rest[1].id, rest[1].lease, (expanded,)))
    await store.queue.release(rest[2].id, rest[2].lease, CLOCK.now() + 5)
    await store.queue.next_due(Busy(frozenset({"d0.test"})))
    await store.queue.next_due()
    await store.queue.counts()
    for which in (QueueFilter(), QueueFilter(recipient="@d1.test"), QueueFilter(ids=(item.id,)),
                  QueueFilter(sender="s1@x.test", older_than=CLOCK.now() + 1)):  # fmt: skip
        await store.queue.page(which)
        for act in Act:
            await store.queue.act(act, which, CLOCK.now())
    db = connect(store._filer._database)
    try:
        found = [
            (plan, statement)
            for statement in sorted(recorder.statements | {RELEASE_ALL})
            for plan in scans(db, statement)
            if not any(walk in statement for walk in WALKS)
        ]
    finally:
        db.close()
    assert len(recorder.statements) > 25
    assert found == []


# --- whose turn it is -----------------------------------------------------------------------------------------------


async def leased(store: SqliteStore, limit: int, busy: Busy | None = None) -> list[str]:
    items = await store.queue.lease(CLOCK.now(), limit, busy or Busy())
    return [recipient.address for item in items for recipient in item.recipients]


async def test_a_mailing_of_many_leaves_room_for_the_others_of_a_page(store: SqliteStore) -> None:
    for n in range(60):
        await put(store, f"u{n}@slow.test", sender="list@x.test")
    for n in range(5):
        await put(store, f"v{n}@d{n}.test", sender=f"s{n}@x.test")
    first = await leased(store, 12)
    assert sum(address.startswith("u") for address in first) <= 7
    assert {address for address in first if address.startswith("v")} == {f"v{n}@d{n}.test" for n in range(5)}


async def test_a_sender_does_not_wait_behind_another_who_writes_to_the_same_domain(store: SqliteStore) -> None:
    for n in range(60):
        await put(store, f"u{n}@slow.test", sender="list@x.test")
    await put(store, "v@slow.test", sender="other@x.test")
    assert "v@slow.test" in await leased(store, 4)


async def test_those_who_are_busy_are_passed_over(store: SqliteStore) -> None:
    await put(store, "u@slow.test")
    await put(store, "v@fast.test")
    await put(store, "w@else.test", sender="list@x.test")
    busy = Busy(frozenset({"slow.test"}), frozenset({"list@x.test"}))
    assert await leased(store, 10, busy) == ["v@fast.test"]
    assert await store.queue.next_due(busy) is None
    assert await store.queue.next_due() == CLOCK.now()
    assert await leased(store, 10) == ["u@slow.test", "w@else.test"]


async def test_a_message_is_leased_as_a_whole_where_it_fits_and_else_first_to_those_who_are_not_busy(
    store: SqliteStore,
) -> None:
    await put(store, "u@slow.test", "v@fast.test")
    busy = Busy(frozenset({"slow.test"}))
    assert await leased(store, 10, busy) == ["u@slow.test", "v@fast.test"]
    await put(store, *(f"u{n}@slow.test" for n in range(1_000)), "v@fast.test")
    first = await leased(store, 10, busy)
    assert len(first) == 1_000
    assert first[-1] == "v@fast.test"


async def test_an_alias_adds_nobody_who_is_queued_already(store: SqliteStore) -> None:
    """Also where another lease has them."""
    item = await put(store, "list@d.test", "b@d.test", in_line=True)
    (whole,) = await store.queue.lease(CLOCK.now(), 10)
    later = Outcome(1, Fate.DEFERRED, LATER, due=CLOCK.now() + 100)
    await store.queue.settle(Settle(item.id, whole.lease, (later,), last=False))
    children = (NewRecipient(1 << 53, "B@d.test", depth=1), NewRecipient((1 << 53) + 1, "list@d.test", depth=1))
    expanded = Outcome(0, Fate.EXPANDED, LATER, due=CLOCK.now(), children=children)
    await store.queue.settle(Settle(item.id, whole.lease, (expanded,)))
    (left,) = await store.queue.page(QueueFilter())
    assert [recipient.address for recipient in left.recipients] == ["b@d.test", "list@d.test"]


async def test_a_lease_has_a_bounded_number_of_recipients(store: SqliteStore) -> None:
    await put(store, *(f"u{n}@d.test" for n in range(2_200)))
    await put(store, "v@d.test")
    sizes = [len(await leased(store, 10)) for _ in range(4)]
    assert sizes == [1_000, 1_000, 201, 0]


async def test_urgent_mail_overtakes_and_starves_nobody(store: SqliteStore) -> None:
    for n in range(10):
        await put(store, f"u{n}@d.test")
    for n in range(10):
        await put(store, f"p{n}@d.test", priority=1 + n % 3)
    first = await leased(store, 4)
    assert sorted(address[0] for address in first) == ["p", "p", "u", "u"]
    assert {"p2@d.test", "p5@d.test"} <= set(first)  # of the highest priority, longest due first


# --- numbers --------------------------------------------------------------------------------------------------------


async def test_counts_follow_whatever_happens(store: SqliteStore) -> None:
    """What the triggers keep is what counting would find."""
    for n in range(30):
        await put(store, f"u{n}@d{n % 4}.test", f"v{n}@d{n % 3}.test", in_line=n % 2 == 0)
    for number, act in enumerate(Act):
        which = QueueFilter(recipient=f"@d{number % 4}.test")
        await store.queue.act(act, which, CLOCK.now())
        for item in (await store.queue.lease(CLOCK.now(), 5))[:3]:
            outcomes = tuple(
                Outcome(r.n, fate, LATER, due=CLOCK.now() + 9)
                for r, fate in zip(item.recipients, (Fate.DEFERRED, Fate.RELAYED), strict=False)
            )
            await store.queue.settle(Settle(item.id, item.lease, outcomes))
    db = connect(store._filer._database, readonly=True)
    try:
        assert dict(db.execute("select name, count from total where name in ('items', 'recipients')").fetchall()) == {
            table + "s": db.execute(f"select count(*) from {table}").fetchone()[0] for table in ("item", "recipient")
        }
        counted = db.execute("select domain, state, count(*) from recipient group by 1, 2 order by 1, 2").fetchall()
        assert db.execute("select domain, state, recipients from tally order by 1, 2").fetchall() == counted
        late = "select 1 from recipient r where state in (0, 2) and not exists (select 1 from flow f where"
        assert db.execute(f"{late} f.domain = r.domain and f.sender = r.sender and f.due <= max(r.due, ?))",
                          (CLOCK.now(),)).fetchall() == []  # fmt: skip
    finally:
        db.close()


async def test_a_step_of_an_action_is_bounded_and_tells_where_to_go_on(store: SqliteStore) -> None:
    await asyncio.gather(*(put(store, f"u{n}@d.test") for n in range(1_500)))
    step = await store.queue.act(Act.HOLD, QueueFilter(), CLOCK.now())
    assert (step.touched, step.seen) == (1_000, 1_000)
    assert step.after is not None
    rest = await store.queue.act(Act.HOLD, QueueFilter(), CLOCK.now(), step.after)
    assert (rest.touched, rest.after) == (500, None)
