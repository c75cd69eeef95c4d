"""What is the embedded store's own about the queue; the contract is in test_contract_queue.py."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.stores import CLOCK, queued

from mailhub.config.schema import Store as StoreConfig
from mailhub.model.errors import Permanent
from mailhub.model.reply import Reply
from mailhub.store.sqlite import SqliteStore
from mailhub.store.sqlite.schema import connect

OK = Reply(250, "2.0.0", "Ok")
LATER = Reply(451, "4.0.0", "Later")


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    store = make(tmp_path)
    await store.open()
    yield store
    await store.close()


def make(path: Path) -> SqliteStore:
    return SqliteStore(path, StoreConfig(free_space_floor=0), CLOCK, "mx.test")


async def rows(store: SqliteStore, table: str) -> int:
    db = connect(store._filer._database, readonly=True)
    try:
        return int(db.execute(f"select count(*) from {table}").fetchone()[0])
    finally:
        db.close()


async def test_an_aborted_body_leaves_nothing(store: SqliteStore, tmp_path: Path) -> None:
    writer = store.queue.body_writer()
    writer.feed(b"x" * 100_000)
    await writer.drain()
    assert len(list((tmp_path / "spool").iterdir())) == 1
    await writer._discard()
    assert list((tmp_path / "spool").iterdir()) == []


async def test_messages_that_wait_share_a_commit(store: SqliteStore) -> None:
    import asyncio

    before = store._writer.commits
    await asyncio.gather(*(store.queue.put(queued(store, "b@example.org")) for _ in range(200)))
    assert store._writer.commits - before < 50


async def test_a_second_server_is_refused_by_name(store: SqliteStore, tmp_path: Path) -> None:
    import os

    with pytest.raises(Permanent, match=f"in use by process {os.getpid()}"):
        await make(tmp_path).open()
