"""A commit of which nobody knows whether it happened: what it may have leased is given back, once."""

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mailhub.config.schema import Store as StoreConfig
from mailhub.model.clock import VirtualClock
from mailhub.model.errors import Temporary
from mailhub.store.api import Body, NewContent, NewItem, NewRecipient
from mailhub.store.sqlite import SqliteStore
from mailhub.store.sqlite.writer import CommitError

CLOCK = VirtualClock()


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(tmp_path, StoreConfig(free_space_floor=0), CLOCK, "mx.test")
    await store.open()
    yield store
    await store.close()


def lose_the_next_answer(store: SqliteStore) -> None:
    writer, plain = store._writer, store._writer._commit

    def commit(jobs: object) -> object:
        writer._commit = plain  # type: ignore[method-assign]
        plain(jobs)  # type: ignore[arg-type]
        raise CommitError("commit failed, outcome unknown")

    writer._commit = commit  # type: ignore[assignment, method-assign]


def message(store: SqliteStore) -> NewItem:
    number = store.queue.new_id()
    content = NewContent(number, b"", Body(2, b"hi"))
    return NewItem(number, content, "a@b.test", (NewRecipient(0, "c@d.test"),), CLOCK.now(), CLOCK.now())


async def test_a_put_that_nobody_knows_of_is_leased_again(store: SqliteStore) -> None:
    lose_the_next_answer(store)
    with pytest.raises(Temporary):
        await store.queue.put(message(store))
    (item,) = await store.queue.lease(CLOCK.now(), 10)
    assert item.recipients[0].address == "c@d.test"


async def test_a_put_that_is_given_again_is_leased_once(store: SqliteStore) -> None:
    unit = message(store)
    lose_the_next_answer(store)
    with pytest.raises(Temporary):
        await store.queue.put(unit)
    assert (await store.queue.put(unit)).lease
    assert await store.queue.lease(CLOCK.now(), 10) == []


async def test_a_lease_that_nobody_knows_of_is_given_again(store: SqliteStore) -> None:
    put = await store.queue.put(message(store))
    await store.queue.release(put.id, put.lease)
    lose_the_next_answer(store)
    with pytest.raises(Temporary):
        await store.queue.lease(CLOCK.now(), 10)
    assert [item.id for item in await store.queue.lease(CLOCK.now(), 10)] == [put.id]


async def test_a_put_that_failed_leaves_nothing_to_do(store: SqliteStore) -> None:
    def commit(jobs: object) -> object:
        raise sqlite3.OperationalError("disk full")

    plain, store._writer._commit = store._writer._commit, commit  # type: ignore[assignment, method-assign]
    with pytest.raises(Temporary):
        await store.queue.put(message(store))
    store._writer._commit = plain  # type: ignore[method-assign]
    assert store.queue._unsure == []
    assert await store.queue.lease(CLOCK.now(), 10) == []
