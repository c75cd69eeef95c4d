"""The change bus: who looks at a folder is told that it has moved on, never what happened: that is asked of the store.

So a listener that is slow costs one bit, and overflow cannot happen.
"""

import asyncio
from collections.abc import Sequence

from mailhub.model.mailbox import Changed


class ChangeBus:
    """`publish` is called by the store after each commit."""

    def __init__(self) -> None:
        self._listeners: dict[int, set[asyncio.Event]] = {}

    def publish(self, changed: Sequence[Changed]) -> None:
        for change in changed:
            if change.folder is not None:
                for event in self._listeners.get(change.folder, ()):
                    event.set()

    def listen(self, folder: int, event: asyncio.Event) -> None:
        """Set `event` at each change of the folder, until `forget`."""
        self._listeners.setdefault(folder, set()).add(event)

    def forget(self, folder: int, event: asyncio.Event) -> None:
        listeners = self._listeners.get(folder)
        if listeners is not None:
            listeners.discard(event)
            if not listeners:
                del self._listeners[folder]
