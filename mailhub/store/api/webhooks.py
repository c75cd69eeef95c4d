"""Events of mail that wait until other programs have taken them."""

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct


class Notice(Struct, frozen=True):
    """What to tell of the outcome for recipient `n`, in its settling unit. `hooks`: to whom, each with how many events it may
    have waiting; `event`: unique, the same for all of them; `at`: wall time; `body`: what is posted."""

    n: int
    hooks: tuple[tuple[str, int], ...]
    event: str
    at: float
    body: bytes


class WebhookRow(Struct, frozen=True):
    """An event that waits. `attempts` were made, the last was answered with `said`."""

    id: int
    hook: str
    event: str
    at: float
    attempts: int
    said: str
    body: bytes


class WebhookCount(Struct, frozen=True):
    """Of one hook: how many wait, since when the oldest, and what was said last to one that was tried."""

    hook: str
    waiting: int
    oldest: float
    said: str


class WebhookStore(Protocol):
    async def tell(self, notice: Notice) -> None:
        """One that no settling unit brings."""
        ...

    async def due(self, hook: str, now: float, limit: int) -> list[WebhookRow]:
        """Those to be posted now, oldest first."""
        ...

    async def next_due(self, hook: str) -> float | None: ...

    async def taken(self, ids: Sequence[int]) -> None:
        """They are done with, one way or the other."""
        ...

    async def put_off(self, row: WebhookRow, due: float, said: str) -> None:
        """One attempt more was made."""
        ...

    async def counts(self) -> list[WebhookCount]: ...

    async def forget(self, known: Sequence[str]) -> int:
        """What waits for hooks that are not known any more goes; how many these were."""
        ...
