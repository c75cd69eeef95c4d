"""What is held because its verdict says so: [quarantine]."""

from .section import Octets, Seconds, Section


class Quarantine(Section, frozen=True, kw_only=True):
    """Held messages (`filter.quarantine_score`, or a check that asks for it) wait for `mailhub quarantine release`."""

    # What is older is deleted; beyond so many octets the oldest ones are.
    lifetime: Seconds = 2_592_000.0
    size_limit: Octets = 1_073_741_824
