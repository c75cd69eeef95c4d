"""The last answers to a kind of question: what every look-up of the directory is remembered in, bounded."""

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Recent(Generic[K, V]):
    """The last answers, at most `limit`; the one longest unused goes first."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._kept: OrderedDict[K, V] = OrderedDict()
        self._drops = 0

    async def get(self, key: K, ask: Callable[[K], Awaitable[V]]) -> V:
        """What is kept for `key`, else what `ask` says, from now on kept: unless something was dropped while it was asked, for the
        answer may be older than that."""
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        drops = self._drops
        value = await ask(key)
        if drops == self._drops:
            self.put(key, value)
        return value

    def peek(self, key: K, default: V) -> V:
        return self._kept.get(key, default)

    def put(self, key: K, value: V) -> None:
        self._kept[key] = value
        self._kept.move_to_end(key)
        if len(self._kept) > self._limit:
            self._kept.popitem(last=False)

    def drop(self, key: K) -> None:
        self._drops += 1
        self._kept.pop(key, None)
