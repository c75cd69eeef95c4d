"""The facts of one message on its way in, as checks ask for them, and what tables ordered to be done with it."""

import logging
from dataclasses import dataclass, field

from mailhub.model.envelope import Origin
from mailhub.net.resolver import DnsError, DnsTemporary, Resolver

log = logging.getLogger("mailhub.policy")

UNKNOWN = "unknown"  # a client's name that can not be told, as Postfix writes it


@dataclass(slots=True)
class Orders:
    """What access(5) tables want done with a message that is taken."""

    held: str = ""
    discarded: str = ""
    redirect: str = ""
    filter: str = ""
    copies: list[str] = field(default_factory=list)
    prepended: list[str] = field(default_factory=list)
    defer_if_permit: str = ""
    defer_if_reject: str = ""

    def merge(self, other: "Orders") -> None:
        """What was ordered for one recipient counts when that recipient is taken; putting off is a matter of its own reply."""
        self.held = self.held or other.held
        self.discarded = self.discarded or other.discarded
        self.redirect = self.redirect or other.redirect
        self.filter = self.filter or other.filter
        self.copies += [copy for copy in other.copies if copy not in self.copies]
        self.prepended += [field for field in other.prepended if field not in self.prepended]


@dataclass(frozen=True, slots=True)
class ClientName:
    """`reverse`: what PTR says; `verified`: that name, where it leads back to the address. "" where there is none;
    `undecided`: DNS could not tell."""

    reverse: str = ""
    verified: str = ""
    undecided: bool = False


class Visit:
    """One message. `sender` and `recipient` are set as they come; `recipients` counts those named before."""

    def __init__(self, origin: Origin, service: str, resolver: Resolver | None) -> None:
        self.origin, self.service, self._resolver = origin, service, resolver
        self.sender: str | None = None  # "" for the null reverse-path
        self.recipient = ""
        self.recipients = 0
        self.pipelined = False  # the client spoke on where it had to wait
        self.orders = Orders()
        self._name = ClientName(origin.name, origin.name) if origin.name else None  # a proxy has told it

    @property
    def resolver(self) -> Resolver | None:
        return self._resolver

    @property
    def asked(self) -> bool:
        """Whether `name` is known already."""
        return self._name is not None

    async def name(self) -> ClientName:
        """Who the client's address says it is; asked of DNS once."""
        if self._name is None:
            self._name = await _client_name(self.origin.client, self._resolver)
        return self._name


async def _client_name(client: str, resolver: Resolver | None) -> ClientName:
    """RFC 8601 section 3 calls it "iprev": PTR, and the name's own addresses."""
    if not client or resolver is None:
        return ClientName()
    try:
        names = await resolver.ptr(client)
    except DnsTemporary:
        return ClientName(undecided=True)
    except (DnsError, ValueError):
        return ClientName()
    undecided = False
    for name in names[:5]:
        try:
            if client in await resolver.addresses(name):
                return ClientName(name, name)
        except DnsTemporary:
            undecided = True
        except DnsError:
            continue
    return ClientName(names[0] if names else "", undecided=undecided)
