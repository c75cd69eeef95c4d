"""Daemons that are asked about mail: [clamav], [spamassassin], [rspamd]."""

from typing import Annotated, Literal

from msgspec import Meta

from .attachments import Done
from .filters import Check
from .section import Count, Octets


class Scanner(Check, frozen=True, kw_only=True):
    """What the sections of all such daemons have."""

    # Where it listens: "inet:127.0.0.1:3310", "unix:/path"; "": it is not asked.
    address: str = ""
    # Connections at one time; more messages wait in line, within `time_limit`.
    connections: Count = 10
    # Failures in a row after which it is left alone (`failure` says what is done with mail), and for how long, until one message tries again.
    breaker_failures: Count = 5
    breaker_seconds: Annotated[float, Meta(ge=1, le=86_400)] = 30.0


class Clamav(Scanner, frozen=True, kw_only=True):
    time_limit: Annotated[float, Meta(ge=0.1, le=600)] = 60.0
    failure: Literal["tempfail", "accept", "mark"] = "tempfail"
    # What is done at least with a message in which it finds something, and with one that is longer than `size_limit`, or than clamd's
    # StreamMaxLength, and of which nothing is found in its beginning.
    infected: Done = "reject"
    oversize: Done = "accept"
    # Octets of a message that are shown to it.
    size_limit: Octets = 26_214_400


class Spamassassin(Scanner, frozen=True, kw_only=True):
    # The score that it finds, times this, is added to ours.
    factor: Annotated[float, Meta(ge=0, le=100)] = 1.0
    # Whose rules it goes by; "%u": the recipient's, where there is one alone; "": those of the daemon.
    user: Annotated[str, Meta(max_length=255)] = ""
    # Whether it is asked about mail of who signed in or is in smtp.mynetworks, too.
    trusted: bool = False
    # Octets of a message; it is not asked about longer ones.
    size_limit: Octets = 524_288


class Rspamd(Scanner, frozen=True, kw_only=True):
    # Whether what it wants is done at least: "reject", "soft reject" (451), "quarantine", "discard"; "add header" and "rewrite subject" are
    # Junk.
    actions: bool = True
    # The score that it finds, times this, is added to ours.
    factor: Annotated[float, Meta(ge=0, le=100)] = 0.0
    # Whether it is asked about mail of who signed in or is in smtp.mynetworks, too (it knows them and may treat them otherwise).
    trusted: bool = False
    # Octets of a message; it is not asked about longer ones.
    size_limit: Octets = 52_428_800
