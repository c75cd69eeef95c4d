"""The part of a hub that knows which checks there are: made from the configuration, at the start and at a reload."""

from typing import TYPE_CHECKING

from mailhub.policy.check import Check
from mailhub.policy.inspection import Inspection

if TYPE_CHECKING:
    from mailhub.hub import Hub


def inspection(hub: "Hub") -> Inspection:
    """All checks that are enabled, in the order in which the verdict names them."""
    config = hub.config
    checks: list[Check] = []
    if config.spf.enabled:
        from mailhub.policy.spf import Spf  # 20 ms that a server without it does not pay

        checks.append(Spf(config.spf, hub.resolver, config.hostname))
    return Inspection(checks, hub.config.filter, hub.config.hostname, hub.clock, hub.mailboxes.lane)
