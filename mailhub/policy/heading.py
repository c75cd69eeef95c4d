"""The fields that will stand before a message that comes in."""

from collections.abc import Collection
from typing import TYPE_CHECKING

from msgspec.structs import replace

from mailhub.message import stamps
from mailhub.model import ids
from mailhub.model.envelope import Recipient

from .visit import Visit

if TYPE_CHECKING:
    from .policy import Policy


def received(policy: "Policy", visit: Visit, number: int, sole: str | None) -> bytes:
    """Our Received field. `sole`: the recipient where there is one alone."""
    origin = replace(visit.origin, name=visit.caller.known)
    return stamps.received(origin, policy.hostname, ids.text(number), sole, policy.clock.now())


def room(policy: "Policy", visit: Visit, number: int, recipients: Collection[Recipient]) -> int:
    """Octets of what will stand before the message in the mailbox of its one recipient, as far as can be told before it comes; 0 where it
    has several."""
    if len(recipients) != 1:
        return 0
    (recipient,) = recipients
    above = stamps.prepended(visit.orders.prepended) + received(policy, visit, number, recipient.address)
    return len(stamps.delivered(visit.sender or "", recipient.address) + above)
