"""Runs dialogues written down as text (support.transcripts) against a ManageSieve session."""

from collections.abc import Awaitable
from dataclasses import dataclass

from mailhub.mailbox.scripts import Scripts
from mailhub.net.stream import Stream
from mailhub.protocols.managesieve import serve
from mailhub.protocols.session import Session, SessionContext

from .imap_transcripts import MailboxStage, one_password


@dataclass
class ManagesieveStage(MailboxStage):
    """The same accounts behind another protocol."""

    def serve(self, stream: Stream) -> "tuple[Session, Awaitable[None]]":
        config = self.config
        context = SessionContext(
            service="managesieve", hostname="mx.test", clock=self.clock, settings=config.managesieve, auth=config.auth
        )
        scripts = Scripts(self.store.sieve, config.sieve, self.mailboxes.lane)
        return context.session, serve(stream, context, scripts, one_password(self.clock, config.auth))
