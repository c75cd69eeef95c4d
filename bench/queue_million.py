"""What a queue of a thousand to a million deferred messages costs: start, lists, counts, a message put and delivered, memory.

    python -m bench.queue_million [--most N] [--json FILE]

The store is filled in bulk; each size is then measured by a process of its own, on what the disk cache holds.
"""

import argparse
import asyncio
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import psutil

from mailhub.config.schema import Store as StoreConfig
from mailhub.model.clock import SystemClock
from mailhub.model.reply import Reply
from mailhub.store.api import Act, Body, Fate, NewContent, NewItem, NewRecipient, Outcome, QueueFilter, Settle
from mailhub.store.sqlite import SqliteStore
from mailhub.store.sqlite.schema import connect

SIZES = (1_000, 10_000, 100_000, 1_000_000)
DOMAINS, SENDERS = 20_000, 5_000
PUTS = 200
BODY = b"Subject: bench\r\n\r\n" + b"x" * 200 + b"\r\n"
OK = Reply(250, "2.0.0", "Ok")


def make(folder: Path) -> SqliteStore:
    return SqliteStore(folder, StoreConfig(free_space_floor=0), SystemClock(), "mx.test")


def fill(folder: Path, first: int, last: int) -> float:
    """Deferred messages with these ids, due within a day from in an hour on. Seconds it took."""
    began, now = time.perf_counter(), time.time()
    db = connect(str(folder / "mailhub.db"))
    db.execute("pragma synchronous=off")
    db.execute("pragma cache_size=-500000")
    db.execute("begin")
    db.executemany(
        "insert into content values (?, ?, null, x'', ?, x'')", ((n, len(BODY), BODY) for n in range(first, last))
    )
    db.executemany(
        "insert into item (id, content, sender, created, priority, parameters, origin, filter)"
        " values (?, ?, ?, ?, 0, '', '{}', '')",
        ((n, n, f"s{n % SENDERS}@from.test", now - 3600) for n in range(first, last)),
    )
    db.executemany(
        "insert into recipient values (?, 0, ?, null, 0, 0, null, '', 2, ?, 1, 450, '4.2.0', 'Greylisted', 'mx', 0, ?, ?, 0, '', 0)",
        (
            (
                n,
                f"u{n}@d{n % DOMAINS}.test",
                now + 3600 + n % 86_400,
                f"d{n % DOMAINS}.test",
                f"s{n % SENDERS}@from.test",
            )
            for n in range(first, last)
        ),
    )
    db.execute("commit")
    db.execute("pragma wal_checkpoint(truncate)")
    db.close()
    return time.perf_counter() - began


async def timed(work: Callable[[], Awaitable[object]]) -> float:
    began = time.perf_counter()
    await work()
    return round((time.perf_counter() - began) * 1000, 2)


async def measure(folder: Path) -> dict[str, float]:
    """Times in ms, of the first call each; memory in MB."""
    before = psutil.Process().memory_info().rss
    store = make(folder)
    row = {"open": await timed(store.open)}
    queue, now = store.queue, time.time()
    row["next_due"] = await timed(queue.next_due)
    row["lease_nothing"] = await timed(lambda: queue.lease(now, 100))
    row["first_page"] = await timed(lambda: queue.page(QueueFilter(), 0, 100))
    row["middle_page"] = await timed(lambda: queue.page(QueueFilter(), queue._ids._last // 2, 100))
    row["page_of_domain"] = await timed(lambda: queue.page(QueueFilter(recipient="@d7.test"), 0, 100))
    row["counts"] = await timed(queue.counts)
    row["flush_domain"] = await timed(lambda: queue.act_on_all(Act.RETRY, QueueFilter(recipient="@d7.test"), now))
    row["lease_flushed"] = await timed(lambda: queue.lease(now, 100))

    async def pass_one() -> None:
        number = queue.new_id()
        content = NewContent(number, b"", Body(len(BODY), BODY))
        put = await queue.put(NewItem(number, content, "a@b.test", (NewRecipient(0, "c@d8.test"),), now, now))
        await queue.settle(Settle(put.id, put.lease, (Outcome(0, Fate.RELAYED, OK),)))

    row["put_and_settle"] = round(sum([await timed(pass_one) for _ in range(PUTS)]) / PUTS, 3)
    row["memory_mb"] = round(psutil.Process().memory_info().rss / 1e6, 1)
    row["memory_grown_mb"] = round((psutil.Process().memory_info().rss - before) / 1e6, 1)
    await store.close()
    return row


def sizes(folder: Path, most: int) -> Iterator[dict[str, float]]:
    done = 0
    for size in (size for size in SIZES if size <= most):
        seconds = fill(folder, 1 + done, 1 + size)
        done = size
        answer = subprocess.run(
            [sys.executable, "-m", "bench.queue_million", "--measure", str(folder)],
            check=True, capture_output=True, text=True, cwd=Path(__file__).resolve().parents[1],
        )  # fmt: skip
        yield {"messages": size, "fill_seconds": round(seconds, 1), **json.loads(answer.stdout)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--most", type=int, default=SIZES[-1])
    parser.add_argument("--json", type=Path, default=Path(__file__).parent / "out" / "queue_million.json")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(asyncio.run(measure(options.measure))))
        return
    folder = Path(tempfile.mkdtemp(prefix="bench-", dir=Path(__file__).parent))
    try:
        asyncio.run(prepare(folder))
        rows = []
        for row in sizes(folder, options.most):
            rows.append(row)
            if len(rows) == 1:
                print("  ".join(f"{name:>15}" for name in row))
            print("  ".join(f"{value:>15}" for value in row.values()), flush=True)
    finally:
        shutil.rmtree(folder)
    options.json.parent.mkdir(parents=True, exist_ok=True)
    machine = {"cpus": os.cpu_count(), "sqlite": sqlite3.sqlite_version}
    options.json.write_text(json.dumps({"case": "queue_million", "machine": machine, "rows": rows}, indent=2) + "\n")
    print(f"written to {options.json}")


async def prepare(folder: Path) -> None:
    """An empty store."""
    store = make(folder)
    await store.open()
    await store.close()


if __name__ == "__main__":
    main()
