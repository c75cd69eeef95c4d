"""Answers of a database, believed for a while; those that say "there is" serve on where a new one can not be had."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Generic, NamedTuple, TypeVar

from mailhub.config import schema
from mailhub.model.clock import Clock
from mailhub.model.errors import Temporary

V = TypeVar("V")


class _Held(NamedTuple, Generic[V]):
    """`at`: when it was asked for (monotonic)."""

    value: V
    at: float


class Kept(Generic[V]):
    """One kind of question. Those who ask the same at one time wait for one answer. Names that are there have room of their own:
    however many others are asked for, they are not forgotten. `config`: how many, and how long."""

    def __init__(self, config: schema.Directory, clock: Clock, is_there: Callable[[V], bool]) -> None:
        self._config, self._clock, self._is_there = config, clock, is_there
        self._there: OrderedDict[str, _Held[V]] = OrderedDict()
        self._absent: OrderedDict[str, _Held[V]] = OrderedDict()
        self._asking: dict[str, asyncio.Task[V]] = {}

    def __len__(self) -> int:
        """Names that are there."""
        return len(self._there)

    async def get(self, name: str, ask: Callable[[str], Awaitable[V]]) -> V:
        """What is kept, or what `ask` says. Temporary where that can not be had, and the name was not there before."""
        now, config = self._clock.monotonic(), self._config
        for held, seconds in ((self._there, config.cache_seconds), (self._absent, config.negative_seconds)):
            if name in held and now - held[name].at < seconds:
                held.move_to_end(name)
                return held[name].value
        try:
            return await asyncio.shield(self._task(name, ask))
        except Temporary:
            old = self._there.get(name)
            if old is None or self._clock.monotonic() - old.at >= config.stale_seconds:
                raise
            self._there.move_to_end(name)
            return old.value

    def _task(self, name: str, ask: Callable[[str], Awaitable[V]]) -> "asyncio.Task[V]":
        task = self._asking.get(name)
        if task is None:
            task = self._asking[name] = asyncio.create_task(self._ask(name, ask), name="a directory's question")
            task.add_done_callback(lambda done: self._asked(name, done))
        return task

    def _asked(self, name: str, done: "asyncio.Task[V]") -> None:
        if self._asking.get(name) is done:
            del self._asking[name]
        if not done.cancelled():
            done.exception()  # whoever asked may be gone

    async def _ask(self, name: str, ask: Callable[[str], Awaitable[V]]) -> V:
        at = self._clock.monotonic()
        value = await ask(name)
        if self._asking.get(name) is not asyncio.current_task():
            return value  # the name was changed meanwhile: this may be what was before
        held, other = (self._there, self._absent) if self._is_there(value) else (self._absent, self._there)
        other.pop(name, None)
        held[name] = _Held(value, at)
        held.move_to_end(name)
        if len(held) > self._config.cache_limit:
            held.popitem(last=False)
        return value

    def drop(self, name: str) -> None:
        """It is asked for anew; an answer under way is that of before."""
        self._there.pop(name, None)
        self._absent.pop(name, None)
        self._asking.pop(name, None)

    def close(self) -> None:
        for task in tuple(self._asking.values()):
            task.cancel()
