"""Into Maildirs of our own accounts, by way of their Sieve scripts. Files are staged here; the queue's settling unit indexes them.

The file's name derives from the queued message and its recipient alone, so that a delivery that is made again after a
crash overwrites the file of the first one: exactly once.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from msgspec.structs import replace

from mailhub.mailbox.service import Mailboxes
from mailhub.message import headers, stamps
from mailhub.model import ids, steps
from mailhub.model.address import key
from mailhub.model.clock import Clock
from mailhub.model.errors import MailError, Permanent
from mailhub.model.mailbox import SEEN
from mailhub.model.reply import Reply
from mailhub.model.verdict import Action
from mailhub.store.api import Content, Fate, Filing

from .routes import Local
from .sieve.decision import INBOX, Place, may_be_forged
from .sieve.filtering import Filter
from .transport import Job, JobRecipient, Result

log = logging.getLogger("mailhub.delivery")

DELIVERED = Reply(250, "2.0.0", "Delivered to the mailbox")
REDIRECTED = Reply(250, "2.1.5", "Sent on by the recipient's Sieve script")
UNTOLD = Reply(250, "2.0.0", "Refused by the recipient's Sieve script; nobody is told, for the sender may be forged")
COPIED = Reply(250, "2.0.0", "A copy for the sender")
LOOP = Reply(554, "5.4.6", "Mail forwarding loop: the message was delivered to this address before")
TROUBLE = Reply(451, "4.3.0", "Temporary local problem")
JUNK = "Junk"  # the folder that every account has for it
_HEADER_LIMIT = 65_536  # octets that are searched for Delivered-To
_TOGETHER = 20  # files of one message written at one time


DeliverHook = Callable[[Job, JobRecipient, str], Awaitable[Reply | str]]


class LocalTransport:
    """A transport. `hostname` stands at the end of file names. `hook`: asked about each recipient and account before scripts are; a
    reply where it is not delivered now, else the folder that it goes to in place of INBOX, "" for none."""

    name = "local"

    def __init__(
        self,
        mailboxes: Mailboxes,
        hostname: str,
        clock: Clock,
        sieve: Filter | None = None,
        hook: DeliverHook | None = None,
    ) -> None:
        self._mailboxes, self._clock, self._sieve, self._hook = mailboxes, clock, sieve, hook
        self._host = "".join(char if char.isascii() and (char.isalnum() or char in ".-") else "_" for char in hostname)

    async def deliver(self, job: Job) -> list[Result]:
        """One file for each recipient. A recipient whose address stands in a Delivered-To field of the message is refused:
        the mail went out from here and came back."""
        try:
            seen = await delivered_before(job.content)
        except MailError as error:
            log.warning("the content cannot be read now: %s", error)
            return [_trouble(recipient, error) for recipient in job.recipients]
        if len(job.recipients) == 1:
            return [await self._one(job, job.recipients[0], seen)]
        results: list[Result] = []
        for start in range(0, len(job.recipients), _TOGETHER):
            some = job.recipients[start : start + _TOGETHER]
            results += await asyncio.gather(*(self._one(job, recipient, seen) for recipient in some))
        return results

    async def _one(self, job: Job, recipient: JobRecipient, seen: frozenset[str]) -> Result:
        if steps.is_copy(recipient.path):
            return await self._copied(job, recipient)
        if key(recipient.address) in seen:
            return Result(recipient.n, Fate.FAILED, LOOP)
        place = recipient.local
        try:
            if place is None:
                raise ValueError("a recipient without a mailbox")
            told = await self._hook(job, recipient, place.account) if self._hook else ""
            if isinstance(told, Reply):
                return Result(recipient.n, Fate.FAILED if told.permanent else Fate.DEFERRED, told)
            decision = INBOX if self._sieve is None else await self._sieve.decide(job, recipient, place)
            if job.verdict.action is Action.JUNK:  # what was quarantined is here because somebody let it go
                decision = replace(decision, places=tuple(map(_to_junk, decision.places)))
            decision = (
                replace(decision, places=tuple(_to_folder(one, told) for one in decision.places)) if told else decision
            )
            filings = [await self._stage(job, recipient, place, n, where) for n, where in enumerate(decision.places)]
        except MailError as error:
            log.warning("to %r: %s", recipient.address, error)
            return _trouble(recipient, error)
        except Exception:
            log.exception("to %r: the delivery broke", recipient.address)
            return Result(recipient.n, Fate.DEFERRED, TROUBLE)
        if decision.refusal is not None and may_be_forged(job.verdict):
            return Result(recipient.n, Fate.DELIVERED, UNTOLD, marks=decision.marks)
        if decision.refusal is not None:
            return Result(recipient.n, Fate.FAILED, decision.refusal, marks=decision.marks)
        fate, reply = Fate.DELIVERED, DELIVERED if filings or not decision.children else REDIRECTED
        if decision.children and not filings:
            fate = Fate.EXPANDED
        return Result(
            recipient.n, fate, reply, filings=tuple(filings), children=decision.children, contents=decision.contents,
            births=decision.births, marks=decision.marks,
        )  # fmt: skip

    async def _copied(self, job: Job, recipient: JobRecipient) -> Result:
        """The sender's own copy: read already, and no business of hooks and scripts."""
        place = recipient.local
        try:
            if place is None:
                raise ValueError("a copy without a mailbox")
            filing = await self._stage(job, recipient, place, 0, Place(place.folder, SEEN, ()))
        except MailError as error:
            log.warning("to %r: %s", recipient.address, error)
            return _trouble(recipient, error)
        return Result(recipient.n, Fate.DELIVERED, COPIED, filings=(filing,))

    async def _stage(self, job: Job, recipient: JobRecipient, local: Local, number: int, place: Place) -> Filing:
        """One file. Those of one delivery differ in `number`, which is left out of the name of the first."""
        apart = f"S{number}" if number else ""
        filing = await self._mailboxes.stage(
            local.account,
            local.folder if place.folder == "INBOX" else place.folder,
            head=b"" if steps.is_copy(recipient.path) else _head(job, recipient),
            content=place.content or job.content,
            file=f"{int(job.created)}.Q{ids.text(job.queue_id)}R{recipient.n}{apart}.{self._host}",
            date=int(self._clock.now()),
        )
        if place.flags or place.keywords:
            return replace(filing, flags=place.flags, keywords=place.keywords)
        return filing


def _head(job: Job, recipient: JobRecipient) -> bytes:
    return stamps.delivered(job.sender, recipient.address)


def _to_folder(place: Place, folder: str) -> Place:
    """The folder that a hook names, where no script has chosen another."""
    return replace(place, folder=folder) if place.undecided or place.folder == "INBOX" else place


def _to_junk(place: Place) -> Place:
    """Where no script of the owner's has decided otherwise."""
    return replace(place, folder=JUNK) if place.undecided else place


def _trouble(recipient: JobRecipient, error: MailError) -> Result:
    """Only what says that it is permanent is."""
    if isinstance(error, Permanent):
        return Result(recipient.n, Fate.FAILED, error.reply)
    return Result(recipient.n, Fate.DEFERRED, error.reply if error.reply.temporary else TROUBLE)


async def delivered_before(content: Content) -> frozenset[str]:
    """The addresses (in key form) that the message was delivered to before."""
    start = await content.read(0, min(content.size, _HEADER_LIMIT))
    return headers.delivered_to(start[: headers.header_end(start)])
