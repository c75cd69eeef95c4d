"""Runs dialogues written down as text against a POP3 session; the language is that of support.imap_transcripts."""

import asyncio
from dataclasses import dataclass

from mailhub.net.stream import pair
from mailhub.protocols.pop3 import serve
from mailhub.protocols.session import SessionContext

from .imap_transcripts import Client, Stage, one_password


@dataclass
class Pop3Stage(Stage):
    """The same stage with another protocol on it."""

    def _client(self, name: str) -> Client:
        if name not in self.clients:
            near, far = pair(self.clock)
            context = SessionContext(
                service="pop3", hostname="mx.test", clock=self.clock, settings=self.config.pop3, auth=self.config.auth
            )
            task = asyncio.ensure_future(
                serve(far, context, self.mailboxes, one_password(self.clock, self.config.auth))
            )
            self.clients[name] = Client(near, task, context.session)
        return self.clients[name]
