"""What hooks may answer. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reject:
    """Refused for good: the client, the recipient, the message, the login, the APPEND. At `deliver` its sender is told."""

    text: str
    enhanced: str = "5.7.1"


@dataclass(frozen=True, slots=True)
class Defer:
    """Not now: the client, or the queue, comes again."""

    text: str = "Try again later"
    enhanced: str = "4.7.1"


@dataclass(frozen=True, slots=True)
class Score:
    """Added to the score of the message. Up to `data`."""

    points: float
    reason: str = ""


@dataclass(frozen=True, slots=True)
class AddHeader:
    """A field put before the message. Up to `data`."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Junk:
    """Filed in the folder Junk. Up to `data`."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class Quarantine:
    """Taken and held for the operator. Up to `data`."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class Discard:
    """Taken and thrown away. At `data`."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class FileInto:
    """The folder that it goes to. At `deliver`."""

    folder: str


Answer = Reject | Defer | Score | AddHeader | Junk | Quarantine | Discard | FileInto
ANSWERS: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("connect", "helo", "mail", "rcpt"), (Reject, Defer, Score, AddHeader, Junk, Quarantine)),
    "data": (Reject, Defer, Score, AddHeader, Junk, Quarantine, Discard),
    "deliver": (Reject, Defer, FileInto),
    "login": (Reject, Defer),
    "append": (Reject, Defer),
}
