"""What other programs do to the files of a folder that is open is told to who has it open; what we do ourselves is not scanned for."""

import asyncio
import os
import pty
import shutil
import subprocess
import termios
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from support.imap_server import deliver, imap_server
from support.mailbox_room import MailboxRoom, mailbox_room

from mailhub.config.schema import Mailbox, Store
from mailhub.mailbox.service import Mailboxes
from mailhub.mailbox.view import Delta, FolderView
from mailhub.model.clock import SystemClock
from mailhub.model.mailbox import FLAGGED, SEEN, FlagOp
from mailhub.store.sqlite import SqliteStore, watcher

HOME = "mail/mailhub.test/alice/Maildir"
TEXT = b"Subject: %d\r\n\r\nhello\r\n"


@asynccontextmanager
async def room(data: Path) -> AsyncIterator[MailboxRoom]:
    """On the real clock: changes of files come when they come."""
    clock = SystemClock()
    store = SqliteStore(data, Store(free_space_floor=0, sync_interval=0.001), clock, "mx.test")
    await store.open()
    service = Mailboxes(store, Mailbox(), clock)
    try:
        yield MailboxRoom(store, service, clock, service.account("alice@mailhub.test"))  # type: ignore[arg-type]
    finally:
        service.close()
        await store.close()


async def opened(it: MailboxRoom) -> tuple[FolderView, Path]:
    await it.put(*(TEXT % n for n in range(3)))
    await it.store.mailboxes.sync()
    view = await it.view()
    await view.sync(expunges=True)
    await it.store.mailboxes.sync()  # from new/ to cur/
    return view, Path(it.store._data, HOME)


async def news(view: FolderView) -> Delta:
    while not view.changed.is_set():
        await asyncio.sleep(0.01)
    return await view.sync(expunges=True)


def file_of(home: Path, n: int) -> Path:
    return next(path for path in (home / "cur").iterdir() if path.read_bytes() == TEXT % n)


async def test_renames_deletions_links_and_files_that_are_written_slowly(tmp_path: Path) -> None:
    async with room(tmp_path) as it:
        view, home = await opened(it)
        path = file_of(home, 0)
        path.rename(f"{path}F")
        assert (await news(view)).flags == ((1, 1, FLAGGED),)
        file_of(home, 1).unlink()
        assert (await news(view)).expunged == (2,)
        (tmp_path / "outside").write_bytes(TEXT % 7)
        os.link(tmp_path / "outside", home / "new" / "7.linked.host")
        assert (await news(view)).exists == 3
        with (home / "new" / "8.slow.host").open("wb") as slow:  # cp
            slow.write(b"Subject: ")
            slow.flush()
            path = file_of(home, 2)
            path.rename(f"{path}S")
            delta = await news(view)
            assert (delta.exists, delta.flags) == (None, ((2, 3, SEEN),)), "half a file is no message"
            slow.write(b"slow\r\n\r\n")
        assert (await news(view)).exists == 4
        assert (await view.rows([view.uids[-1]], rendered=True))[0].size == 17
        view.close()


async def test_what_we_do_ourselves_is_not_scanned_for(tmp_path: Path) -> None:
    async with room(tmp_path) as it:
        view, home = await opened(it)
        path = file_of(home, 0)
        path.rename(f"{path}F")  # so that the scan which came with the watch is over
        await news(view)
        scanned = []
        mailboxes = it.store.mailboxes
        real = mailboxes.watcher._scan

        async def counting(folder: int, busy: object) -> None:
            scanned.append(folder)
            await real(folder, ())

        mailboxes.watcher._scan = counting
        await it.put(*(TEXT % n for n in range(10, 20)))
        await mailboxes.set_flags(view.folder.id, [1, 2], FlagOp.ADD, SEEN)
        await mailboxes.expunge(view.folder.id, [3])
        await mailboxes.copy(view.folder.id, [1], view.folder.id)
        await mailboxes.sync()
        await view.sync(expunges=True)
        path = file_of(home, 1)
        path.rename(f"{path}T")
        while not (await news(view)).flags:
            pass
        assert scanned == [view.folder.id], "for the last one, which was not ours"
        view.close()


async def test_folders_are_looked_at_where_the_system_can_not_tell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none() -> None:
        raise OSError("no inotify instances left")

    monkeypatch.setattr(watcher, "Inotify", none)
    async with mailbox_room(tmp_path) as it:
        view, home = await opened(it)
        path = file_of(home, 0)
        path.rename(f"{path}F")
        await it.clock.advance(31)
        await it.clock.advance(1)
        assert (await news(view)).flags == ((1, 1, FLAGGED),)
        view.close()


async def test_watches_are_bounded(tmp_path: Path) -> None:
    async with mailbox_room(tmp_path) as it:
        it.store.mailboxes.watcher._limit = 2
        for name in ("A", "B", "C", "INBOX"):
            if name != "INBOX":
                await it.alice.create(name)
            (await it.view(name)).close()
        watching = it.store.mailboxes.watcher
        assert len(watching._folders) == 2
        assert len(watching._owners) == len(it.store._files.watched) == 4
        await it.alice.delete("C")
        (await it.view("A")).close()
        assert len(watching._owners) <= 4


@pytest.fixture
def mutt() -> str:
    program = shutil.which("mutt")
    if program is None:
        pytest.skip("mutt is not installed")
    return program


def run_mutt(program: str, home: Path, keys: str) -> None:
    """On a terminal of its own, as if somebody typed."""
    leader, follower = pty.openpty()
    termios.tcsetwinsize(follower, (24, 80))
    try:
        process = subprocess.Popen(
            [program, "-n", "-F", "/dev/null", "-f", str(home), "-e", f"set quit=yes move=no delete=yes mark_old=no mbox_type=Maildir folder={home.parent}",
             "-e", f'push "{keys}"'],
            stdin=follower, stdout=follower, stderr=follower, start_new_session=True,
            env={"TERM": "xterm", "HOME": str(home.parent), "PATH": os.environ["PATH"]},
        )  # fmt: skip
        os.close(follower)
        while True:
            try:
                if not os.read(leader, 65_536):
                    break
            except OSError:  # the terminal is closed: it has ended
                break
        assert process.wait(20) == 0
    finally:
        os.close(leader)


async def test_mutt_flags_and_deletes_while_a_session_idles(tmp_path: Path, mutt: str) -> None:
    async with imap_server(tmp_path) as server:
        await deliver(server.alice, *(TEXT % n for n in range(3)))
        await server.mailboxes._store.mailboxes.sync()
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)

        async def said(words: bytes) -> bytes:
            line = b""
            while words not in line:
                line = await reader.readline()
                assert line
            return line

        for line, answer in ((b"a LOGIN alice secret", b"a OK"), (b"b SELECT INBOX", b"b OK"), (b"c IDLE", b"+ ")):
            writer.write(line + b"\r\n")
            await said(answer)
        home = tmp_path / HOME
        await asyncio.to_thread(
            run_mutt, mutt, home, "<first-entry><flag-message><last-entry><delete-message><sync-mailbox><quit>"
        )
        first = await said(b"FETCH")
        assert b"\\Flagged" in first
        assert await said(b"EXPUNGE") == b"* 3 EXPUNGE\r\n"
        writer.write(b"DONE\r\n")
        await said(b"c OK")
        writer.close()
