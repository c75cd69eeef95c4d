"""What a transport is asked and what it answers. Postfix's word: a way out of the queue, never a socket.

`local.LocalTransport` (Maildirs), `relay.RelayTransport` (SMTP to mail hosts), `relay.LmtpTransport`, `pipe.PipeTransport` (programs),
`discard.Discard`.
"""

from typing import Protocol

from msgspec import Struct

from mailhub.model.envelope import PLAIN, MailParameters, Origin
from mailhub.model.reply import Reply
from mailhub.model.verdict import UNJUDGED, Verdict
from mailhub.store.api import Birth, Content, Fate, Filing, NewContent, SieveMark

from .routes import Local


class JobRecipient(Struct, frozen=True):
    """A recipient of a job. `n` is its number in the queued message; `notify` a Notify; `orcpt` "rfc822;..." or None."""

    n: int
    address: str
    notify: int = 0
    orcpt: str | None = None
    path: tuple[str, ...] = ()  # addresses it was expanded from, oldest first
    local: Local | None = None  # where the router put it, for the local transport


class Job(Struct, frozen=True):
    """One message to one destination: all recipients that share transport and nexthop.

    `sender`: the reverse-path that it leaves with. `nexthop`: for the relay the domain (or literal) to look up; "" for the local
    transport.
    `created`: wall time of arrival.
    """

    queue_id: int
    sender: str
    content: Content
    recipients: tuple[JobRecipient, ...]
    created: float
    nexthop: str = ""
    transport: str = "relay"
    parameters: MailParameters = PLAIN
    origin: Origin = Origin()
    verdict: Verdict = UNJUDGED

    @property
    def destination(self) -> str:
        """Whose turn it has to be. Mail for one domain is one destination, by whichever name of the relay."""
        return self.nexthop if self.transport in ("relay", "smtp") else f"{self.transport}:{self.nexthop}"


class Result(Struct, frozen=True):
    """What became of recipient `n`: DELIVERED, RELAYED, DEFERRED or FAILED.

    `remote`: who gave the reply, "mx.example.org[192.0.2.1]", "" for ourselves. `tls`: how the peer was reached.
    `when`: wall time of that reply, 0 for the time at which the result came. `filings`: message files that the transport staged, to be indexed when the result is settled. `held`: of one that is
    deferred: it is not tried again before an operator says so. `children`: addresses that the message goes on to (a redirect), with the
    fate EXPANDED where it goes nowhere else. `doubt`: why it may arrive twice, for the trace. `contents`, `births`, `marks`: as in Settle.
    """

    n: int
    fate: Fate
    reply: Reply
    remote: str = ""
    filings: tuple[Filing, ...] = ()
    tls: str = ""
    held: bool = False
    when: float = 0.0
    children: tuple[str, ...] = ()
    contents: tuple[NewContent, ...] = ()
    births: tuple[Birth, ...] = ()
    marks: tuple[SieveMark, ...] = ()
    doubt: str = ""


class Transport(Protocol):
    """A way out. `name` is the word in logs and in the queue's table of transports."""

    @property
    def name(self) -> str: ...

    async def deliver(self, job: Job) -> list[Result]:
        """A Result for every recipient of the job. Raises nothing but CancelledError; after that nothing may be known
        to have happened, so the whole job is tried again."""
        ...
