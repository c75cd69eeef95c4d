"""Delivery into a Maildir: the file is written here, and entered in the index by the settling unit.

The file's name is made of queue id and recipient, so that an attempt repeated after a crash writes the same file again
and the mailbox has it once.
"""

import logging
from typing import Protocol

from mailhub.message import stamps
from mailhub.model import ids
from mailhub.model.errors import MailError
from mailhub.model.reply import Reply
from mailhub.store.api import Content, Fate, Filing

from .transport import Job, JobRecipient, Result

log = logging.getLogger("mailhub.delivery")
DELIVERED = Reply(250, "2.0.0", "Delivered to mailbox")
TROUBLE = Reply(451, "4.3.0", "Temporary trouble with the mailbox")


class Mailboxes(Protocol):
    """What local delivery needs of the mailbox room."""

    async def stage(
        self, account: str, folder: str, *, head: bytes, content: Content, file: str, date: int
    ) -> Filing: ...


class LocalTransport:
    """`hostname` ends the file names."""

    name = "local"

    def __init__(self, mailboxes: Mailboxes, hostname: str) -> None:
        self._mailboxes = mailboxes
        self._host = "".join(char if char.isalnum() or char in ".-" else "_" for char in hostname)

    async def deliver(self, job: Job) -> list[Result]:
        return [await self._one(job, recipient) for recipient in job.recipients]

    async def _one(self, job: Job, recipient: JobRecipient) -> Result:
        place = recipient.local
        assert place is not None  # by the router
        head = stamps.return_path(job.sender) + stamps.delivered_to(recipient.address)
        file = f"{int(job.created)}.Q{ids.text(job.queue_id)}R{recipient.n}.{self._host}"
        try:
            filing = await self._mailboxes.stage(
                place.account, place.folder, head=head, content=job.content, file=file, date=int(job.created)
            )
        except MailError as error:
            log.warning("%s: to %r: %s", ids.text(job.queue_id), recipient.address, error)
            return Result(recipient.n, Fate.DEFERRED, error.reply if error.reply.temporary else TROUBLE)
        return Result(recipient.n, Fate.DELIVERED, DELIVERED, filings=(filing,))
