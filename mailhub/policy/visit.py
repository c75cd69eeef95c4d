"""The facts of one message on its way in, as checks ask for them, and what lists have left open."""

import re
from typing import TYPE_CHECKING, NamedTuple

from mailhub.model.envelope import Origin
from mailhub.model.reply import Reply
from mailhub.net.resolver import Resolver

from .caller import Caller, ClientName
from .orders import Orders

if TYPE_CHECKING:
    from .check import Statement
    from .letter import Letter


_BITS = re.compile(r"(?:AES_?|CAMELLIA_?|ARIA_?)(128|256)")


class Told(NamedTuple):
    """A rule that was asked: the list it stands in, its words, and what it answered."""

    stage: str
    rule: str
    answer: str


class Visit:
    """One message, or the session before it. `sender` and `recipient` are set as they come; `recipients` counts those named.

    `doubt`: a temporary failure may have kept us from refusing, so that this is the answer where all else permits
    (DEFER_IF_PERMIT). `hope`: one may have kept us from permitting, so that this is the answer where a list refuses
    (DEFER_IF_REJECT). The first of each kind counts.
    """

    def __init__(self, origin: Origin, service: str, resolver: Resolver | None, caller: Caller) -> None:
        self.origin, self.service, self.resolver, self.caller = origin, service, resolver, caller
        self.sender: str | None = None  # "" for the null reverse-path
        self.parameters: tuple[str, ...] = ()  # of MAIL
        self.recipient = ""
        self.recipients = 0
        self.addressees: tuple[str, ...] = ()  # all of them, once data come
        self.queue_id = ""  # from then on
        self.size = 0  # octets announced; of the message, once it is whole
        self.instance = ""  # its name for policy services
        self.told: list[Told] | None = (
            None  # each rule is noted there, and nothing remembered: it is only asked how it would be
        )
        self.pipelined = False  # the client spoke on where it had to wait
        self.orders = Orders()
        self.doubt: Reply | None = None
        self.hope: Reply | None = None
        self.trusted = False  # it signed in, or is one of `mynetworks`
        self.letter: Letter | None = None  # once the message is whole
        self.statements: dict[
            str, Statement
        ] = {}  # of checks, by their names; `heard`: of those that are asked once a message
        self.heard: dict[str, Statement | None] = {}

    @property
    def tls(self) -> tuple[str, str, str]:
        """Protocol, cipher, its bits; "" in the clear, and where they are not known."""
        protocol, _, cipher = self.origin.tls.partition(" with ")
        bits = _BITS.search(cipher)
        return protocol, cipher, bits[1] if bits else "256" if "CHACHA20" in cipher else ""

    async def name(self) -> ClientName:
        """Who the client's address says it is."""
        return await self.caller.name()
