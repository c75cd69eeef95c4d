"""Whose turn it is: deliveries are bounded in all, by transport and by destination, and a slow destination blocks nobody else.

Two rules keep room for others: a destination takes at most half of the slots that are free, and its line of those who
wait takes at most half of the places that are left. Those who wait are served in turn, destination by destination.

How many a destination gets follows Postfix's qmgr: it starts small, grows by one with each round that went well, shrinks with
each that did not, and after a whole round of trouble rests. Those who come meanwhile are told what the trouble was, without a
try; after the pause one delivery probes it.
"""

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from msgspec import Struct, field

from mailhub.config import schema
from mailhub.delivery.transport import Result
from mailhub.model.clock import Clock
from mailhub.model.reply import Reply
from mailhub.store.api import Fate

from .schedule import settings_of

_LINE = 2  # deliveries that may always wait for a destination
_KNOWN = 10_000  # destinations without a delivery of which something is remembered
_ROUND = 0.999  # of a window's deliveries, as sums of fractions come out
_LONGEST = 10  # a pause doubles up to so many times the first


class Crowded(Exception):
    """Too many wait for that destination already: try later, and let others have the place."""


class Resting(Exception):
    """The destination was in trouble just now: `reply` and `remote` say how."""

    def __init__(self, reply: Reply, remote: str) -> None:
        super().__init__(str(reply))
        self.reply, self.remote = reply, remote


class _State(Struct):
    """What is known of a destination. `window`: deliveries at one time; `balance`: rounds that went well, less those that did
    not, since it was changed; `failed`: rounds that went wrong, in a row."""

    window: int
    running: int = 0
    balance: float = 0.0
    failed: float = 0.0
    pause: float = 0.0  # the last one, 0 where all is well
    rests_until: float = 0.0  # monotonic
    trouble: Resting | None = None
    line: "deque[tuple[str, asyncio.Future[None]]]" = field(default_factory=deque)


