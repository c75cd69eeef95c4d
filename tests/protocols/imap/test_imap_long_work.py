"""Long commands: others have their turn, the client hears that something is going on, and nothing is done by halves."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from support.imap_memory import MemoryServer, Talk, imap_memory
from support.imap_server import deliver

from mailhub.mailbox import search, searching
from mailhub.mailbox.service import FolderView
from mailhub.model.errors import Temporary
from mailhub.protocols.imap import copying, fetch, store

MANY = 300


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if there were a hundred times as many messages."""
    for module, name in ((fetch, "PAGE"), (fetch, "FILES_PAGE"), (store, "PAGE"), (copying, "PAGE"), (search, "PAGE")):
        monkeypatch.setattr(module, name, 10)


async def filled(server: MemoryServer) -> Talk:
    await deliver(server.alice, *(b"Subject: %d\r\n\r\ntext\r\n" % n for n in range(MANY)))
    return await server.login("SELECT INBOX")


@pytest.mark.parametrize(
    "command",
    [
        "FETCH 1:* (UID FLAGS)", "FETCH 1:* (ENVELOPE BODYSTRUCTURE)", "FETCH 1:* BODY.PEEK[]", "FETCH 1:* (BINARY.PEEK[1] PREVIEW)",
        "STORE 1:* +FLAGS (\\Seen)", "STORE 1:* +FLAGS.SILENT (\\Flagged)", "COPY 1:* Trash", "MOVE 1:* Trash",
    ],
)  # fmt: skip
async def test_others_have_their_turn(command: str, tmp_path: Path) -> None:
    """Another session's NOOPs are answered all the while: at least one for every third page."""
    async with imap_memory(tmp_path) as server:
        await server.alice.folders()
        worker, other = await filled(server), await server.login("EXAMINE Drafts")
        working = asyncio.ensure_future(worker.ask(command))
        answered = 0
        while not working.done():
            await other.ask("NOOP")
            answered += 1
        assert b" OK " in (await working)[-1]
        assert answered >= MANY / 10 / 3


@pytest.mark.parametrize("command", ["COPY 1:* Trash", "MOVE 1:* Trash", "STORE 1:* +FLAGS.SILENT (\\Seen)"])
async def test_a_client_hears_that_something_is_going_on(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RFC 9585: where a page takes four seconds, after three pages each."""
    async with imap_memory(tmp_path) as server:
        await server.alice.folders()
        client = await filled(server)
        for name in ("copy", "move", "set_flags"):
            monkeypatch.setattr(FolderView, name, slow(server, getattr(FolderView, name)))
        heard = [line for line in await client.ask(command) if b"INPROGRESS" in line]
        assert len(heard) == 9
        assert heard[0] == b'* OK [INPROGRESS ("t3" 30 300)] Still at it\r\n'


@pytest.mark.parametrize(
    "command", ["SEARCH TEXT xyz", "UID SORT (SUBJECT) UTF-8 TEXT xyz", "THREAD REFS UTF-8 TEXT xyz"]
)
async def test_a_client_hears_how_far_a_search_is(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with imap_memory(tmp_path) as server:
        client = await filled(server)
        monkeypatch.setattr(searching._Run, "_page", slow(server, searching._Run._page))
        heard = [line for line in await client.ask(command) if b"INPROGRESS" in line]
        assert len(heard) == 9
        assert heard[0] == b'* OK [INPROGRESS ("t3" 30 300)] Still at it\r\n'


def slow(server: MemoryServer, act: Any) -> Any:
    async def slowly(self: Any, *arguments: Any) -> Any:
        await server.clock.advance(4)
        return await act(self, *arguments)

    return slowly


async def test_a_copy_is_all_or_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 3501 section 6.4.7: also where the disk fails behind the third of 30 commits."""
    async with imap_memory(tmp_path) as server:
        await server.alice.folders()
        client = await filled(server)
        copy, calls = FolderView.copy, 0

        async def failing(self: FolderView, uids: Sequence[int], target: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls > 3:
                raise Temporary("no disk")
            return await copy(self, uids, target)

        monkeypatch.setattr(FolderView, "copy", failing)
        assert (await client.ask("COPY 1:* Trash"))[-1].startswith(b"t3 NO [UNAVAILABLE]")
        assert (await client.ask("STATUS Trash (MESSAGES)"))[0] == b'* STATUS "Trash" (MESSAGES 0)\r\n'


async def test_a_move_that_fails_tells_what_it_did(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 6851 section 3.3: each message is in one place, and the client knows in which."""
    async with imap_memory(tmp_path) as server:
        await server.alice.folders()
        client = await filled(server)
        move, calls = FolderView.move, 0

        async def failing(self: FolderView, uids: Sequence[int], target: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls > 3:
                raise Temporary("no disk")
            return await move(self, uids, target)

        monkeypatch.setattr(FolderView, "move", failing)
        heard = await client.ask("MOVE 1:* Trash")
        assert heard[0].startswith(b"* OK [COPYUID ")
        assert heard[0].split()[4:6] == [b"1:30", b"1:30]"]
        assert sum(b"EXPUNGE" in line for line in heard) == 30
        assert heard[-1].startswith(b"t3 NO [UNAVAILABLE]")
        assert (await client.ask("STATUS Trash (MESSAGES)"))[0] == b'* STATUS "Trash" (MESSAGES 30)\r\n'


async def test_a_pipeline_keeps_its_numbers(tmp_path: Path) -> None:
    """RFC 3501 section 5.5: what follows an EXPUNGE by number means the numbers after it; each is answered, in order."""
    async with imap_memory(tmp_path) as server:
        client, other = await filled(server), await server.login("SELECT INBOX")
        await other.ask("STORE 1:10 +FLAGS.SILENT (\\Deleted)")
        tags = [
            client.send(command)
            for command in (
                "FETCH 11 UID",
                "EXPUNGE",
                "FETCH 1 UID",
                "STORE 1 +FLAGS (\\Flagged)",
                "FETCH 1 (UID FLAGS)",
            )
        ]
        heard = [await client.until(tag) for tag in tags]
        assert heard[0][0] == b"* 11 FETCH (UID 11)\r\n"
        assert sum(b"EXPUNGE" in line for line in heard[1]) == 10
        assert heard[2][0] == b"* 1 FETCH (UID 11)\r\n"
        assert heard[4][0].startswith(b"* 1 FETCH (UID 11 FLAGS (\\Flagged")
        # the other session's numbers stand until it is told
        assert (await other.ask("FETCH 11 UID"))[0] == b"* 11 FETCH (UID 11)\r\n"
        told = await other.ask("NOOP")
        assert sum(b"EXPUNGE" in line for line in told) == 10
        assert (await other.ask("FETCH 1 UID"))[0] == b"* 1 FETCH (UID 11)\r\n"
