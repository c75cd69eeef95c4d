"""The filter that learns what its readers call junk: [junk]."""

from typing import Annotated

from msgspec import Meta

from .filters import Check, Score
from .section import Count, Seconds


class Junk(Check, frozen=True, kw_only=True):
    # Learn from mail that is moved into the folder Junk and out of it, and from mail that is filed elsewhere (which is good).
    learn: bool = True
    # Messages of each kind, junk and good, that have to be taught before it says anything.
    min_messages: Annotated[int, Meta(ge=1, le=100_000)] = 20
    # Probabilities from which on a message counts as junk, as likely junk, and up to which as good; what each adds to the score.
    junk_from: Annotated[float, Meta(ge=0.5, le=1)] = 0.95
    likely_from: Annotated[float, Meta(ge=0.5, le=1)] = 0.8
    good_to: Annotated[float, Meta(ge=0, le=0.5)] = 0.1
    junk_score: Score = 6.0
    likely_score: Score = 3.0
    good_score: Score = -1.0
    # What is added, or taken off, where nearly all mail of a sender, proved by SPF or DKIM, was taught as one kind.
    sender_score: Score = 2.0
    # Words remembered for each account, and for the site; what was not taught again for so long is forgotten.
    token_limit: Count = 100_000
    expire: Seconds = 15_552_000.0
