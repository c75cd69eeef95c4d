"""A POP3 listener on loopback with a real store, and no more of a hub than that."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from mailhub.config import schema
from mailhub.mailbox.service import AccountMail, Mailboxes
from mailhub.model.clock import SystemClock
from mailhub.net.stream import Stream
from mailhub.protocols.pop3 import Turns, serve
from mailhub.protocols.session import Session, SessionContext
from mailhub.store.sqlite import SqliteStore

from .imap_transcripts import one_password


@dataclass
class Pop3Server:
    """`port` on 127.0.0.1; `alice` is the account that "alice" with "secret" logs in to; `sessions`: all there were."""

    port: int
    alice: AccountMail
    store: SqliteStore
    sessions: list[tuple[Session, "asyncio.Task[None]"]] = field(default_factory=list)


@asynccontextmanager
async def pop3_server(
    data: Path, *, tls: ssl.SSLContext | None = None, config: schema.Config | None = None
) -> AsyncIterator[Pop3Server]:
    """With `tls` STLS is offered, and passwords are taken under it only."""
    config = config or schema.Config(auth=schema.Auth(allow_plaintext=tls is None))
    clock = SystemClock()
    store = SqliteStore(data, config.store, clock, config.hostname)
    await store.open()
    mailboxes = Mailboxes(store, config.mailbox, clock)
    turns = Turns(clock)
    running = Pop3Server(0, mailboxes.account("alice@mailhub.test"), store)

    def connected(stream: Stream) -> None:
        context = SessionContext(
            service="pop3",
            hostname="mx.test",
            clock=clock,
            settings=config.pop3,
            auth=config.auth,
            tls="none" if tls is None else "starttls",
            tls_context=None if tls is None else lambda: tls,
        )
        task = asyncio.ensure_future(serve(stream, context, mailboxes, one_password(clock, config.auth), turns))
        running.sessions.append((context.session, task))

    server = await asyncio.get_running_loop().create_server(lambda: Stream(clock, connected), "127.0.0.1", 0)
    running.port = server.sockets[0].getsockname()[1]
    try:
        yield running
    finally:
        server.close()
        for _, task in running.sessions:
            task.cancel()
        await asyncio.gather(*(task for _, task in running.sessions), return_exceptions=True)
        mailboxes.close()
        await store.close()
