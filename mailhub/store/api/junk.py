"""What the junk filter was taught: how many messages with a token were junk, by owner. Owner "" is the whole site."""

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from mailhub.model.junk import Counts


class Lesson(Struct, frozen=True):
    """A message as it is taught. `key`: the same for the same message; `tokens`: their digests. `junk`: None to forget it."""

    key: int
    tokens: tuple[int, ...]
    junk: bool | None


class JunkLimits(Struct, frozen=True):
    """Tokens and messages that are remembered for one owner; `expire`: what was not taught again for so many seconds goes."""

    tokens: int
    expire: float


class JunkStore(Protocol):
    """It may lose the last lessons in a power cut, and be thrown away: then it is taught anew."""

    async def totals(self, owners: Sequence[str]) -> Counts:
        """Messages taught, of these owners together."""
        ...

    async def counts(self, owners: Sequence[str], tokens: Sequence[int]) -> dict[int, Counts]:
        """Of these owners together, for those tokens that are known."""
        ...

    async def learn(self, owners: Sequence[str], lesson: Lesson, now: float, limits: JunkLimits) -> bool:
        """Taught to each owner, in place of what it was taught of that message before. Whether it was new to any."""
        ...

    async def sizes(self, after: str, limit: int) -> list[tuple[str, Counts, int]]:
        """Owners by name from above `after`: messages taught, tokens remembered."""
        ...

    async def forget(self, owner: str) -> None:
        """All that it was taught."""
        ...
