"""What an account can ask about a message that it sent without SMTP, and take back."""

from msgspec import Struct

from .queue_words import QueuedTo, Touched
from .request import Request
from .route_words import Address
from .trace_words import Step


class SentState(Struct, frozen=True, kw_only=True):
    """`waiting`: recipients still in the queue, the account's own copy left out. `steps`: what happened, as far as the trace has it.
    `until`: it can be taken back before that time (wall time); 0: no more."""

    id: str
    waiting: tuple[QueuedTo, ...]
    steps: tuple[Step, ...]
    until: float


class SentShow(Request[SentState], frozen=True, kw_only=True, tag="sent.show"):
    """Of a message that this account sent."""

    account: Address
    id: str


class SentTakeBack(Request[Touched], frozen=True, kw_only=True, tag="sent.take-back"):
    """It is not sent, while it waits for its time."""

    account: Address
    id: str
