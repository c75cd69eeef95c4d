"""Which way mail goes."""

from typing import Annotated

from msgspec import Meta

from .lookup import Lookup
from .section import Name, Section


class Delivery(Section, frozen=True, kw_only=True):
    # Divides user and tag in user+tag; "" switches it off.
    recipient_delimiter: Annotated[str, Meta(max_length=1)] = "+"
    # Ways for some recipients: Postfix's transport(5). Keys: user+tag@domain, user@domain, domain, .domain (all below it), *.
    # Values: "transport:nexthop", ":nexthop", "transport:".
    transport: Lookup = Lookup()
    # The way of all other mail that is not for us ("transport" or "transport:nexthop"), and by sender (address, @domain, "<>").
    default_transport: Name = "relay"
    sender_default_transport: Lookup = Lookup()
    # A host that takes all other mail that is not for us, instead of the MX of its domain: "[host]:port", or a domain with
    # MX; and by sender.
    relayhost: str = ""
    sender_relayhost: Lookup = Lookup()
    # Mail from elsewhere that an alias sends elsewhere leaves under an address of ours (SRS), so that SPF is content and bounces
    # come back through us. The domain of that address ("": the first of `domains`), and how long it is good for.
    srs: bool = False
    srs_domain: str = ""
    srs_lifetime: Annotated[float, Meta(ge=86_400, le=1_000 * 86_400)] = 1_814_400.0
