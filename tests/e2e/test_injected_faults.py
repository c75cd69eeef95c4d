"""A real server meets real faults, one at a time: it says "later", says in `mailhub status` what is wrong, and goes on by itself.
Nothing that was taken is lost. (The file system without room or inodes: tests/hub/test_low_disk.py; a database of others: test_database_away.py.)"""

import asyncio
import os
import resource
import smtplib
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from support.disks import disk, full_memory, unchangeable
from support.server import Server

from mailhub.control.client import Client
from mailhub.control.words import ServerStatus, Status

USER = "u@example.test"
QUICK = """
[queue]
retry = [1]
[smtp]
greet_pause = 0
[store]
free_space_floor = 0
inode_floor = 0
"""


class Mail:
    """Letters to USER: `taken` are those that were answered 250. None may be told 5xx."""

    def __init__(self, server: Server) -> None:
        self.server, self.taken, self._last = server, list[int](), 0

    async def send(self, size: int = 200) -> int:
        """One letter; its code."""
        self._last += 1
        code = await asyncio.to_thread(self._send, self._last, size)
        assert code == 250 or 400 <= code < 500, code
        if code == 250:
            self.taken.append(self._last)
        return code

    def _send(self, number: int, size: int) -> int:
        text = b"Subject: %d\r\n\r\n%b\r\n" % (number, b"x" * 70 + b"\r\n" * 1)
        text += (b"y" * 70 + b"\r\n") * (size // 72)
        try:
            with smtplib.SMTP("127.0.0.1", self.server.ports["smtp"], timeout=60) as client:
                client.sendmail("a@other.test", [USER], text)
        except smtplib.SMTPResponseException as error:
            return error.smtp_code
        except smtplib.SMTPRecipientsRefused as error:
            return error.recipients[USER][0]
        except smtplib.SMTPServerDisconnected:
            return 421
        return 250

    async def status(self) -> ServerStatus:
        def ask() -> ServerStatus:
            client = Client(self.server.folder / "var")
            try:
                return client.ask(Status())
            finally:
                client.close()

        return await asyncio.to_thread(ask)

    async def until(self, so: Callable[[ServerStatus], object]) -> ServerStatus:
        while not so(status := await self.status()):
            await asyncio.sleep(0.05)
        return status

    async def all_there(self) -> None:
        """Once the queue is empty: each that was taken, once."""
        await self.until(lambda status: not status.queue_recipients)
        found = sorted(_number(path.read_bytes()) for path in _files(self.server))
        assert found == self.taken


def _files(server: Server) -> list[Path]:
    return [path for sub in ("new", "cur") for path in (server.folder / "var/mail").glob(f"*/*/Maildir/{sub}/*")]


def _number(text: bytes) -> int:
    assert text.endswith(b"\r\n")
    return int(text.partition(b"Subject: ")[2].partition(b"\r\n")[0])


@asynccontextmanager
async def serving(folder: Path, extra: str = QUICK) -> AsyncIterator[Mail]:
    server = Server(folder, extra)
    await server.accounts(USER)
    await server.start()
    try:
        mail = Mail(server)
        assert await mail.send() == 250
        yield mail
        assert (await mail.status()).trouble == ""
        assert await server.stop() == 0
        assert "Traceback" not in server.log()
    finally:
        assert server.process is not None
        if server.process.returncode is None:
            print(server.log()[-5_000:])
            await server.kill()


async def test_a_disk_that_is_full_to_the_last_octet(tmp_path: Path) -> None:
    with disk(tmp_path) as small:
        async with serving(small.path) as mail:
            await mail.until(lambda status: not status.queue_recipients)
            filler = small.fill()
            codes = [await mail.send(50_000) for _ in range(20)]
            assert codes[-1] // 100 == 4
            told: set[str] = set()
            for _ in range(20):  # what is small may find room for a moment, and ends the alarm
                told |= set((await mail.status()).alarms)
                if told & {"database", "files"}:
                    break
                await mail.send(50_000)
            assert told & {"database", "files"}, told
            filler.unlink()
            status = await mail.until(lambda status: not status.alarms)
            assert status.log_lost > 0, "its log lies there, too"
            assert await mail.send(50_000) == 250
            await mail.all_there()


async def test_a_database_that_became_read_only(tmp_path: Path) -> None:
    async with serving(tmp_path) as mail:
        await mail.until(lambda status: not status.queue_recipients)
        with unchangeable(*(tmp_path / "var").glob("mailhub.db*"), tmp_path / "var"):
            assert (await mail.send()) // 100 == 4
            status = await mail.status()
            assert "until it can be written" in status.alarms["database"], status.alarms
            assert status.trouble.startswith("the database can not be written")
        await mail.until(lambda status: not status.alarms)
        assert await mail.send() == 250
        await mail.all_there()


async def test_no_more_open_files(tmp_path: Path) -> None:
    async with serving(tmp_path) as mail, AsyncExitStack() as undo:
        process = mail.server.process
        assert process is not None
        await mail.until(lambda status: not status.queue_recipients)
        before = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)
        used = len(os.listdir(f"/proc/{process.pid}/fd"))
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (used + 20, before[1]))
        assert await mail.send() == 421
        status = await mail.status()
        assert "LimitNOFILE" in status.alarms["listeners"]
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (used, before[1]))  # not even the control socket's
        reader, writer = await asyncio.open_connection("127.0.0.1", mail.server.ports["smtp"])
        undo.callback(writer.close)
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, before)
        assert (await reader.readline()).startswith((b"220", b"421"))
        assert await mail.send() == 250
        await mail.until(lambda status: not status.alarms)
        await mail.all_there()


@pytest.mark.parametrize("place", ["var/mail/example.test/u/Maildir/tmp", "var/spool"])
async def test_a_folder_that_became_read_only(tmp_path: Path, place: str) -> None:
    async with serving(tmp_path) as mail:
        await mail.until(lambda status: not status.queue_recipients)
        with unchangeable(tmp_path / place):
            code = await mail.send(200_000)
            assert code == (250 if "Maildir" in place else 451)
            status = await mail.until(lambda status: "files" in status.alarms)
            assert ("u@example.test" if code == 250 else "var/spool") in status.alarms["files"]
            assert status.queue_recipients == (code == 250)
        assert await mail.send(200_000) == 250
        await mail.until(lambda status: not status.alarms)
        await mail.all_there()


async def test_a_full_tmp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of ours lies there, nor of SQLite's."""
    with full_memory(tmp_path / "tmp") as full:
        for name in ("TMPDIR", "SQLITE_TMPDIR"):
            monkeypatch.setenv(name, str(full))
        async with serving(tmp_path) as mail:
            assert [await mail.send(300_000) for _ in range(3)] == [250] * 3
            assert (await mail.status()).alarms == {}
            await mail.all_there()


async def test_a_log_that_can_not_be_written(tmp_path: Path) -> None:
    with full_memory(tmp_path / "logs") as full:
        async with serving(tmp_path, f'{QUICK}\n[log]\noutput = "{full}/mail.log"\n') as mail:
            status = await mail.until(lambda status: status.alarms)
            assert "lines do not reach the log" in status.alarms["log"]
            (full / "filler").unlink()
            assert await mail.send() == 250
            status = await mail.until(lambda status: not status.alarms)
            assert status.log_lost > 0
            await mail.all_there()
