"""Runs dialogues written down as text (support.transcripts) against a POP3 session; mail arrives as for IMAP."""

from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from mailhub.net.stream import Stream
from mailhub.protocols.pop3 import Turns, serve
from mailhub.protocols.session import Session, SessionContext

from .imap_transcripts import MailboxStage, one_password


@dataclass
class Pop3Stage(MailboxStage):
    """The same mail behind another protocol."""

    @asynccontextmanager
    async def scene(self) -> AsyncIterator[None]:
        self.turns = Turns(self.clock)
        async with super().scene():
            yield

    def serve(self, stream: Stream) -> "tuple[Session, Awaitable[None]]":
        context = SessionContext(
            service="pop3", hostname="mx.test", clock=self.clock, settings=self.config.pop3, auth=self.config.auth
        )
        return context.session, serve(
            stream, context, self.mailboxes, one_password(self.clock, self.config.auth), self.turns
        )
