"""IMAP sessions on streams in memory, on a real store: for tests that count what a session does."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from mailhub.config import schema
from mailhub.mailbox.service import AccountMail, Mailboxes
from mailhub.model.clock import VirtualClock
from mailhub.net.stream import Stream, pair
from mailhub.protocols.imap import serve
from mailhub.protocols.session import SessionContext
from mailhub.store.api import Store
from mailhub.store.sqlite import SqliteStore

from .imap_transcripts import one_password

LINE = 10_000_000


@dataclass
class Talk:
    """One client. `session`: the other end's task, which ends without an exception however the client behaves."""

    stream: Stream
    session: "asyncio.Future[None]"
    count: int = 0

    def send(self, command: str) -> bytes:
        """Say it; the tag that its answer will have."""
        self.count += 1
        tag = b"t%d" % self.count
        self.stream.write(b"%b %b\r\n" % (tag, command.encode()))
        return tag

    async def until(self, tag: bytes) -> list[bytes]:
        """All lines to the one with the tag."""
        await self.stream.drain()
        lines: list[bytes] = []
        while not lines or not lines[-1].startswith(tag + b" "):
            lines.append(await asyncio.wait_for(self.stream.readline(LINE), 20))
        return lines

    async def ask(self, command: str) -> list[bytes]:
        return await self.until(self.send(command))


@dataclass
class MemoryServer:
    config: schema.Config
    clock: VirtualClock
    mailboxes: Mailboxes
    talks: list[Talk] = field(default_factory=list)

    @property
    def alice(self) -> AccountMail:
        return self.mailboxes.account("alice@mailhub.test")

    async def connect(self) -> Talk:
        """A client that has read the greeting."""
        near, far = pair(self.clock)
        context = SessionContext(
            service="imap", hostname="mx.test", clock=self.clock, settings=self.config.imap, auth=self.config.auth
        )
        session = serve(far, context, self.mailboxes, one_password(self.clock, self.config.auth))
        talk = Talk(near, asyncio.ensure_future(session))
        self.talks.append(talk)
        await talk.stream.readline(LINE)
        return talk

    async def login(self, *commands: str) -> Talk:
        """The same as alice, who has said these."""
        talk = await self.connect()
        for command in ("LOGIN alice secret", *commands):
            assert b" OK " in (await talk.ask(command))[-1]
        return talk


@asynccontextmanager
async def imap_memory(directory: Path, config: schema.Config | None = None) -> AsyncIterator[MemoryServer]:
    config = config or schema.Config(auth=schema.Auth(allow_plaintext=True, failure_delay=0.0))
    clock = VirtualClock()
    store = SqliteStore(directory, config.store, clock, config.hostname)
    await store.open()
    try:
        async with served(store, config, clock) as server:
            yield server
    finally:
        await store.close()


@asynccontextmanager
async def served(store: Store, config: schema.Config, clock: VirtualClock) -> AsyncIterator[MemoryServer]:
    """A store that is open."""
    server = MemoryServer(config, clock, Mailboxes(store, config.mailbox, clock))
    try:
        yield server
    finally:
        for talk in server.talks:
            talk.stream.abort()
        ended = await asyncio.wait_for(
            asyncio.gather(*(talk.session for talk in server.talks), return_exceptions=True), 20
        )
        server.mailboxes.close()
    assert [error for error in ended if error is not None] == []
