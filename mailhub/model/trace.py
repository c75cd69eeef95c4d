"""What happened to a message, as an operator reads it."""

from typing import Literal

from msgspec import Struct

# In the order a message walks. "judged": what the checks said. "reported": a report about it was sent. "operator": a command touched it.
Stage = Literal["refused", "accepted", "judged", "attempted", "expanded", "reported", "operator", "fetched"]


class Event(Struct, frozen=True):
    """One step. `message`: its queue id, 0 where it was refused before it had one; `address`: whom the step is about."""

    at: float  # wall time
    message: int
    stage: Stage
    text: str
    address: str = ""
    message_id: str = ""  # where the step is the one that read it: "<...>"


class TraceQuery(Struct, frozen=True):
    """Which messages: by queue ids, by a Message-ID, or by an address that any of their steps is about."""

    messages: tuple[int, ...] = ()
    message_id: str = ""
    address: str = ""
    limit: int = 20  # messages, newest first
