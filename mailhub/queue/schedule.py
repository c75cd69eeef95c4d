"""The retry ladder: when a deferred recipient is tried again, and when it is given up. Pure."""

import random
from dataclasses import dataclass

from mailhub.config import schema


@dataclass(frozen=True, slots=True)
class Schedule:
    """`jitter` draws from `chance`, so that a test can fix it."""

    config: schema.Queue
    chance: random.Random

    def next_due(self, now: float, attempts: int) -> float:
        """`attempts`: how many were made, this one included."""
        ladder = self.config.retry
        wait = ladder[min(max(attempts, 1), len(ladder)) - 1] if ladder else 0.0
        spread = self.config.jitter
        return now + wait * (1 + self.chance.uniform(-spread, spread))

    def expired(self, now: float, created: float, sender: str) -> bool:
        lifetime = self.config.lifetime if sender else self.config.bounce_lifetime
        return now - created >= lifetime

    def warn(self, now: float, created: float) -> bool:
        """Is it time to tell the sender of the delay?"""
        return 0 < self.config.delay_warning <= now - created
