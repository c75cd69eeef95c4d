"""What a session costs: statements at login, memory while it is idle."""

import asyncio
import gc
import tracemalloc
from pathlib import Path

from support.imap_server import deliver
from support.pop3_server import pop3_server

MANY = 10_000
IDLE = 50


async def talk(port: int, *lines: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connected, signed in, and so much said."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"USER alice\r\nPASS secret\r\n" + b"".join(line + b"\r\n" for line in lines))
    for _ in range(3):
        assert (await reader.readline()).startswith(b"+OK")
    return reader, writer


async def test_ten_thousand_messages_are_listed_by_few_statements(tmp_path: Path) -> None:
    async with pop3_server(tmp_path) as server:
        for start in range(0, MANY, 1_000):
            await deliver(server.alice, *[b"Subject: %d\r\n\r\n" % n for n in range(start, start + 1_000)])
        statements: list[str] = []
        server.store.mailboxes._db.set_trace_callback(statements.append)
        reader, writer = await talk(server.port, b"STAT", b"UIDL", b"QUIT")
        assert (await reader.readline()).startswith(b"+OK %d " % MANY)
        assert (await reader.readline()).startswith(b"+OK %d " % MANY)
        lines = [await reader.readline() for _ in range(MANY + 1)]
        assert lines[-1] == b".\r\n"
        assert len({line.split()[1] for line in lines[:-1]}) == MANY
        assert await reader.read(-1) == b"+OK Bye\r\n"
        writer.close()
        server.store.mailboxes._db.set_trace_callback(None)
    assert 0 < len(statements) < 10, statements


async def test_an_idle_session_holds_its_list_and_little_more(tmp_path: Path) -> None:
    """Twelve octets a message, no statement, no file: what a thousand clients that stay connected cost."""
    async with pop3_server(tmp_path) as server:
        await deliver(server.alice, *[b"Subject: %d\r\n\r\n" % n for n in range(1_000)])
        first = await talk(server.port)
        gc.collect()
        tracemalloc.start()
        try:
            clients = [await talk(server.port) for _ in range(IDLE)]
            gc.collect()
            ours = tracemalloc.take_snapshot().filter_traces(
                [tracemalloc.Filter(True, "*/mailhub/*"), tracemalloc.Filter(True, "*/asyncio/selector_events.py")]
            )
        finally:
            tracemalloc.stop()
        held = sum(trace.size for trace in ours.traces) / IDLE
        for _, writer in (first, *clients):
            writer.close()
    assert 12_000 < held < 24_000, f"{held:.0f} octets a session"
