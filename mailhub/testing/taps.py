"""What stands between a client and its session in the test kit: it counts what is in flight, and lets faults in.

The hub of the kit makes its protocol objects of these classes instead of the plain ones; nothing else differs from the
server that people run.
"""

import asyncio
from collections.abc import Callable

from mailhub.config import schema
from mailhub.hub import Hub
from mailhub.net.stream import Stream
from mailhub.policy import Policy
from mailhub.protocols.session import Session, SessionContext
from mailhub.protocols.smtp import SmtpSession


class Traffic:
    """`moved` is set whenever a client has said something, waits or is gone. `talks`: SMTP sessions that live."""

    def __init__(self) -> None:
        self.moved = asyncio.Event()
        self.talks: set[TappedSmtp] = set()
        self.heard = 0  # pieces of what SMTP clients said

    @property
    def mail_under_way(self) -> list[str]:
        """Clients in the middle of a message, in words."""
        return [f"{talk.record} after {talk.record.doing}" for talk in self.talks if talk.busy]


class TappedSmtp(SmtpSession):
    traffic: Traffic

    @property
    def busy(self) -> bool:
        """Whether a message is begun, or something was said that is not answered yet."""
        return self.transaction is not None or bool(self._input) or self._waiter is None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.traffic.talks.add(self)
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self.traffic.heard += 1
        self.traffic.moved.set()

    async def _wait(self, seconds: float) -> None:
        self.traffic.moved.set()
        await super()._wait(seconds)

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        self.traffic.talks.discard(self)
        self.traffic.moved.set()


class TappedHub(Hub):
    """A hub whose connections can be watched. `traffic` is there from the start."""

    traffic: Traffic

    def new_smtp(self, context: SessionContext[schema.Smtp], policy: Policy) -> SmtpSession:
        session = TappedSmtp(context, policy, self.authenticator)
        session.traffic = self.traffic
        return session

    def new_stream(self, session: Session, on_connect: Callable[[Stream], object]) -> Stream:
        return Stream(self.clock, on_connect)
