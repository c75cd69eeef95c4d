"""The queues that the bench fills in bulk are queues of this version."""

import sys
from pathlib import Path

from support.server import REPOSITORY

sys.path.insert(0, str(REPOSITORY))
from bench import queue_million


async def test_a_filled_queue_is_measured(tmp_path: Path) -> None:
    await queue_million.prepare(tmp_path)
    queue_million.fill(tmp_path, 1, 51)
    row = await queue_million.measure(tmp_path)
    assert {"open", "counts", "put_and_settle"} <= set(row)
    store = queue_million.make(tmp_path)
    await store.open()
    counts = await store.queue.counts()
    assert counts.items == 50
    await store.close()
