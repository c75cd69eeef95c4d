"""SIGKILL at random moments under load: each message that got its 250 is in its Maildir exactly once."""

import asyncio
import contextlib
import random
import sqlite3
from collections import Counter
from pathlib import Path

import pytest
from support.crash_figures import tell
from support.server import Server

ROUNDS = 50
SESSIONS = 6
USERS = [f"u{n}@example.test" for n in range(10)]


class Load:
    """Sessions that send numbered messages as fast as they are answered; `answered` holds those that got their 250."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.sent = 0
        self.answered: set[int] = set()

    async def session(self, size: int) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            await reader.readline()
            writer.write(b"EHLO load.test\r\n")
            while (await reader.readline())[3:4] == b"-":
                pass
            while True:
                self.sent += 1
                number = self.sent
                to = USERS[number % len(USERS)].encode()
                writer.write(b"MAIL FROM:<a@other.test>\r\nRCPT TO:<%b>\r\nDATA\r\n" % to)
                codes = [(await reader.readline())[:3] for _ in range(3)]
                if codes != [b"250", b"250", b"354"]:
                    return
                filler = (b"x" * 70 + b"\r\n") * (size // 72)
                writer.write(b"Subject: load\r\nX-Number: %d\r\n\r\n%b.\r\n" % (number, filler))
                if (await reader.readline())[:3] != b"250":
                    return
                self.answered.add(number)


@pytest.mark.timeout(600)
async def test_nothing_that_got_its_250_is_lost_or_doubled(tmp_path: Path) -> None:
    chance = random.Random(20261124)
    server = Server(tmp_path)
    await server.accounts(*USERS)
    load = Load(server.ports["smtp"])
    for _ in range(ROUNDS):
        await server.start()
        sizes = [chance.choice((200, 4_000, 4_000, 100_000)) for _ in range(SESSIONS)]
        tasks = [asyncio.create_task(load.session(size)) for size in sizes]
        await asyncio.sleep(chance.uniform(0.01, 0.3))
        await server.kill()
        await asyncio.gather(*tasks)
    await server.start()
    await queue_empty(tmp_path / "var/mailhub.db")
    assert await server.stop() == 0
    found = Counter(number for number in map(number_of, message_files(tmp_path)))
    assert len(load.answered) > ROUNDS, "the load was too small to mean anything"
    lost = sorted(load.answered - set(found))
    doubled = sorted(number for number, times in found.items() if times > 1)
    assert (lost, doubled) == ([], []), f"{len(load.answered)} answered, {len(lost)} lost, {len(doubled)} doubled"
    indexed = sqlite3.connect(tmp_path / "var/mailhub.db").execute("select count(*) from message").fetchone()[0]
    assert indexed == sum(found.values())
    tell("kill -9", "SMTP to Maildirs", rounds=ROUNDS, checked=len(load.answered), what="messages that got their 250")


async def queue_empty(database: Path) -> None:
    db = sqlite3.connect(database)
    while db.execute("select count(*) from recipient").fetchone()[0]:
        await asyncio.sleep(0.05)
    db.close()


def message_files(folder: Path) -> list[Path]:
    return [path for sub in ("new", "cur") for path in (folder / "var/mail").glob(f"*/*/Maildir/{sub}/*")]


def number_of(path: Path) -> int:
    data = path.read_bytes()
    assert data.endswith(b"\r\n"), f"{path.name} is cut short"
    start = data.index(b"X-Number: ") + 10
    return int(data[start : data.index(b"\r\n", start)])
