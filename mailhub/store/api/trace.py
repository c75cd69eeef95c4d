"""What happened to messages: for people to read, of no weight for the mail."""

from collections.abc import Sequence
from typing import Protocol

from mailhub.model.trace import Event, TraceQuery


class TraceStore(Protocol):
    """Bounded: the oldest events go first."""

    async def record(self, events: Sequence[Event], keep: float, limit: int) -> None:
        """Keep them; events older than `keep` seconds, and the oldest of more than `limit`, go."""
        ...

    async def find(self, query: TraceQuery) -> list[Event]:
        """All events of the messages meant, messages newest first, events in the order they happened. By address: also what
        was refused."""
        ...
