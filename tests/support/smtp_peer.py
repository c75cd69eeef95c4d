"""Both ends of an SMTP connection on loopback: a server made of real rooms over small ones, and a client that counts
every octet."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
import trustme
from support.signin import authenticator, from_table
from support.smtp_rooms import MemorySpool, SmallRouter

from mailhub.config import schema
from mailhub.model.clock import Clock, SystemClock
from mailhub.net.resolver import Resolver
from mailhub.net.tls import ServerContext, end_point
from mailhub.policy import Guard, Policy
from mailhub.protocols.listener import Listener
from mailhub.protocols.session import Session, SessionContext, Sessions
from mailhub.protocols.smtp import SmtpSession


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop turn until it is so; the net has no event for it."""
    while not condition():
        await asyncio.sleep(0)


class Talk:
    """A client. `reply()` gives the lines of the next reply, `code()` its number; `ask` sends a line first."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def send(self, octets: bytes) -> None:
        if not self.writer.is_closing():  # uvloop raises where asyncio only warns
            self.writer.write(octets)

    async def reply(self) -> list[str]:
        lines = []
        while True:
            line = (await self.reader.readuntil(b"\r\n")).decode()
            lines.append(line.rstrip("\r\n"))
            if line[3:4] != "-":
                return lines

    async def ask(self, line: str | bytes) -> str:
        self.send((line.encode() if isinstance(line, str) else line) + b"\r\n")
        return "\n".join(await self.reply())

    async def asks(self, *lines: str) -> list[str]:
        return [await self.ask(line) for line in lines]

    async def end(self) -> bytes:
        """All that comes until the server closes."""
        try:
            return await self.reader.read()
        except ConnectionError:
            return b""

    async def start_tls(self, context: ssl.SSLContext) -> None:
        assert (await self.ask("STARTTLS")).startswith("220 2.0.0 ")
        await self.writer.start_tls(context, server_hostname="localhost")

    def finish(self) -> None:
        """Half-close: nothing more will be said. After a QUIT it may be too late for that."""
        if not self.writer.is_closing():
            with contextlib.suppress(OSError):
                self.writer.write_eof()

    def close(self) -> None:
        self.writer.close()

    def vanish(self) -> None:
        self.writer.transport.abort()


class Server:
    """An SMTP listener with alice@ and bob@ of mailhub.test behind it; alice's password is "secret"."""

    def __init__(
        self,
        clock: Clock | None = None,
        *,
        service: str = "smtp",
        tls: str = "none",
        auth: schema.Auth | None = None,
        limits: schema.Sessions | None = None,
        guard: Guard | None = None,
        session: type[SmtpSession] = SmtpSession,
        resolver: Resolver | None = None,
        **settings: Any,
    ) -> None:
        self.clock = clock or SystemClock()
        self.settings = schema.Smtp(**{"mynetworks": (), "error_sleep": 0.0, **settings})
        self.auth = auth or schema.Auth()
        self.spool = MemorySpool()
        self.router = SmallRouter(("alice@mailhub.test", "bob@mailhub.test"))
        quick = msgspec.structs.replace(self.auth, failure_delay=0.0)
        passwords = {"alice@mailhub.test": "secret", "away@mailhub.test": None}
        self.authenticator = authenticator(from_table(passwords), self.clock, quick)
        self.policy = Policy(
            self.settings, "mx.mailhub.test", self.router, self.spool, self.clock, guard, resolver=resolver,  # type: ignore[arg-type]
        )  # fmt: skip
        self.sessions = Sessions(limits or schema.Sessions())
        self.living: list[SmtpSession] = []
        self._tls: Any = tls
        self.end_point = b""
        self._service: Any = service
        self._session = session
        self._authority = trustme.CA() if tls != "none" else None
        config = schema.Listener(protocol=self._service, tls=self._tls)
        self.listener = Listener(
            config, self.sessions, self.clock, self._serve, self._server_context, self.policy.guard.connected
        )

    def _serve(self, record: Session) -> SmtpSession:
        context = SessionContext(
            service=self._service,
            hostname="mx.mailhub.test",
            clock=self.clock,
            settings=self.settings,
            auth=self.auth,
            tls=self._tls,
            tls_context=self._server_context if self._authority else None,
            session=record,
        )
        session = self._session(context, self.policy, self.authenticator)
        self.living.append(session)
        return session

    def _server_context(self) -> ssl.SSLContext:
        assert self._authority is not None
        context = ServerContext(ssl.PROTOCOL_TLS_SERVER)
        issued = self._authority.issue_cert("localhost")
        issued.configure_cert(context)
        context.end_point = self.end_point = end_point(issued.cert_chain_pems[0].bytes())
        return context

    def client_context(self) -> ssl.SSLContext:
        assert self._authority is not None
        context = ssl.create_default_context()
        self._authority.configure_trust(context)
        return context

    async def connect(self, *, greeted: bool = True) -> Talk:
        implicit = self.client_context() if self._tls == "implicit" else None
        name = "localhost" if implicit else None
        talk = Talk(*await asyncio.open_connection("127.0.0.1", self.listener.port, ssl=implicit, server_hostname=name))
        if greeted:
            assert (await talk.reply())[0].startswith("220 mx.mailhub.test ")
        return talk

    async def hello(self) -> Talk:
        """A client that said EHLO."""
        talk = await self.connect()
        assert (await talk.ask("EHLO client.example")).startswith("250-mx.mailhub.test")
        return talk

    async def __aenter__(self) -> "Server":
        self.listener.bind()
        await self.listener.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.listener.close()
        self.sessions.abort()
        await self.sessions.empty()
        await self.policy.settled()


@contextlib.asynccontextmanager
async def talking(**options: Any) -> AsyncIterator[tuple[Server, Talk]]:
    """A server and a client that said EHLO."""
    async with Server(**options) as server:
        talk = await server.hello()
        try:
            yield server, talk
        finally:
            talk.close()
            with contextlib.suppress(ConnectionError, ssl.SSLError):
                await talk.writer.wait_closed()
