"""Rules in Python: [hooks]."""

from typing import Annotated, Literal

from msgspec import Meta

from .filters import Check
from .section import Count, Octets


class Hooks(Check, frozen=True, kw_only=True):
    # A file with async functions connect, helo, mail, rcpt, data, deliver, login, append (docs/filters.md); "": none.
    file: str = ""
    time_limit: Annotated[float, Meta(ge=0.1, le=600)] = 5.0
    # What is done where one is late, raises, or answers nonsense: "tempfail" (the client, or the queue, comes again), "accept" (as if it
    # had said nothing) or "mark" (the same, said in X-Mailhub-Verdict).
    failure: Literal["tempfail", "accept", "mark"] = "tempfail"
    # Octets of a message that data and deliver are given; calls that wait at one time.
    message_limit: Octets = 262_144
    pending_limit: Count = 1_000
