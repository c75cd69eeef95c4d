"""How long delivery took: counted by spans, so that it costs the same whatever is counted. Pure."""

from bisect import bisect_left
from collections import Counter

from msgspec import Struct, field

from mailhub.store.api import DELAYS


class Waits(Struct):
    """Of recipients that were sent to. `seconds`: from arrival to delivery, of all together; `spans`: how many, by the spans of DELAYS."""

    seconds: float = 0.0
    spans: Counter[int] = field(default_factory=Counter)

    def add(self, recipients: int, seconds: float) -> None:
        if recipients:
            took = max(0.0, seconds)  # the clock may have been set back
            self.seconds += recipients * took
            self.spans[bisect_left(DELAYS, took)] += recipients
