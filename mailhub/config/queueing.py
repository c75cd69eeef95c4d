"""The queue's options: when mail is tried, how much at one time, and what is told of it."""

from typing import Annotated, Literal

from msgspec import Meta

from .section import Count, Limit, Name, Octets, Seconds, Section


class BounceText(Section, frozen=True, kw_only=True):
    """What a report says to people, for one action in one language; `mailhub check` knows the variables."""

    language: Name
    action: Literal["failed", "delayed", "delivered", "relayed", "expanded", "double"]
    subject: Name
    body: Annotated[str, Meta(min_length=1, max_length=10_000)]


class Destination(Section, frozen=True, kw_only=True):
    """[[queue.destination]]: what is different for mail to `domain` ("example.org"; ".example.org" for all below it)."""

    domain: Name
    # In place of [queue] retry, lifetime and destination_concurrency.
    retry: tuple[Seconds, ...] = ()
    lifetime: Seconds | None = None
    concurrency: Count | None = None


class Queue(Section, frozen=True, kw_only=True):
    # Waiting times between attempts; the last one repeats. Each is varied by `jitter` (a share of it).
    retry: tuple[Seconds, ...] = (300.0, 600.0, 1_200.0, 2_400.0, 4_200.0)
    jitter: Annotated[float, Meta(ge=0, le=0.5)] = 0.1
    # Age at which mail, and bounces, are given up.
    lifetime: Seconds = 432_000.0
    bounce_lifetime: Seconds = 432_000.0
    # Age at which the sender is told of the delay; 0: never.
    delay_warning: Seconds = 14_400.0
    # Messages in memory at one time (one with many recipients counts for several).
    active_limit: Count = 2_000
    # Deliveries at one time: in all, by one transport, to one destination at most, and to one that is new. A destination gets
    # more where deliveries go well, and fewer where it does not answer.
    concurrency: Count = 200
    transport_concurrency: Count = 200
    destination_concurrency: Count = 20
    destination_concurrency_start: Count = 5
    # A destination that did not answer a whole round of deliveries is left alone so long, and is then probed by one; doubled
    # up to tenfold while the probes fail.
    destination_pause: Seconds = 60.0
    # Other waiting times, lifetime and concurrency by domain.
    destination: tuple[Destination, ...] = ()
    # Levels of alias expansion, and addresses that one recipient may become.
    expansion_depth: Annotated[int, Meta(ge=1, le=1_000)] = 50
    expansion_limit: Count = 5_000
    # Octets of the undelivered message's header that a bounce carries.
    bounce_header_limit: Octets = 65_536
    # Octets of a message that is returned whole where the sender asked for that (RET=FULL); of larger ones, the header.
    bounce_size_limit: Octets = 50_000
    # Languages of a report, one below the other: "en", "zh", and those of `bounce_texts`.
    bounce_languages: tuple[Name, ...] = ("en",)
    # Other texts: [[queue.bounce_texts]] with language, action, subject and body.
    bounce_texts: tuple[BounceText, ...] = ()
    # Who is told of a bounce that can not be delivered (Postfix's class 2bounce); "": nobody.
    double_bounce_recipient: str = "postmaster"
    # Reports to one address within an hour; what is above it is logged and dropped. 0: no limit.
    bounce_rate_limit: Limit = 200
    # Tell a sender who was warned of a delay that the mail has arrived after all.
    confirm_delay_cleared: bool = False
    # Aliases whose targets no report names: the sender is told of them as if they were mailboxes.
    confidential_aliases: tuple[str, ...] = ()


class Suppression(Section, frozen=True, kw_only=True):
    """Mail that our own accounts submit is held back from addresses that refused it for good, again and again."""

    # Refusals of an address within `window` after which it is held back for `hold`; 0: never.
    bounces: Annotated[int, Meta(ge=0, le=20)] = 3
    window: Seconds = 2_592_000.0
    hold: Seconds = 2_592_000.0
    # Addresses remembered; the one that was silent longest is forgotten first.
    table_limit: Count = 100_000


class Trace(Section, frozen=True, kw_only=True):
    """What happened to each message, stage by stage, for `mailhub trace`."""

    enabled: bool = True
    # How long, and how many steps (a message has some four; what was refused has a fifth of them at the most).
    keep: Seconds = 604_800.0
    limit: Count = 200_000
    # Keep local parts of addresses; without them a trace is found by queue id and Message-ID alone.
    addresses: bool = True
    # Where each step is posted as a span of OpenTelemetry (OTLP over HTTP, JSON): the collector's address, such as "http://127.0.0.1:4318".
    otlp: str = ""
