"""[webhook.NAME]: whom programs of others are told of mail by HTTP."""

from typing import Annotated, Literal, get_args

from msgspec import Meta

from .section import Count, Name, Seconds, Section

Event = Literal["received", "delivered", "delayed", "bounced"]
EVENTS: tuple[Event, ...] = get_args(Event)


class Webhook(Section, frozen=True, kw_only=True):
    # Where events are posted: https://..., or http://... on this host and networks of one's own.
    url: Name
    # A file whose first line is the secret that signs them, of 24 octets or more; needed.
    secret_file: Name
    # Which: a message came into a mailbox, left for good, waits for the first time, could not be delivered.
    events: tuple[Event, ...] = EVENTS
    # Only mail from or to these domains; empty: all.
    domains: tuple[str, ...] = ()
    # Time for an answer; how many are asked at one time.
    timeout: Annotated[float, Meta(ge=0.1, le=300)] = 10.0
    concurrency: Annotated[int, Meta(ge=1, le=100)] = 4
    # Events that were not taken in this time, and the oldest of more than `limit`, are given up.
    lifetime: Seconds = 259_200.0
    limit: Count = 100_000
