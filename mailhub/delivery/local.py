"""Into Maildirs of our own accounts. The file is staged here; the queue's settling unit indexes it.

The file's name derives from the queued message and its recipient alone, so that a delivery that is made again after a
crash overwrites the file of the first one: exactly once.
"""

import asyncio
import logging

from mailhub.mailbox.service import Mailboxes
from mailhub.message import headers, stamps
from mailhub.model import ids
from mailhub.model.address import key
from mailhub.model.clock import Clock
from mailhub.model.errors import MailError, Permanent
from mailhub.model.reply import Reply
from mailhub.store.api import Content, Fate

from .transport import Job, JobRecipient, Result

log = logging.getLogger("mailhub.delivery")

DELIVERED = Reply(250, "2.0.0", "Delivered to the mailbox")
LOOP = Reply(554, "5.4.6", "Mail forwarding loop: the message was delivered to this address before")
TROUBLE = Reply(451, "4.3.0", "Temporary local problem")
_HEADER_LIMIT = 65_536  # octets that are searched for Delivered-To
_TOGETHER = 20  # files of one message written at one time


class LocalTransport:
    """A transport. `hostname` stands at the end of file names."""

    name = "local"

    def __init__(self, mailboxes: Mailboxes, hostname: str, clock: Clock) -> None:
        self._mailboxes, self._clock = mailboxes, clock
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
        if key(recipient.address) in seen:
            return Result(recipient.n, Fate.FAILED, LOOP)
        place = recipient.local
        try:
            if place is None:
                raise ValueError("a recipient without a mailbox")
            filing = await self._mailboxes.stage(
                place.account,
                place.folder,
                head=stamps.return_path(job.sender) + stamps.delivered_to(recipient.address),
                content=job.content,
                file=f"{int(job.created)}.Q{ids.text(job.queue_id)}R{recipient.n}.{self._host}",
                date=int(self._clock.now()),
            )
        except MailError as error:
            log.warning("to %r: %s", recipient.address, error)
            return _trouble(recipient, error)
        except Exception:
            log.exception("to %r: the delivery broke", recipient.address)
            return Result(recipient.n, Fate.DEFERRED, TROUBLE)
        return Result(recipient.n, Fate.DELIVERED, DELIVERED, filings=(filing,))


def _trouble(recipient: JobRecipient, error: MailError) -> Result:
    """Only what says that it is permanent is."""
    if isinstance(error, Permanent):
        return Result(recipient.n, Fate.FAILED, error.reply)
    return Result(recipient.n, Fate.DEFERRED, error.reply if error.reply.temporary else TROUBLE)


async def delivered_before(content: Content) -> frozenset[str]:
    """The addresses (in key form) that the message was delivered to before."""
    start = await content.read(0, min(content.size, _HEADER_LIMIT))
    return headers.delivered_to(start[: headers.header_end(start)])
