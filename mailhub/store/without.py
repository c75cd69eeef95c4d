"""Names that were asked for and have nothing, such as a script: most names, and each message asks."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

LIMIT = 10_000


class Without:
    """For a store that is the only one to write. Whoever changes something of a name does it within `changing`."""

    def __init__(self) -> None:
        self._names: set[str] = set()
        self._changing: Counter[str] = Counter()  # changes of each that are not known to be over

    def __contains__(self, name: str) -> bool:
        return name in self._names

    def add(self, name: str) -> None:
        """It has nothing, as was read just now."""
        if name in self._changing:
            return
        if len(self._names) >= LIMIT:
            self._names.clear()
        self._names.add(name)

    @contextmanager
    def changing(self, *names: str) -> Iterator[None]:
        """Whoever is cut off within does not know when the change comes: those names are read each time from then on."""
        self._names.difference_update(names)
        self._changing.update(names)
        yield
        self._changing.subtract(names)
        for name in names:
            if not self._changing[name]:
                del self._changing[name]
