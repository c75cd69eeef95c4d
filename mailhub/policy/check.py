"""What a check is: one question about a client or a message, asked at one stage, answered by a `Statement`."""

from typing import Literal, Protocol

import msgspec

from mailhub.config import schema
from mailhub.model.reply import Reply
from mailhub.model.verdict import Action

from .visit import Visit

_GRACE = 1.0  # seconds

Stage = Literal["connect", "helo", "mail", "rcpt", "content"]


class Identity(msgspec.Struct, frozen=True):
    """A domain that a method speaks of: `method` "spf", "dkim" or "arc", `result` its word. For DMARC, and for who remembers senders."""

    method: str
    domain: str
    result: str
    detail: str = ""  # the selector of DKIM; which identity of SPF ("mfrom", "helo"); for ARC see there


class Statement(msgspec.Struct, frozen=True):
    """A check's answer. `result`, `score`, `reason`: as in Evidence. `action`: at least that is done, whatever the score; `reply`:
    what is then said for TEMPFAIL or REJECT. `fields`: header fields put before the message, "Name: value". `methods`:
    results for Authentication-Results (`message.authres.resinfo`). `identities`: the domains that were looked at."""

    result: str
    score: float = 0.0
    reason: str = ""
    action: Action = Action.ACCEPT
    reply: Reply | None = None
    fields: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    identities: tuple[Identity, ...] = ()


class Check(Protocol):
    """One of the checks of a hub; it lives as long as its configuration, and many messages ask it at one time."""

    @property
    def name(self) -> str:
        """The word for it in verdicts: "spf"."""
        ...

    @property
    def stage(self) -> Stage:
        """When it is asked: "connect" and "helo" once a session, "mail" once a message, "rcpt" for each recipient, each of them when
        the first recipient has passed the lists; "content" when the message is whole."""
        ...

    @property
    def after(self) -> frozenset[str]:
        """Names of checks of the same stage that are to be heard before; what they and earlier stages said stands in
        `visit.statements`."""
        ...

    @property
    def config(self) -> schema.Check:
        """Its time limit and failure choice."""
        ...

    def concerns(self, visit: Visit) -> bool:
        """Whether it may have something to say here. From what the visit knows, at once: where not, it is not asked, which for most checks and
        most mail spares a task and a time limit."""
        ...

    async def ask(self, visit: Visit) -> Statement | None:
        """None: nothing to say. It may raise what it likes and take any time: then its failure choice is followed."""
        ...


def with_grace(config: schema.Check) -> schema.Check:
    """Of a check whose daemon has a time limit of its own, which comes first: so that it is known whose fault it was."""
    return msgspec.structs.replace(config, time_limit=config.time_limit + _GRACE)
