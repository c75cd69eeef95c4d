"""What archives hold, as far as it is looked at."""

from msgspec import Struct


class Member(Struct, frozen=True):
    """`path`: names from the outermost archive on, divided by "/"; `kind`: as in signatures. `trouble`: "bomb" where it would
    become far larger than it is, "large" where the bounds keep from looking further, "encrypted", "unreadable"."""

    path: str
    kind: str = ""
    trouble: str = ""


class Bounds(Struct):
    """What may still be unpacked; shared by all archives of one message."""

    octets: int
    members: int
    depth: int
