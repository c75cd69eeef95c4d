"""Several sessions on one folder at random: each client's numbers mean what the server means by them, always."""

import asyncio
import random
import re
from pathlib import Path

import pytest
from support.imap_server import ImapServer, deliver, imap_server

_EXPUNGE, _EXISTS = re.compile(rb"\* (\d+) EXPUNGE"), re.compile(rb"\* (\d+) EXISTS")
_FETCH = re.compile(rb"\* (\d+) FETCH \((?:UID (\d+) )?FLAGS \((.*?)\)\)")


class Watcher:
    """A client that believes nothing but what it was told: `uids[n - 1]` is None until a FETCH has named it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.uids: list[int | None] = []
        self.count = 0

    async def ask(self, command: str) -> bytes:
        """Say it and believe the answers; returns the tagged one."""
        self.count += 1
        tag = b"t%d" % self.count
        self.writer.write(b"%b %b\r\n" % (tag, command.encode()))
        quiet = command.split()[0] in ("FETCH", "STORE", "SEARCH")
        while True:
            line = (await asyncio.wait_for(self.reader.readline(), 20)).rstrip(b"\r\n")
            assert line, f"the server hung up at {command!r}"
            if line.startswith(tag):
                return line
            if found := _EXPUNGE.fullmatch(line):
                assert not quiet, f"{line!r} while {command!r} was under way"
                assert 1 <= int(found[1]) <= len(self.uids)
                del self.uids[int(found[1]) - 1]
            elif found := _EXISTS.fullmatch(line):
                assert int(found[1]) >= len(self.uids), "EXISTS may not take messages away"
                self.uids += [None] * (int(found[1]) - len(self.uids))
            elif (found := _FETCH.fullmatch(line)) and found[2]:
                place = int(found[1]) - 1
                assert self.uids[place] in (None, int(found[2])), f"{line!r}: number {place + 1} was {self.uids[place]}"
                self.uids[place] = int(found[2])


async def watcher(server: ImapServer) -> Watcher:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    await reader.readline()
    found = Watcher(reader, writer)
    await found.ask("LOGIN alice secret")
    await found.ask("SELECT INBOX")
    return found


def command(choice: random.Random, exists: int) -> str:
    if not exists:
        return choice.choice(["NOOP", "UID FETCH 1:* (UID FLAGS)"])
    some = f"{choice.randint(1, exists)}:{choice.randint(1, exists)}"
    one = choice.randint(1, exists)
    return choice.choice(
        ["NOOP", f"FETCH {some} (UID FLAGS)", "UID FETCH 1:* (UID FLAGS)", f"STORE {one} +FLAGS (\\Deleted)",
         f"STORE {some} -FLAGS.SILENT (\\Seen)", f"STORE {one} +FLAGS (\\Flagged)", "EXPUNGE", f"SEARCH {some} FLAGGED",
         f"COPY {one} INBOX", f"MOVE {one} Trash", "UID STORE 1:9 +FLAGS (\\Answered)", "CHECK", "UID EXPUNGE 1:5"]
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(4))
async def test_views_agree(seed: int, tmp_path: Path) -> None:
    choice = random.Random(seed)
    async with imap_server(tmp_path) as server:
        await server.alice.folders()
        await deliver(server.alice, *(b"Subject: %d\r\n\r\nx\r\n" % n for n in range(12)))
        clients = [await watcher(server) for _ in range(3)]
        for _ in range(60):
            if choice.random() < 0.1:
                await deliver(server.alice, b"Subject: new\r\n\r\nx\r\n")
            chosen = choice.sample(clients, choice.randint(1, 3))
            asked = [client.ask(command(choice, len(client.uids))) for client in chosen]
            for answer in await asyncio.gather(*asked):
                assert b" BAD " not in answer
        for client in clients:
            await client.ask("NOOP")
            await client.ask("UID FETCH 1:* (UID FLAGS)")
        assert clients[0].uids == clients[1].uids == clients[2].uids
        assert None not in clients[0].uids
        for client in clients:
            client.writer.close()