class Destinations:
    """`places` of the configuration's active set are for those who wait. `limits`: deliveries by some transports."""

    def __init__(self, config: schema.Queue, clock: Clock, limits: Mapping[str, int] | None = None) -> None:
        self._clock, self._limits = clock, limits or {}
        self._known: OrderedDict[str, _State] = OrderedDict()  # the one used last at the end
        self._by_transport: Counter[str] = Counter()
        self._total = 0
        self._lines: OrderedDict[str, _State] = OrderedDict()  # those with a line, whose turn comes next first
        self._waiting = 0
        self._closed = False
        self.configure(config)

    def configure(self, config: schema.Queue) -> None:
        """Other bounds, from the next delivery on."""
        self._config = config

    @property
    def running(self) -> dict[str, int]:
        """Deliveries under way by destination."""
        return {name: state.running for name, state in self._known.items() if state.running}

    def forgive(self) -> None:
        """Nobody rests any more: an operator says that it is worth a try."""
        for state in self._known.values():
            state.rests_until = 0.0

    def close(self) -> None:
        """No more turns: those who wait, and who come, are cancelled."""
        self._closed = True
        for state in self._lines.values():
            for _, turn in state.line:
                turn.cancel()
        self._lines.clear()

    @asynccontextmanager
    async def slot(self, destination: str, transport: str = "relay") -> "AsyncIterator[Slot]":
        """Hold one of the destination's slots; Crowded where its line is too long, Resting where it is left alone."""
        if self._closed:
            raise asyncio.CancelledError
        state = self._state(destination)
        if state.trouble is not None and self._clock.monotonic() < state.rests_until:
            raise state.trouble
        if destination in self._lines or self._full(destination, state, transport):
            await self._turn(destination, state, transport)
        else:
            self._take(state, transport)
        try:
            yield Slot(self, destination, state)
        finally:
            self._give_back(state, transport)

    def _state(self, destination: str) -> _State:
        state = self._known.get(destination)
        if state is None:
            state = self._known[destination] = _State(self._config.destination_concurrency_start)
            if len(self._known) > _KNOWN:
                self._forget()
        self._known.move_to_end(destination)
        return state

    def _forget(self) -> None:
        for name, state in self._known.items():
            if not state.running and not state.line:
                del self._known[name]
                return

    def _full(self, destination: str, state: _State, transport: str) -> bool:
        config = self._config
        free = config.concurrency - self._total
        by_transport = self._limits.get(transport, config.transport_concurrency)
        if free <= 0 or self._by_transport[transport] >= by_transport:
            return True
        most = settings_of(config, destination).concurrency or config.destination_concurrency
        return state.running >= min(state.window, most, max(1, free // 2))

    def _take(self, state: _State, transport: str) -> None:
        state.running += 1
        self._by_transport[transport] += 1
        self._total += 1

    async def _turn(self, destination: str, state: _State, transport: str) -> None:
        if len(state.line) >= max(_LINE, (self._config.active_limit - self._waiting) // 2):
            raise Crowded
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        state.line.append((transport, turn))
        self._lines.setdefault(destination, state)
        self._waiting += 1
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self._give_back(state, transport)  # the turn had come
            raise
        finally:
            self._waiting -= 1

    def _give_back(self, state: _State, transport: str) -> None:
        state.running -= 1
        self._total -= 1
        self._by_transport[transport] -= 1
        if not self._by_transport[transport]:
            del self._by_transport[transport]
        for name in list(self._lines):
            if self._total >= self._config.concurrency:
                return
            self._serve(name)

    def _serve(self, name: str) -> None:
        state = self._lines[name]
        while state.line and state.line[0][1].done():
            state.line.popleft()
        if state.line and not self._full(name, state, state.line[0][0]):
            transport, turn = state.line.popleft()
            self._take(state, transport)
            turn.set_result(None)
            self._lines.move_to_end(name)  # in turn
        if not state.line:
            del self._lines[name]

    # --- what a delivery teaches -----------------------------------------------------------------------------------

    def _well(self, destination: str, state: _State) -> None:
        if state.trouble is not None:  # it was probed, and is back
            state.window = self._config.destination_concurrency_start
        state.trouble, state.failed, state.pause = None, 0.0, 0.0
        most = settings_of(self._config, destination).concurrency or self._config.destination_concurrency
        state.balance += 1 / state.window
        if state.balance > _ROUND:
            state.window, state.balance = min(most, state.window + 1), 0.0

    def _ill(self, destination: str, state: _State, trouble: Resting) -> None:
        state.failed += 1 / state.window
        state.balance -= 1 / state.window
        if state.balance < -_ROUND:
            state.window, state.balance = max(1, state.window - 1), 0.0
        if state.failed < _ROUND and state.trouble is None:
            return
        first = self._config.destination_pause
        state.pause = min(2 * state.pause, _LONGEST * first) if state.pause else first
        state.rests_until = self._clock.monotonic() + state.pause
        state.trouble, state.failed, state.balance, state.window = trouble, 0.0, 0.0, 1
        for _, turn in state.line:
            if not turn.done():
                turn.set_exception(trouble)
        state.line.clear()
        self._lines.pop(destination, None)


class Slot:
    """A delivery under way."""

    def __init__(self, destinations: Destinations, destination: str, state: _State) -> None:
        self._destinations, self._destination, self._state = destinations, destination, state

    def learn(self, results: Sequence[Result]) -> None:
        """Tell what came of it. An answer about the mail is a good sign, whatever it is; silence, a lost connection, a
        closed service or a failing name service are not. What waits for an operator says nothing."""
        troubles = [result for result in results if is_trouble(result)]
        if not results or any(result.held for result in results):
            return
        if len(troubles) < len(results):
            self._destinations._well(self._destination, self._state)
        else:
            self._destinations._ill(self._destination, self._state, Resting(troubles[0].reply, troubles[0].remote))


def is_trouble(result: Result) -> bool:
    """Whether it is the destination that is not well (RFC 3463 section 3.5: network and routing; RFC 5321 section 3.8: 421)."""
    return result.fate == Fate.DEFERRED and (result.reply.enhanced.startswith("4.4.") or result.reply.code == 421)
