"""The daemons that are in use: each once, whoever asks it, and known as it was before a reload that did not change it."""

from collections.abc import Sequence
from weakref import WeakValueDictionary

from mailhub.config import schema
from mailhub.model.clock import Clock
from mailhub.net.resolver import Resolver

from .delegation import Delegation, Keeping
from .service import Service, State


class Services:
    """Of a hub; `close` it at the end."""

    def __init__(self, resolver: Resolver, clock: Clock) -> None:
        self._resolver, self._clock = resolver, clock
        self._made: WeakValueDictionary[tuple[str, schema.Scanner], Service] = WeakValueDictionary()
        self._delegations: dict[tuple[schema.Scanner, Keeping, int, float], Delegation] = {}

    def of(self, name: str, config: schema.Scanner) -> Service:
        """The caller keeps it."""
        made = self._made.get((name, config))
        if made is None:
            made = self._made[name, config] = Service(name, config, self._resolver, self._clock)
        return made

    def delegation(self, config: schema.Scanner, keeping: Keeping, tries: int, pause: float) -> Delegation:
        """A policy service; its connections are shared by all who ask it so."""
        key = config, keeping, tries, pause
        if key not in self._delegations:
            self._delegations[key] = Delegation(self.of("policy", config), keeping, tries, pause)
        return self._delegations[key]

    def close(self) -> None:
        """The connections that wait."""
        for delegation in self._delegations.values():
            delegation.close()
        self._delegations.clear()

    @property
    def states(self) -> Sequence[State]:
        return sorted((made.state for made in self._made.values()), key=lambda state: (state.name, state.address))
