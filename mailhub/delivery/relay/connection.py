"""aiosmtplib's connection as the relay needs it: pipelining, strict and bounded replies, no timers of its own.

Replies are paired with what was asked in order (RFC 2920). A peer that speaks without being asked, or says what is no
reply, is cut off: with it one could take the answer to one thing for the answer to another, and lose mail.
"""

import asyncio
import re
import socket
from collections import deque
from collections.abc import Callable, Sequence
from typing import cast

import aiosmtplib
from aiosmtplib.protocol import SMTPProtocol
from aiosmtplib.response import SMTPResponse

_LINE = re.compile(rb"([2-5][0-9][0-9])([ -]?)(.*)", re.DOTALL)
_REPLY_LIMIT = 32_768  # octets of one reply with all its lines; an EHLO takes some hundred
_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")

Asked = asyncio.Future[SMTPResponse]


class Replies(SMTPProtocol):
    """The protocol object. `ask` first, then write, then await the futures."""

    def __init__(self, loop: asyncio.AbstractEventLoop, lost: Callable[[SMTPProtocol], None]) -> None:
        super().__init__(loop=loop, connection_lost_callback=lost)
        self._asked: deque[Asked] = deque()
        self._greeting: Asked | None = None
        self._lines: list[bytes] = []
        self._size = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._greeting = self.ask()

    def ask(self) -> Asked:
        """The next reply that nobody waits for yet."""
        asked: Asked = self._loop.create_future()
        self._asked.append(asked)
        return asked

    def send(self, commands: Sequence[bytes], content: bytes = b"") -> list[Asked]:
        """Commands without their CRLF and what follows them, all at once, and their replies to come. ValueError where one is
        not a line."""
        if any(_CONTROL.search(command) for command in commands):
            raise ValueError("a command with a control character in it")
        self.write(b"\r\n".join([*commands, content]))
        return [self.ask() for _ in commands]

    @property
    def crowded(self) -> bool:
        """Whether the peer does not read as fast as we write."""
        return self._paused

    async def drain(self, over: Callable[[], bool]) -> None:
        """Wait while that is so. `over`: whether what was answered meanwhile ends the waiting; a reply by itself makes no room."""
        while self._paused and not over():
            await self._drain_helper()

    def _look_up(self) -> None:
        """Who writes looks whether that was an answer to what is not yet written."""
        for waiter in self._drain_waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def read_response(self, timeout: float | None = None) -> SMTPResponse:
        """For the library: the greeting, then the reply to what it has just written."""
        asked, self._greeting = self._greeting or self.ask(), None
        return await asked

    # --- asyncio's side ----------------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\n")) >= 0:
            line = bytes(self._buffer[:end]).rstrip(b"\r")
            del self._buffer[: end + 1]
            if not self._take(line):
                return
        if len(self._buffer) + self._size > _REPLY_LIMIT:
            self._cut("a reply without end")
        elif self._buffer and not self._asked:
            self._cut("the peer speaks out of turn")

    def _take(self, line: bytes) -> bool:
        """One line of a reply. Whether the connection can go on."""
        found = _LINE.fullmatch(line)
        self._size += len(line)
        if not self._asked:
            return self._cut(f"the peer speaks out of turn: {line[:100]!r}")
        if found is None or self._size > _REPLY_LIMIT:
            return self._cut(f"not a reply: {line[:100]!r}" if found is None else "a reply without end")
        self._lines.append(found[3])
        if found[2] != b"-":
            text = b"\n".join(self._lines).decode("utf-8", "replace")
            self._lines, self._size = [], 0
            asked = self._asked.popleft()
            if not asked.done():
                asked.set_result(SMTPResponse(int(found[1]), text))
            self._look_up()
        return True

    def _cut(self, why: str) -> bool:
        self._fail(why)
        self._buffer.clear()
        if self.transport is not None:
            cast(asyncio.Transport, self.transport).abort()
        return False

    def _fail(self, why: str) -> None:
        while self._asked:
            asked = self._asked.popleft()
            if not asked.done():
                asked.set_exception(aiosmtplib.SMTPServerDisconnected(why))
                asked.exception()  # who asked may be gone

    def eof_received(self) -> bool:
        self._fail("the peer has closed the connection")
        return super().eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(f"connection lost: {exc}" if exc else "connection lost")
        super().connection_lost(exc)


class Connection(aiosmtplib.SMTP):
    """A client on a connected socket. `replies`: its protocol object, None where it is not connected."""

    def __init__(self, sock: socket.socket, hostname: str) -> None:
        super().__init__(sock=sock, local_hostname=hostname, timeout=None, start_tls=False)

    @property
    def replies(self) -> Replies | None:
        return self.protocol if isinstance(self.protocol, Replies) else None

    async def _create_connection(self, timeout: float | None) -> SMTPResponse:
        """The library's own makes its own protocol object."""
        loop = asyncio.get_running_loop()
        assert self.sock is not None
        connect = loop.create_unix_connection if self.sock.family == socket.AF_UNIX else loop.create_connection
        self.transport, protocol = await connect(lambda: Replies(loop, self._on_connection_lost), sock=self.sock)
        self.protocol = protocol
        greeting = await protocol.read_response()
        if greeting.code != 220:
            raise aiosmtplib.SMTPConnectResponseError(greeting.code, greeting.message)
        return greeting

    def abort(self) -> None:
        """Close at once, whatever is unsent."""
        if self.transport is not None:
            cast(asyncio.Transport, self.transport).abort()
        self.close()
