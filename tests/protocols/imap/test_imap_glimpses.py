"""THREADID and PREVIEW are found in a message's file once, and kept until the message goes."""

from pathlib import Path
from typing import Any

import pytest
from support.imap_memory import MemoryServer, imap_memory
from support.imap_server import deliver

from mailhub.mailbox.service import FolderView

PLAIN = b"Message-ID: <a@x.test>\r\nSubject: one\r\n\r\nfirst words \xe4\xbd\xa0\xe5\xa5\xbd\r\n"
ANSWER = b"Message-ID: <b@x.test>\r\nReferences: <a@x.test>\r\n\r\n"
NOTHING = b"Subject: three\r\n\r\n\r\n"
ITEMS = "UID FETCH 1:* (UID THREADID PREVIEW)"


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """UIDs of the files that were opened."""
    found: list[int] = []
    opening = FolderView.open

    async def noted(self: FolderView, uid: int) -> Any:
        found.append(uid)
        return await opening(self, uid)

    monkeypatch.setattr(FolderView, "open", noted)
    return found


def remove(home: Path, text: bytes) -> None:
    (file,) = [one for one in home.rglob("cur/*") if one.read_bytes().endswith(text)]
    file.unlink()


async def rows(server: MemoryServer) -> list[tuple[int, str]]:
    db = server.alice._store._db
    return [tuple(row) for row in db.execute("select uid, preview from glimpse order by folder, uid").fetchall()]


async def test_found_once_and_kept_over_sessions(tmp_path: Path, opened: list[int]) -> None:
    async with imap_memory(tmp_path) as server:
        await deliver(server.alice, PLAIN, ANSWER, NOTHING)
        talk = await server.login("SELECT INBOX")
        first = await talk.ask(ITEMS)
        assert opened == [1, 2, 3]
        threads = [line.split(b"THREADID ")[1].split(b" PREVIEW")[0] for line in first[:-1] if b"THREADID" in line]
        assert threads[0] == threads[1] != b"NIL"
        assert threads[2] == b"NIL"
        assert b"first words" in first[0] + first[1]
        assert b"PREVIEW NIL" in b"".join(first)
        opened.clear()
        assert (await talk.ask(ITEMS))[:-1] == first[:-1]
        other = await server.login("SELECT INBOX")
        assert (await other.ask(ITEMS))[:-1] == first[:-1]
        assert opened == []
        lazy = await other.ask("FETCH 1 (FLAGS PREVIEW (LAZY))")
        assert b"first words" in b"".join(lazy)
        with_text = b"".join(await other.ask("FETCH 1 (THREADID BODY.PEEK[HEADER.FIELDS (Subject)] PREVIEW)"))
        assert opened == [1]
        assert threads[0] in with_text
        assert b"Subject: one" in with_text
        assert b"first words" in with_text


async def test_they_go_with_the_message(tmp_path: Path, opened: list[int]) -> None:
    async with imap_memory(tmp_path) as server:
        await deliver(server.alice, PLAIN, ANSWER, NOTHING)
        talk = await server.login("CREATE Other", "SELECT INBOX", ITEMS)
        assert [uid for uid, _ in await rows(server)] == [1, 2, 3]
        for command in ("MOVE 2 Other", "STORE 1 +FLAGS (\\Deleted)", "EXPUNGE"):
            assert b" OK " in (await talk.ask(command))[-1]
        assert await rows(server) == [(3, "")]
        await talk.ask("SELECT Other")
        opened.clear()
        assert b"THREADID (T" in b"".join(await talk.ask(ITEMS))
        assert len(opened) == 1
        assert b" OK " in (await talk.ask("DELETE Other"))[-1]
        assert await rows(server) == [(3, "")]


async def test_a_message_whose_file_is_gone_is_left_out(tmp_path: Path) -> None:
    async with imap_memory(tmp_path) as server:
        await deliver(server.alice, PLAIN, ANSWER)
        talk = await server.login("SELECT INBOX")
        await server.alice._store.sync()
        remove(tmp_path, ANSWER)
        answer = b"".join(await talk.ask(ITEMS))
        assert answer.count(b"THREADID") == 1
        assert b"EXPUNGEISSUED" in answer
