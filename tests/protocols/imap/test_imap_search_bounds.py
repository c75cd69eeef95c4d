"""Searches that want much: bounded, answered in words, and never long without a turn for the other sessions."""

import asyncio
import datetime
from pathlib import Path

import pytest
from support.imap_server import deliver, imap_server
from support.mailbox_room import mailbox_room

from mailhub.config import schema
from mailhub.mailbox import search
from mailhub.model import search as query

MESSAGES = 300


class Turns:
    """Counts the turns that a loop gives to somebody else."""

    def __init__(self) -> None:
        self.count = 0
        self._task = asyncio.ensure_future(self._run())

    async def _run(self) -> None:
        while True:
            self.count += 1
            await asyncio.sleep(0)

    def stop(self) -> int:
        self._task.cancel()
        return self.count


async def test_a_search_of_ten_thousand_keys_gives_way(tmp_path: Path) -> None:
    """By turns, not by time: never more than STEPS keys are asked between two."""
    async with mailbox_room(tmp_path) as room:
        await room.put(*[b"Subject: %d\r\n\r\nx\r\n" % n for n in range(MESSAGES)])
        view = await room.view()
        key = query.And(tuple([query.Not(query.Flag(1)) for _ in range(5_000)]))
        turns = Turns()
        assert len(await view.search(key)) == MESSAGES
        assert turns.stop() >= MESSAGES * 10_000 // search.STEPS


@pytest.mark.parametrize("key", [query.Envelope("SUBJECT", "7"), query.Sent(query.When.ON, datetime.date(2026, 1, 1))])
async def test_a_search_of_the_index_gives_way(key: query.Key, tmp_path: Path) -> None:
    async with mailbox_room(tmp_path) as room:
        await room.put(*[b"Subject: %d\r\n\r\nx\r\n" % n for n in range(MESSAGES)])
        view = await room.view()
        turns = Turns()
        await view.search(key)
        assert turns.stop() >= MESSAGES // search.PAGE


async def test_a_scan_gives_way_after_each_message(tmp_path: Path) -> None:
    async with mailbox_room(tmp_path, store=schema.Store(free_space_floor=0, search_index_limit=0)) as room:
        await room.put(*[b"Subject: %d\r\n\r\nx\r\n" % n for n in range(50)])
        view = await room.view()
        turns = Turns()
        assert await view.search(query.Body("nothing")) == []
        assert turns.stop() >= 50


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("NOT " * 10_000 + "SEEN", b"BAD Search nested deeper than 50"),
        ("OR SEEN " * 7_000 + "SEEN", b"BAD Search nested deeper than 50"),
        ("(" * 10_000 + "SEEN", b"BAD Search nested deeper than 50"),
        ("SEEN " * 10_001, b"BAD Search of more than 10000 keys"),
        ("SEEN " * 9_999 + "SEEN", b"OK Search completed"),
        ("OR BODY a BODY b " * 2_500 + "BODY c", b"OK Search completed"),
        ("BODY x " * 20_000, b"BAD [TOOBIG] Line too long"),
    ],
)  # fmt: skip
async def test_what_wants_too_much_is_told_so(command: str, answer: bytes, tmp_path: Path) -> None:
    async with imap_server(tmp_path) as server:
        await deliver(server.alice, b"Subject: one\r\n\r\nx\r\n")
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=1 << 20)
        writer.write(b"a LOGIN alice secret\r\nb SELECT INBOX\r\nc SEARCH %b\r\n" % command.strip().encode())
        while not (line := await asyncio.wait_for(reader.readline(), 20)).startswith((b"c ", b"* BAD")):
            assert line
        assert answer in line
        writer.close()


async def test_another_session_is_answered_while_one_searches(tmp_path: Path) -> None:
    """Its NOOPs come back while the search of the other is under way; how many, not how fast."""
    async with imap_server(tmp_path) as server:
        await deliver(server.alice, *[b"Subject: %d\r\n\r\nx\r\n" % n for n in range(MESSAGES)])

        async def signed_in() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=1 << 20)
            writer.write(b"a LOGIN alice secret\r\nb SELECT INBOX\r\n")
            while not (await reader.readline()).startswith(b"b OK"):
                pass
            return reader, writer

        reader, writer = await signed_in()
        other, say = await signed_in()
        writer.write(b"c SEARCH " + b"UNSEEN UNDELETED " * 3_500 + b"SEEN\r\nd SEARCH BODY nothing\r\n")
        done = asyncio.ensure_future(reader.readuntil(b"d OK"))
        answered = 0
        while not done.done():
            say.write(b"n%d NOOP\r\n" % answered)
            while not (await other.readline()).startswith(b"n%d OK" % answered):
                pass
            answered += 1
        assert answered > 10
        writer.close()
        say.close()
