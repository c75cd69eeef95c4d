"""What greylisting remembers: who tried when, and who came again."""

from typing import Protocol

from msgspec import Struct


class Attempts(Struct, frozen=True):
    """Of one sender by one network to one recipient, or of a network. `first`: the first attempt of all; `passes`: how often mail
    was taken from it, 0 as long as it has not waited; `until`: when it may be forgotten. Times are wall time."""

    first: float
    passes: int
    until: float


class GreylistStore(Protocol):
    """Rows by digest."""

    async def find(self, digest: bytes) -> Attempts | None: ...

    async def put(self, digest: bytes, attempts: Attempts, now: float, limit: int) -> None:
        """Set it. Rows that may be forgotten at `now` go first, then, beyond `limit` rows, those that may be soonest."""
        ...
