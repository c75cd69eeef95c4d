"""Asking another daemon on its unix socket: saslauthd, Dovecot's auth, courier-authdaemond.

A connection for each question, a bounded number at a time, each with a time limit that begins in line; answers are bounded. A login or password
that could end a field of a protocol is never sent: it is refused.
"""

import asyncio
import base64
import struct
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

from mailhub.model.clock import Clock
from mailhub.model.errors import Temporary

from . import Secret

SECONDS = 30.0  # for a whole answer; Dovecot lets a client that guesses wrong wait for up to 15
CONNECTIONS = 20
LINE_LIMIT = 8_192  # octets of a line of an answer
LINES_LIMIT = 200
_FIELD_LIMIT = 65_535  # octets

T = TypeVar("T")
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[T]]


class _Daemon:
    """`path`: its socket."""

    kind = ""

    def __init__(self, path: str, clock: Clock) -> None:
        self._path, self._clock = path, clock
        self._room = asyncio.Semaphore(CONNECTIONS)

    @property
    def name(self) -> str:
        return f"{self.kind}:{self._path}"

    async def secret(self, login: str) -> Secret | None:
        """These daemons never show what is stored."""
        return None

    async def _ask(self, talk: Talk[T]) -> T:
        try:
            async with self._clock.timeout(SECONDS), self._room:
                reader, writer = await asyncio.open_unix_connection(self._path, limit=LINE_LIMIT)
                try:
                    return await talk(reader, writer)
                finally:
                    writer.close()
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError) as error:
            raise Temporary(f"{self.name}: {str(error) or type(error).__name__}") from error


async def _line(reader: asyncio.StreamReader) -> str:
    """One line without its end; ValueError where it is too long or not UTF-8."""
    return (await reader.readuntil(b"\n")).decode("utf-8").rstrip("\r\n")


class Saslauthd(_Daemon):
    """Cyrus SASL's daemon on its `mux` socket: four counted strings, and one back. A realm of its own goes apart."""

    kind = "saslauthd"

    async def verify(self, login: str, password: str, *, service: str, client: str) -> str | None:
        user, _, realm = login.partition("@")
        fields = [text.encode("utf-8", "surrogatepass") for text in (user, password, service, realm)]
        if any(len(field) > _FIELD_LIMIT or sign in field for field in fields for sign in (b"\0", b"\r", b"\n")):
            return None  # its own helpers (rimap, httpform) would take a line end for theirs

        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
            writer.write(b"".join(struct.pack(">H", len(field)) + field for field in fields))
            (size,) = struct.unpack(">H", await reader.readexactly(2))
            answer = await reader.readexactly(min(size, LINE_LIMIT))
            return answer[:2] == b"OK"

        return login if await self._ask(talk) else None


class Authdaemond(_Daemon):
    """Courier's daemon: `AUTH octets`, then service, kind, login and password a line each; attributes or FAIL come back."""

    kind = "authdaemon"

    async def verify(self, login: str, password: str, *, service: str, client: str) -> str | None:
        if any(sign in text for sign in "\r\n\0" for text in (login, password)):
            return None
        body = f"{service}\nlogin\n{login}\n{password}\n".encode("utf-8", "surrogatepass")

        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str | None:
            writer.write(b"AUTH %d\n" % len(body) + body)
            name = ""
            for _ in range(LINES_LIMIT):
                line = await _line(reader)
                if line == "FAIL":
                    return None
                if line == ".":
                    return name or login
                key, _, value = line.partition("=")
                if key == "ADDRESS":
                    name = value
            raise ValueError("too many attributes")

        return await self._ask(talk)


class DovecotAuth(_Daemon):
    """Dovecot's auth service, as its own imap-login and Postfix ask it (client protocol 1.x): SASL PLAIN."""

    kind = "dovecot"

    async def verify(self, login: str, password: str, *, service: str, client: str) -> str | None:
        if "\0" in login or "\0" in password:
            return None
        message = base64.b64encode(f"\0{login}\0{password}".encode("utf-8", "surrogatepass")).decode()
        remote = f"\trip={client}" if client else ""

        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str | None:
            writer.write(b"VERSION\t1\t1\nCPID\t1\n")
            for _ in range(LINES_LIMIT):
                fields = (await _line(reader)).split("\t")
                if fields[0] == "VERSION" and fields[1:2] != ["1"]:
                    raise ValueError(f"protocol version {fields[1:2]}")
                if fields[0] == "DONE":
                    break
            writer.write(f"AUTH\t1\tPLAIN\tservice={service}\tsecured{remote}\tresp={message}\n".encode())
            for _ in range(LINES_LIMIT):
                verb, _, *words = (await _line(reader)).split("\t")
                if verb == "OK":
                    named = [word.removeprefix("user=") for word in words if word.startswith("user=")]
                    return named[0] if named else login
                if verb == "FAIL":
                    if "temp" in words:
                        raise ValueError("temporary failure")
                    return None
            raise ValueError("no answer")

        return await self._ask(talk)


DAEMONS: Mapping[str, type[Saslauthd] | type[Authdaemond] | type[DovecotAuth]] = {
    daemon.kind: daemon for daemon in (Saslauthd, Authdaemond, DovecotAuth)
}
