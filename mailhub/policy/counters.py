"""Counters of events by key over a sliding time, in tables of a fixed size: whoever was silent longest goes first.

An event counts fully for one window and fades out over the next: two numbers a key, whatever the rate.
"""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Recent(Generic[K, V]):
    """The values put last, at most `limit`, each for `keep` seconds after it was put."""

    __slots__ = ("_kept", "keep", "limit")

    def __init__(self, keep: float, limit: int) -> None:
        self.keep, self.limit = keep, limit
        self._kept: OrderedDict[K, tuple[float, V]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: K, now: float) -> V | None:
        found = self._kept.get(key)
        return None if found is None or found[0] <= now else found[1]

    def put(self, key: K, value: V, now: float) -> None:
        kept = self._kept
        kept[key] = (now + self.keep, value)
        kept.move_to_end(key)
        while len(kept) > self.limit or next(iter(kept.values()))[0] <= now < now + self.keep:
            kept.popitem(last=False)

    def drop(self, key: K) -> None:
        self._kept.pop(key, None)


class Counters(Generic[K]):
    """`add` counts and says how much there was in the last `window` seconds, up to a share of the window before."""

    __slots__ = ("_recent", "window")

    def __init__(self, window: float, limit: int) -> None:
        self.window = window
        self._recent: Recent[K, tuple[float, float, float]] = Recent(2 * window, limit)  # start, count, count before

    def __len__(self) -> int:
        return len(self._recent)

    def _turned(self, key: K, now: float) -> tuple[float, float, float]:
        found = self._recent.get(key, now)
        if found is None:
            return now, 0.0, 0.0
        start, count, _ = found
        if now - start < self.window:
            return found
        if now - start < 2 * self.window:
            return start + self.window, 0.0, count
        return now, 0.0, 0.0

    def _estimate(self, found: tuple[float, float, float], now: float) -> float:
        start, count, before = found
        return max(0.0, count + before * max(0.0, 1 - (now - start) / self.window))

    def count(self, key: K, now: float) -> float:
        return self._estimate(self._turned(key, now), now)

    def add(self, key: K, now: float, amount: float = 1.0) -> float:
        start, count, before = self._turned(key, now)
        found = (start, max(0.0, count + amount), before)  # what is taken back buys nothing for later
        self._recent.put(key, found, now)
        return self._estimate(found, now)

    def drop(self, key: K) -> None:
        self._recent.drop(key)
