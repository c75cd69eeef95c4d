"""Commands sent at once, and expunges under another's FETCH: numbers hold still until they may move (RFC 9051 sections 5.5, 7.5.1)."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.imap_checked import CheckedClient, connect
from support.imap_server import ImapServer, deliver, imap_server

COUNT = 150  # more than FETCH answers between two pauses
SIZE = 60_000


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[ImapServer]:
    async with imap_server(tmp_path) as found:
        yield found


async def opened(server: ImapServer, kind: str = "plain") -> CheckedClient:
    client = CheckedClient(await connect(server.port), kind)
    await client.open("INBOX")
    return client


async def expunged(client: CheckedClient, uids: str) -> None:
    await client.ask(f"UID STORE {uids} +FLAGS (\\Deleted)")
    await client.ask("EXPUNGE")


@pytest.mark.parametrize("prefix", ["", "UID "])
async def test_expunges_under_a_fetch_that_the_client_reads_slowly(prefix: str, server: ImapServer) -> None:
    body = (b"x" * 70 + b"\r\n") * (SIZE // 72)
    await deliver(server.alice, *(b"Subject: %d\r\n\r\n%b" % (n, body) for n in range(COUNT)))
    slow, other = await opened(server), await opened(server)
    fetch = asyncio.ensure_future(slow.ask_all([f"{prefix}FETCH 1:* (UID BODY.PEEK[])", "NOOP"]))
    while len(slow.lines) < 3:  # it has begun
        await asyncio.sleep(0)
    await expunged(other, f"2:3,{COUNT - 9}:{COUNT}")
    answers = await fetch  # the client complains where a number moves under FETCH by number, or means another message
    assert b" OK " in answers[0]
    await slow.ask("NOOP")
    assert slow.uids == other.uids == [1, *range(4, COUNT - 9)]


async def test_each_command_sees_what_the_ones_before_it_did(server: ImapServer) -> None:
    await deliver(server.alice, *[b"Subject: x\r\n\r\nx\r\n"] * 6)
    client = await opened(server)
    await client.ask_all(
        [
            "STORE 2,4 +FLAGS (\\Deleted)",
            "EXPUNGE",
            "FETCH 2 (UID FLAGS)",
            "UID FETCH 4:5 (UID FLAGS)",
            "SEARCH UNDELETED",
        ]
    )
    assert client.found == [1, 2, 3, 4]
    assert client.uids == [1, 3, 5, 6]


async def test_commands_by_number_tell_no_expunge_however_many_come_at_once(server: ImapServer) -> None:
    await deliver(server.alice, *[b"Subject: x\r\n\r\nx\r\n"] * 9)
    client, other = await opened(server), await opened(server, "qresync")
    await expunged(other, "1:3,7")
    quiet = ["FETCH 9 (UID FLAGS)", "STORE 8 +FLAGS (\\Seen)", "SEARCH ALL", "FETCH 7 (UID RFC822.SIZE)"] * 5
    answers = await client.ask_all(quiet)
    assert client.uids == list(range(1, 10))
    assert b"[EXPUNGEISSUED]" in answers[3]
    await client.ask_all(["STORE 9 +FLAGS (\\Flagged)", "NOOP", "FETCH 5 (UID FLAGS)"])
    assert client.uids == [4, 5, 6, 8, 9]
    assert client.belief.flags[9] == {"\\Flagged"}
