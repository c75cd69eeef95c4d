"""When the next attempt is, when the sender is told of the delay, when to give up. Pure; times are wall times."""

import random
from dataclasses import dataclass

from mailhub.config import schema


@dataclass(frozen=True, slots=True)
class Schedule:
    """The retry ladder. `chance` draws the jitter."""

    config: schema.Queue
    chance: random.Random

    def deadline(self, created: float, sender: str) -> float:
        """From then on a failed attempt is the last one."""
        return created + (self.config.lifetime if sender else self.config.bounce_lifetime)

    def next_due(self, now: float, attempts: int, deadline: float) -> float:
        """After `attempts` attempts. The last one is made at the deadline, so that giving up is not late."""
        ladder = self.config.retry
        wait = ladder[min(max(attempts, 1), len(ladder)) - 1] if ladder else 0.0
        due = now + max(1.0, self.vary(wait))
        return min(due, deadline) if now < deadline else due

    def vary(self, wait: float) -> float:
        """`wait` with its jitter."""
        return wait * (1 + self.chance.uniform(-self.config.jitter, self.config.jitter))

    def is_late(self, now: float, created: float) -> bool:
        """Whether the sender should be told of the delay."""
        return 0 < self.config.delay_warning <= now - created
