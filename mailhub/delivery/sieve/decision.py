"""What local delivery does for one recipient, once his scripts have spoken."""

from collections.abc import AsyncIterator

from msgspec import Struct

from mailhub.model import steps
from mailhub.model.address import key
from mailhub.model.reply import Reply
from mailhub.model.verdict import Action, Verdict
from mailhub.store.api import Birth, Body, NewContent, QueueStore, SieveMark


class Edited(Struct):
    """A Content: the message with the header that a script made."""

    id: int
    size: int
    body: Body
    queue: QueueStore
    prefix: bytes = b""
    tail: bytes = b""

    async def read(self, offset: int, length: int) -> bytes:
        return await self.queue.read_body(self.body, offset, length)

    async def blocks(self, size: int = 262_144) -> AsyncIterator[bytes]:
        for at in range(0, self.size, size):
            yield await self.read(at, size)


class Place(Struct, frozen=True):
    """A folder that the message goes to. `content` None: as it came. `undecided`: no script has chosen it."""

    folder: str
    flags: int
    keywords: tuple[str, ...]
    content: Edited | None = None
    undecided: bool = False


class Decision(Struct, frozen=True):
    """What local delivery does for one recipient. `refusal`: nothing else is done."""

    places: tuple[Place, ...]
    children: tuple[str, ...] = ()
    births: tuple[Birth, ...] = ()
    marks: tuple[SieveMark, ...] = ()
    refusal: Reply | None = None

    @property
    def contents(self) -> tuple[NewContent, ...]:
        found = {place.content.id: place.content for place in self.places if place.content is not None}
        return tuple(NewContent(one.id, b"", one.body) for one in found.values())


def sent_on_by(address: str) -> str:
    """What stands in the path of a recipient behind the address whose script sent the message on: a script runs once for it, while an
    alias of the account's own name is no reason not to run it."""
    return key(address) + steps.SIEVE


INBOX = Decision((Place("INBOX", 0, (), undecided=True),))


def may_be_forged(verdict: Verdict) -> bool:
    """Whether the sender may be somebody else, who would get reports on and answers to what he never wrote (RFC 5429 section 2.1, RFC
    3834 section 2)."""
    found = {evidence.check: evidence.result for evidence in verdict.evidence}
    if found.get("dmarc") == "pass":
        return False
    return verdict.action >= Action.JUNK or found.get("dmarc") == "fail" or found.get("spf") in ("fail", "softfail")
