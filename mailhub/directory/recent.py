"""The last answers to a kind of question: what every look-up of the directory is remembered in, bounded."""

import math
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar, cast

K = TypeVar("K")
V = TypeVar("V")


def never() -> float:
    """The time, where nothing grows old."""
    return 0.0


class Recent(Generic[K, V]):
    """The last answers, at most `limit`; the one longest unused goes first, and none is older than `lifetime` seconds by `now`."""

    def __init__(self, limit: int, lifetime: float = math.inf, now: Callable[[], float] = never) -> None:
        self._limit, self._lifetime, self._now = limit, lifetime, now
        self._kept: OrderedDict[K, tuple[V, float]] = OrderedDict()  # answers, and until when they hold
        self._drops = 0

    async def get(self, key: K, ask: Callable[[K], Awaitable[V]]) -> V:
        """What is kept for `key`, else what `ask` says, from now on kept: unless something was dropped while it was asked, for the
        answer may be older than that."""
        value, until = self._kept.get(key, (None, -math.inf))
        if until > self._now():
            self._kept.move_to_end(key)
            return cast("V", value)
        drops = self._drops
        value = await ask(key)
        if drops == self._drops:
            self.put(key, value)
        return value

    def peek(self, key: K, default: V) -> V:
        value, until = self._kept.get(key, (default, math.inf))
        return value if until > self._now() else default

    def put(self, key: K, value: V) -> None:
        self._kept[key] = value, self._now() + self._lifetime
        self._kept.move_to_end(key)
        if len(self._kept) > self._limit:
            self._kept.popitem(last=False)

    def drop(self, key: K) -> None:
        self._drops += 1
        self._kept.pop(key, None)
