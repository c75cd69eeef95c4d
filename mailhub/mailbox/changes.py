"""The change bus: who looks at a folder is told that it has moved on, never what happened: that is asked of the store.

So a listener that is slow costs one bit, and overflow cannot happen. Annotations apart, which have no history to ask for: who
listens to those keeps what it hears in bounds.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from msgspec import Struct

from mailhub.model.mailbox import Changed, Folder
from mailhub.store.api import Copied


class Annotated(Struct, frozen=True):
    """Annotations were set. `account`: whose own they are, "" where all may see them; `folder` 0: those of the server."""

    account: str
    folder: int
    entries: tuple[str, ...]


class Bell:
    """Set or not; `ring` is called when it is set that was not. (asyncio.Event has room for many who wait, 0.6 KB, and costs each a task.)"""

    __slots__ = ("_on", "ring")

    def __init__(self) -> None:
        self._on = False
        self.ring: Callable[[], object] = bool

    def is_set(self) -> bool:
        return self._on

    def set(self) -> None:
        if not self._on:
            self._on = True
            self.ring()

    def clear(self) -> None:
        self._on = False


class Listener(Protocol):
    """A Bell, or an Event."""

    def set(self) -> object: ...


class ChangeBus:
    """`publish` is called by the store after each commit, `annotated` by who has set annotations."""

    def __init__(self) -> None:
        self._listeners: dict[int | str, set[Listener]] = {}
        self._of_annotations: set[Callable[[Annotated], None]] = set()
        self._of_moves: set[Callable[[Folder, Copied], None]] = set()
        self._of_all: set[Callable[[Sequence[Changed]], None]] = set()

    def publish(self, changed: Sequence[Changed]) -> None:
        for listener in tuple(self._of_all):
            listener(changed)
        for change in changed:
            for event in self._listeners.get(change.account if change.folder is None else change.folder, ()):
                event.set()

    def listen(self, what: int | str, event: Listener) -> None:
        """Set `event` at each change of a folder, or of an account's list of folders, until `forget`."""
        self._listeners.setdefault(what, set()).add(event)

    def forget(self, what: int | str, event: Listener) -> None:
        listeners = self._listeners.get(what)
        if listeners is not None:
            listeners.discard(event)
            if not listeners:
                del self._listeners[what]

    def listen_to_all(self, listener: Callable[[Sequence[Changed]], None]) -> None:
        """Call `listener` after each change of any mailbox, until `forget_all`. It has to be quick."""
        self._of_all.add(listener)

    def forget_all(self, listener: Callable[[Sequence[Changed]], None]) -> None:
        self._of_all.discard(listener)

    def moved(self, source: Folder, copied: Copied) -> None:
        for listener in tuple(self._of_moves):
            listener(source, copied)

    def listen_moves(self, listener: Callable[[Folder, Copied], None]) -> None:
        """Call `listener` with the source of what somebody has copied or moved, and what became of it. It has to be quick."""
        self._of_moves.add(listener)

    def annotated(self, told: Annotated) -> None:
        for listener in tuple(self._of_annotations):
            listener(told)

    def listen_annotations(self, listener: Callable[[Annotated], None]) -> None:
        """Call `listener` for each, until `forget_annotations`."""
        self._of_annotations.add(listener)

    def forget_annotations(self, listener: Callable[[Annotated], None]) -> None:
        self._of_annotations.discard(listener)
