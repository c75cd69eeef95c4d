"""When the next attempt is, when the sender is told of the delay, when to give up. Pure; times are wall times."""

import random

from msgspec import Struct

from mailhub.config import schema
from mailhub.model.address import domain_of
from mailhub.store.api import Item

_DEFAULT = schema.Destination(domain="*")


class Schedule(Struct, frozen=True):
    """The retry ladder. `chance` draws the jitter."""

    config: schema.Queue
    chance: random.Random

    def deadline(self, item: Item, address: str = "") -> float:
        """From then on a failed attempt for the recipient is the last one. Age counts from the release (RFC 4865), and
        DELIVERBY may end it sooner (RFC 2852)."""
        lifetime = settings_of(self.config, domain_of(address)).lifetime
        if lifetime is None:
            lifetime = self.config.lifetime if item.sender else self.config.bounce_lifetime
        last = started(item) + lifetime
        by = item.parameters.deliver_by
        return min(last, by.until) if by is not None and by.mode == "R" else last

    def next_due(self, now: float, attempts: int, deadline: float, address: str = "") -> float:
        """After `attempts` attempts. The last one is made at the deadline, so that giving up is not late."""
        ladder = settings_of(self.config, domain_of(address)).retry or self.config.retry
        wait = ladder[min(max(attempts, 1), len(ladder)) - 1] if ladder else 0.0
        due = now + max(1.0, self.vary(wait))
        return min(due, deadline) if now < deadline else due

    def vary(self, wait: float) -> float:
        """`wait` with its jitter."""
        return wait * (1 + self.chance.uniform(-self.config.jitter, self.config.jitter))

    def is_late(self, now: float, item: Item) -> bool:
        """Whether the sender should be told of the delay: it is old, or the time of its BY has passed."""
        by = item.parameters.deliver_by
        return 0 < self.config.delay_warning <= now - started(item) or (by is not None and now >= by.until)


def settings_of(config: schema.Queue, domain: str) -> schema.Destination:
    """What is different for that domain: its own entry, or that of the nearest domain above it (".example.org")."""
    if not config.destination:
        return _DEFAULT
    entries = {entry.domain.lower(): entry for entry in config.destination}
    if domain in entries:
        return entries[domain]
    _, dot, parent = domain.partition(".")
    while dot:
        if f".{parent}" in entries:
            return entries[f".{parent}"]
        _, dot, parent = parent.partition(".")
    return _DEFAULT


def started(item: Item) -> float:
    """When the message could first be tried."""
    return max(item.created, item.parameters.release or 0.0)


def expired(item: Item, now: float) -> bool:
    """Whether it may not be delivered any more (RFC 2852 section 4.1.3, by-mode R)."""
    by = item.parameters.deliver_by
    return by is not None and by.mode == "R" and now >= by.until
