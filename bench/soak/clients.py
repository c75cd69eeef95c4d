"""IMAP and POP3 as mail programs speak them, as far as the soak needs."""

import asyncio
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Self

PATIENCE = 90.0  # seconds for any answer: the longest that a fault may last, and much more
_LITERAL = re.compile(rb"\{(\d+)\}\r\n$")
_UID = re.compile(rb"\bUID (\d+)")
_FLAGS = re.compile(rb"\bFLAGS \(([^)]*)\)")
SUBJECT = re.compile(rb"Subject: soak (\d+) (\w+)", re.I)


class Refused(Exception):
    """An answer that is no success; `text` as it came."""

    def __init__(self, line: bytes) -> None:
        self.text = line.decode("latin-1").strip()
        super().__init__(self.text)


class Lost(Exception):
    """The connection has ended."""


class Silent(Exception):
    """No answer, for longer than any fault lasts."""


@dataclass
class Wire:
    """Lines out and in."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @classmethod
    async def open(cls, port: int) -> Self:
        try:
            return cls(*await asyncio.open_connection("127.0.0.1", port, limit=1 << 22))
        except OSError as error:
            raise Lost from error

    def send(self, octets: bytes) -> None:
        self.writer.write(octets)

    async def line(self, patience: float = PATIENCE) -> bytes:
        line = await self._wait(self.reader.readline(), patience)
        if not line.endswith(b"\r\n"):
            raise Lost
        return line

    async def exactly(self, count: int) -> bytes:
        return await self._wait(self.reader.readexactly(count), PATIENCE)

    async def _wait(self, reading: "asyncio.Future[bytes] | object", patience: float) -> bytes:
        try:
            return await asyncio.wait_for(reading, patience)  # type: ignore[arg-type]
        except TimeoutError:
            raise Silent from None
        except (OSError, asyncio.IncompleteReadError) as error:
            raise Lost from error

    def close(self) -> None:
        self.writer.transport.abort()


@dataclass
class Seen:
    """A line of FETCH."""

    uid: int
    number: int
    sum: str
    flags: set[bytes]
    text: bytes


@dataclass
class Imap(Wire):
    """`folder` as it is selected: `validity`, `uid_next`."""

    tags: int = 0
    validity: int = 0
    uid_next: int = 0
    untagged: list[bytes] = field(default_factory=list)

    async def sign_in(self, account: str, password: str) -> None:
        await self.response()
        await self.ask(b'LOGIN "%b" "%b"' % (account.encode(), password.encode()))

    async def response(self, patience: float = PATIENCE) -> bytes:
        """One with its literals."""
        whole = line = await self.line(patience)
        while found := _LITERAL.search(line):
            whole += await self.exactly(int(found[1]))
            line = await self.line()
            whole += line
        return whole

    async def ask(self, command: bytes, *more: bytes) -> list[bytes]:
        """All responses; the tagged one last. Refused where that is no OK. `more`: after each "+"."""
        self.tags += 1
        tag = b"s%d" % self.tags
        self.send(tag + b" " + command + b"\r\n")
        found: list[bytes] = []
        rest = list(more)
        while True:
            response = await self.response()
            if response.startswith(b"+ ") and rest:
                self.send(rest.pop(0))
                continue
            found.append(response)
            if response.startswith(tag + b" "):
                if not response.startswith(tag + b" OK"):
                    raise Refused(response)
                return found
            if response.startswith(b"* BYE"):
                raise Refused(response)

    async def select(self, folder: str) -> None:
        said = b"".join(await self.ask(b"SELECT " + folder.encode()))
        self.validity, self.uid_next = (
            int(re.search(rb"\[" + word + rb" (\d+)\]", said)[1])  # type: ignore[index]
            for word in (b"UIDVALIDITY", b"UIDNEXT")
        )

    async def fetch(self, what: bytes = b"BODY.PEEK[HEADER.FIELDS (SUBJECT)]") -> list[Seen]:
        """All messages of the folder."""
        found = []
        for response in await self.ask(b"UID FETCH 1:* (FLAGS %b)" % what):
            uid, flags, subject = _UID.search(response), _FLAGS.search(response), SUBJECT.search(response)
            if uid and flags and subject:
                found.append(
                    Seen(int(uid[1]), int(subject[1]), subject[2].decode(), set(flags[1].split()), _literal(response))
                )
        return found

    async def idle(self, seconds: float) -> list[bytes]:
        """What is told meanwhile."""
        self.tags += 1
        self.send(b"s%d IDLE\r\n" % self.tags)
        told: list[bytes] = []
        until = asyncio.get_running_loop().time() + seconds
        while (left := until - asyncio.get_running_loop().time()) > 0:
            try:
                told.append(await self.response(left))
            except Silent:
                break
        self.send(b"DONE\r\n")
        while not (told and told[-1].startswith(b"s%d " % self.tags)):
            told.append(await self.response())
            if told[-1].startswith(b"* BYE"):
                raise Refused(told[-1])
        return told


def _literal(response: bytes) -> bytes:
    found = re.search(rb"\{(\d+)\}\r\n", response)
    return response[found.end() : found.end() + int(found[1])] if found else b""


def uids(numbers: Iterable[int]) -> bytes:
    return ",".join(map(str, sorted(numbers))).encode()


@dataclass
class Pop3(Wire):
    async def sign_in(self, account: str, password: str) -> None:
        await self.told()
        await self.ask(f"USER {account}")
        await self.ask(f"PASS {password}")

    async def told(self) -> bytes:
        line = await self.line()
        if not line.startswith(b"+OK"):
            raise Refused(line)
        return line

    async def ask(self, command: str) -> bytes:
        self.send(command.encode() + b"\r\n")
        return await self.told()

    async def lines(self, command: str) -> list[bytes]:
        await self.ask(command)
        found: list[bytes] = []
        while (line := await self.line()) != b".\r\n":
            found.append(line)
        return found
