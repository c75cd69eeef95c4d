"""An IMAP listener on loopback with a real store, and no more of a hub than that."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from mailhub.config import schema
from mailhub.mailbox.service import AccountMail, Mailboxes
from mailhub.model.clock import SystemClock
from mailhub.net.stream import Stream
from mailhub.protocols.imap import serve
from mailhub.protocols.session import SessionContext
from mailhub.store.sqlite import SqliteStore

from .imap_transcripts import one_password


@dataclass
class ImapServer:
    """`port` on 127.0.0.1; `alice` is the account that "alice" with "secret" logs in to."""

    port: int
    alice: AccountMail
    mailboxes: Mailboxes


@asynccontextmanager
async def imap_server(
    data: Path, *, tls: ssl.SSLContext | None = None, config: schema.Config | None = None
) -> AsyncIterator[ImapServer]:
    """With `tls` STARTTLS is offered, and passwords are taken under it only."""
    config = config or schema.Config(auth=schema.Auth(allow_plaintext=tls is None))
    clock = SystemClock()
    store = SqliteStore(data, config.store, clock, config.hostname)
    await store.open()
    mailboxes = Mailboxes(store, config.mailbox, clock)
    sessions: set[asyncio.Task[None]] = set()

    def connected(stream: Stream) -> None:
        context = SessionContext(
            service="imap",
            hostname="mx.test",
            clock=clock,
            settings=config.imap,
            auth=config.auth,
            tls="none" if tls is None else "starttls",
            tls_context=None if tls is None else lambda: tls,
        )
        sessions.add(asyncio.ensure_future(serve(stream, context, mailboxes, one_password(clock, config.auth))))

    server = await asyncio.get_running_loop().create_server(lambda: Stream(clock, connected), "127.0.0.1", 0)
    try:
        yield ImapServer(server.sockets[0].getsockname()[1], mailboxes.account("alice@mailhub.test"), mailboxes)
    finally:
        server.close()
        for task in sessions:
            task.cancel()
        await asyncio.gather(*sessions, return_exceptions=True)
        mailboxes.close()
        await store.close()


async def deliver(account: AccountMail, *texts: bytes, folder: str = "INBOX") -> list[int]:
    """Put messages into a folder; their UIDs."""
    messages = []
    for text in texts:
        writer = account.body_writer()
        writer.feed(text)
        messages.append((await writer.finish(), None, 0, ()))
    _, uids = await account.append(await account.find(folder), messages)
    return uids
