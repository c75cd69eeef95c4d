"""The options of [history]: figures of the server over time."""

from .section import Seconds, Section


class History(Section, frozen=True, kw_only=True):
    # A row a minute of what came, went and waited, for the plots of the administration and `mailhub history`.
    enabled: bool = True
    # How long figures are kept by the minute, and by the hour, in seconds.
    minutes: Seconds = 172_800.0
    hours: Seconds = 31_536_000.0
