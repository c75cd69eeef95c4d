"""Searches of one client in a folder of many messages: by date, subject and text, the first time and then again."""

import asyncio
import base64
import os
import random
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from bench import target
from bench.peers import dovecot as peer
from bench.target import DOMAIN, PASSWORD, READER, Target

AGAIN = 5  # times that each is asked once it has been asked
_WORDS = 3_000
_BODY = 300  # words
_VARIED = 100_000  # texts, after which they come again


@dataclass(frozen=True, slots=True)
class Load:
    """`folder` holds `messages`."""

    folder: str
    messages: int


SIZES = (1_000, 10_000)
LARGE = (100_000,)
QUESTIONS = {
    "since": b"SINCE 20-Nov-2023",
    "subject": b"SUBJECT word77x",
    "from": b"FROM person7",
    "body": b"BODY word1234x",
    "text": b"TEXT word1234x",
    "body_2": "CHARSET UTF-8 BODY 邮件".encode(),
}


def loads(sizes: tuple[int, ...]) -> tuple[Load, ...]:
    return tuple(Load(f"L{size}", size) for size in sizes)


def fill(folders: Sequence[Load]) -> Callable[[Path], None]:
    """What writes those folders into a Maildir."""

    def write(maildir: Path) -> None:
        for load in folders:
            folder = maildir if load.folder == "INBOX" else maildir / f".{load.folder}"
            for part in ("cur", "new", "tmp"):
                (folder / part).mkdir(parents=True)
            choice = random.Random(load.messages)
            texts = [_message(choice, number) for number in range(min(load.messages, _VARIED))]
            for number in range(load.messages):
                path = folder / "cur" / f"{1_700_000_000 + number}.M{number}.bench:2,"
                path.write_bytes(texts[number % _VARIED])
                os.utime(path, (1_700_000_000 + number * 600, 1_700_000_000 + number * 600))
        for part in ("cur", "new", "tmp"):
            (maildir / part).mkdir(parents=True, exist_ok=True)

    return write


def _message(choice: random.Random, number: int) -> bytes:
    words = [f"word{choice.randrange(_WORDS)}x" for _ in range(_BODY)]
    text = " ".join(words) + (" 邮件" if number % 50 == 0 else "")
    head = (
        f"From: Person <person{choice.randrange(50)}@example.org>\r\nTo: {READER}\r\nSubject: {' '.join(words[:5])}\r\n"
        f"Message-ID: <{number}@bench>\r\nDate: Mon, 5 Jan 2026 10:00:00 +0000\r\n"
        "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    )
    return head.encode() + base64.encodebytes(text.encode()).replace(b"\n", b"\r\n")


def mailhub(folders: Sequence[Load], extra: str = "") -> AbstractAsyncContextManager[Target]:
    user, _ = READER.split("@")

    def prepare(data: Path) -> None:
        fill(folders)(data / "mail" / DOMAIN / user / "Maildir")

    return target.mailhub(extra, pool=1, prepare=prepare)


def dovecot(folders: Sequence[Load]) -> AbstractAsyncContextManager[Target]:
    return peer.dovecot(fill(folders))


class Imap:
    """One connection; `ask` takes a command and gives the untagged lines."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer, self._count = reader, writer, 0

    @classmethod
    async def open(cls, target: Target) -> Self:
        client = cls(*await asyncio.open_connection(target.host, target.ports["imap"], limit=1 << 22))
        await client._reader.readline()
        await client.ask(f'LOGIN {READER} "{PASSWORD}"'.encode())
        return client

    async def ask(self, command: bytes) -> list[bytes]:
        self._count += 1
        tag = b"t%d" % self._count
        self._writer.write(b"%b %b\r\n" % (tag, _literals(command)))
        told: list[bytes] = []
        while not (line := await self._reader.readline()).startswith(tag):
            if not line:
                raise SystemExit(f"connection lost at {command!r}")
            told.append(line)
        if not line.startswith(tag + b" OK"):
            raise SystemExit(f"{command!r}: {line!r}")
        return told

    def close(self) -> None:
        self._writer.close()


def _literals(command: bytes) -> bytes:
    """A last word that is not ASCII goes as a literal, without waiting."""
    head, _, last = command.rpartition(b" ")
    return command if last.isascii() else b"%b {%d+}\r\n%b" % (head, len(last), last)


async def measure(target: Target, load: Load) -> dict[str, object]:
    """Milliseconds of each question, the first time and (median) again; and how many messages it found."""
    client = await Imap.open(target)
    row: dict[str, object] = {"load": f"{load.messages} messages"}
    await client.ask(b"SELECT " + load.folder.encode())
    for name, question in QUESTIONS.items():
        first, found = await _timed(client, question)
        row[f"{name}_first_ms"] = first
        row[f"{name}_found"] = found
    await _settle(client)
    for name, question in QUESTIONS.items():
        row[f"{name}_ms"] = round(statistics.median([(await _timed(client, question))[0] for _ in range(AGAIN)]), 2)
    client.close()
    return row


async def _settle(client: Imap) -> None:
    """Until asking for text again is no faster: a server may have begun an index meanwhile."""
    best = float("inf")
    while (now := (await _timed(client, QUESTIONS["body"]))[0]) < best * 0.7:
        best = now
        await asyncio.sleep(2.0)


async def _timed(client: Imap, question: bytes) -> tuple[float, int]:
    began = time.perf_counter()
    told = await client.ask(b"UID SEARCH " + question)
    took = round((time.perf_counter() - began) * 1_000, 2)
    return took, sum(len(line.split()) - 2 for line in told if line.startswith(b"* SEARCH"))
