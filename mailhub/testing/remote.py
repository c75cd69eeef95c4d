"""A mail host elsewhere that does what its script says, for the other end of a relay."""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

CUT = "cut"  # the connection ends there
STALL = "stall"  # nothing is said any more
_LINE_LIMIT = 1 << 20
_MESSAGE_LIMIT = 1 << 26
_USUAL = {
    "CONNECT": "220 {name} ESMTP",
    "EHLO": "250-{name}\n250-PIPELINING\n250-8BITMIME\n250 ENHANCEDSTATUSCODES",
    "HELO": "250 {name}",
    "MAIL": "250 2.1.0 Ok",
    "RCPT": "250 2.1.5 Ok",
    "DATA": "354 Go on",
    "NOBODY": "554 5.5.1 No valid recipients",
    "MESSAGE": "250 2.0.0 Ok",
    "RSET": "250 2.0.0 Ok",
    "NOOP": "250 2.0.0 Ok",
    "QUIT": "221 2.0.0 Bye",
}


@dataclass(frozen=True)
class Taken:
    """A message that the remote host said 250 to."""

    sender: str
    recipients: tuple[str, ...]
    data: bytes


class RemoteHost:
    """An SMTP server in the test's loop. `script`: for a verb, its replies in turn; the last one stays. Beside the verbs of SMTP:
    "CONNECT" (the greeting) and "MESSAGE" (the answer to the final dot). A reply is "451 4.7.1 Not yet", CUT or STALL.

    `taken`: what it took. `said`: each line that clients said.
    """

    def __init__(self, name: str, script: Mapping[str, Sequence[str]] | None = None) -> None:
        self.name = name
        self._script = {verb: list(replies) for verb, replies in (script or {}).items()}
        self.taken: list[Taken] = []
        self.said: list[str] = []
        self._talks: set[asyncio.Task[None]] = set()

    async def start(self, address: str, port: int) -> None:
        self._server = await asyncio.start_server(self._met, address, port, limit=_LINE_LIMIT)
        self.port: int = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        self._server.close()
        for talk in self._talks:
            talk.cancel()
        if self._talks:
            await asyncio.wait(self._talks)

    def script(self, verb: str, *replies: str) -> None:
        """From now on."""
        self._script[verb] = list(replies)

    async def _met(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._talks.add(task)
        gone = (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, asyncio.CancelledError, _Over)
        with contextlib.suppress(*gone):  # asyncio's own server would log a cancelled talk as a crash
            await self._talk(reader, writer)
        self._talks.discard(task)
        if not writer.is_closing():
            writer.transport.abort()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sender, recipients = "", list[str]()
        await self._say(writer, "CONNECT")
        while line := (await reader.readline()).decode("utf-8", "replace").rstrip("\r\n"):
            self.said.append(line)
            verb, _, rest = line.partition(" ")
            verb = verb.upper()
            taken = await self._say(writer, "NOBODY" if verb == "DATA" and not recipients else verb)
            if verb == "MAIL":
                sender, recipients = _path(rest), []
            elif verb == "RCPT" and taken:
                recipients.append(_path(rest))
            elif verb == "DATA" and taken:
                data = await _message(reader)
                if await self._say(writer, "MESSAGE"):
                    self.taken.append(Taken(sender, tuple(recipients), data))
            elif verb == "QUIT":
                writer.close()
                return

    async def _say(self, writer: asyncio.StreamWriter, verb: str) -> bool:
        """Whether it was no refusal."""
        replies = self._script.get(verb) or [_USUAL.get(verb, "500 5.5.1 What?")]
        reply = replies.pop(0) if len(replies) > 1 else replies[0]
        if reply == CUT:
            raise _Over
        if reply == STALL:
            await asyncio.Event().wait()
        writer.write(reply.format(name=self.name).replace("\n", "\r\n").encode() + b"\r\n")
        await writer.drain()
        return reply[:1] in ("2", "3")


class _Over(Exception):
    """The script cuts the connection."""


def _path(rest: str) -> str:
    return rest.partition("<")[2].partition(">")[0]


async def _message(reader: asyncio.StreamReader) -> bytes:
    lines, size = [], 0
    while (line := await reader.readuntil(b"\n")) != b".\r\n":
        size += len(line)
        if size > _MESSAGE_LIMIT:
            raise _Over
        lines.append(line[1:] if line.startswith(b".") else line)
    return b"".join(lines)
