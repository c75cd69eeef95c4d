"""Runs dialogues written down as text (support.transcripts) against an IMAP session on a real store. Besides the common lines:

M: INBOX (\\Seen $Work)        mail arrives in a folder, with these flags; its lines follow,
| Subject: hello               each behind "| "
|
| text
C: b APPEND INBOX {mail}       a literal: its size is counted; {mail+}: without waiting; ~{mail}: a literal8
C: (deflate)                   from here on the client compresses (RFC 4978)
| From: a@b                    its lines
"""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import msgspec
from support.signin import Passwords, authenticator
from support.transcripts import LIMIT, Stage, Step

from mailhub.config import schema
from mailhub.directory import Authenticator
from mailhub.mailbox.service import Mailboxes
from mailhub.model.clock import Clock
from mailhub.model.mailbox import SYSTEM_FLAGS
from mailhub.net.stream import ConnectionLost, Stream, pair
from mailhub.protocols.imap import serve
from mailhub.protocols.session import Session, SessionContext
from mailhub.store.sqlite import SqliteStore


def one_password(clock: Clock, auth: schema.Auth) -> Authenticator:
    """Every account's password is "secret"; a wrong one is answered at once."""

    def names(login: str, password: str) -> str | None:
        return f"{login.lower()}@mailhub.test" if password == "secret" else None

    few = msgspec.structs.replace(auth, failure_delay=0.0, mechanisms=("PLAIN", "LOGIN"))
    return authenticator(Passwords(names), clock, few)


@dataclass
class MemoryClient:
    """One end of a pair of streams; the session has the other."""

    stream: Stream
    task: "asyncio.Future[None]"
    session: Session

    async def send(self, octets: bytes, chunk: int) -> None:
        for at in range(0, len(octets), chunk):
            self.stream.write(octets[at : at + chunk])
            if self.stream.deflated:
                await self.stream.drain()
            await asyncio.sleep(0)

    async def readline(self) -> bytes:
        try:
            return await self.stream.readline(LIMIT)
        except ConnectionLost:
            return b""

    def close(self) -> None:
        self.stream.close()


@dataclass
class MailboxStage(Stage):
    """A store with alice's mail in it, and sessions on streams in memory."""

    @asynccontextmanager
    async def scene(self) -> AsyncIterator[None]:
        config = self.config
        store = SqliteStore(self.directory, config.store, self.clock, config.hostname)
        await store.open()
        self.store = store
        try:
            self.mailboxes = Mailboxes(store, config.mailbox, self.clock)
            yield
        finally:
            for client in self.clients.values():
                client.stream.abort()
                await asyncio.wait_for(asyncio.gather(client.task, return_exceptions=True), 10)
            self.mailboxes.close()
            await store.close()
        for client in self.clients.values():
            client.task.result()

    def serve(self, stream: Stream) -> "tuple[Session, Awaitable[None]]":
        """A session at that end of a connection."""
        raise NotImplementedError

    async def connect(self) -> MemoryClient:
        near, far = pair(self.clock)
        session, served = self.serve(far)
        return MemoryClient(near, asyncio.ensure_future(served), session)

    def drain(self) -> None:
        for client in self.clients.values():
            client.session.drain()

    async def act(self, step: Step) -> None:
        if step.kind == "M":
            await self._mail(step)
        else:
            await super().act(step)

    async def _mail(self, step: Step) -> None:
        folder_name, _, flags = step.text.partition(" ")
        names = flags.strip("()").split()
        account = self.mailboxes.account("alice@mailhub.test")
        writer = account.body_writer()
        writer.feed(step.mail)
        body = await writer.finish()
        bits = sum(SYSTEM_FLAGS[name] for name in names if name in SYSTEM_FLAGS)
        keywords = tuple(name for name in names if name not in SYSTEM_FLAGS)
        await account.append(await account.find(folder_name), [(body, None, bits, keywords)])


@dataclass
class ImapStage(MailboxStage):
    """IMAP, with literals."""

    def serve(self, stream: Stream) -> "tuple[Session, Awaitable[None]]":
        context = SessionContext(
            service="imap", hostname="mx.test", clock=self.clock, settings=self.config.imap, auth=self.config.auth
        )
        return context.session, serve(stream, context, self.mailboxes, one_password(self.clock, self.config.auth))

    async def say(self, client: MemoryClient, step: Step) -> None:
        if step.text == "(deflate)":
            client.stream.deflate()
            return
        line = re.sub(r"\{mail(\+?)\}", lambda found: f"{{{len(step.mail)}{found[1]}}}", self.filled(step.text)).encode(
            "utf-8"
        )
        if line.endswith(b"+}"):
            await client.send(line + b"\r\n" + step.mail, self.chunk)
            return
        await client.send(line + b"\r\n", self.chunk)
        if step.mail:
            async with asyncio.timeout(20):
                await self.hear(client, "+ ...")
            await client.send(step.mail, self.chunk)
