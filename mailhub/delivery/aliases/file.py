"""`/file` of an alias: the message at the end of an mbox, or, with a slash behind the name, in a Maildir. Once: each delivery has
a mark that is looked for where it may have been made before."""

import asyncio
import logging
import os
from collections.abc import Callable
from weakref import WeakValueDictionary

from msgspec.structs import replace

from mailhub.config import schema
from mailhub.config.aliasing import Aliases
from mailhub.deputy import mailbox, maildir
from mailhub.deputy.exits import Failed
from mailhub.model import ids, steps
from mailhub.model.address import key
from mailhub.model.clock import Clock
from mailhub.model.errors import MailError
from mailhub.model.reply import Reply
from mailhub.store.api import Fate

from ..local import LOOP, delivered_before
from ..pipe import copy, outcome
from ..pipe.arguments import Arguments
from ..system.spooled import spooled
from ..transport import Job, JobRecipient, Result

log = logging.getLogger("mailhub.delivery")

FILED = Reply(250, "2.0.0", "Delivered to the file")
TROUBLE = Reply(451, "4.3.0", "Temporary local problem")
ROOT = Reply(451, "4.3.5", "root writes no files of aliases")
_MAILBOX = schema.Transport(protocol="pipe", flags="FRDO>B")
_MAILDIR = schema.Transport(protocol="pipe", flags="RDO")
_LOCK_TIMEOUT, _STALE = 20.0, 500.0  # seconds, as Postfix's deliver_lock_attempts and stale_lock_time
_AT_ONCE = 4  # files written, or waited for, at one time


class FileTransport:
    """A job's nexthop is the name of the file. `folder`: for large messages under way; `identity`: the number of who writes."""

    def __init__(
        self,
        name: str,
        config: Aliases,
        delimiter: str,
        clock: Clock,
        folder: str,
        identity: Callable[[], int] = os.geteuid,
    ) -> None:
        self.name, self._delimiter, self._clock, self._folder = name, delimiter, clock, folder
        self._identity = identity
        self._room = asyncio.Semaphore(_AT_ONCE)
        # A lock of the system's keeps other processes out, and not our own other deliveries.
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._doubtful = (
            clock.now()
        )  # of messages that came before, a delivery may have been made that nobody has recorded
        self.configure(config)

    def configure(self, config: Aliases) -> None:
        """Take over a new configuration."""
        self._limits = mailbox.Limits(config.mailbox_size_limit, _LOCK_TIMEOUT, _STALE)

    async def deliver(self, job: Job) -> list[Result]:
        results = []
        for recipient in job.recipients:
            try:
                reply = await self._one(job, recipient)
            except Failed as error:
                reply = outcome.reply(job.nexthop, error.status, str(error).encode())
            except Exception as error:  # what is unknown may have been done
                log.warning("to %s: %s", job.nexthop, error, exc_info=not isinstance(error, MailError | OSError))
                reply, self._doubtful = TROUBLE, self._clock.now()
            fate = Fate.DELIVERED if reply.ok else Fate.FAILED if reply.permanent else Fate.DEFERRED
            results.append(Result(recipient.n, fate, reply))
        return results

    async def _one(self, job: Job, recipient: JobRecipient) -> Reply:
        told = replace(recipient, address=steps.shown(recipient.address, recipient.path))
        if key(told.address) in await delivered_before(job.content):
            return LOOP
        if not self._identity():
            return ROOT
        mark = f"{int(job.created)}.Q{ids.text(job.queue_id)}R{recipient.n}"
        form = _MAILDIR if job.nexthop.endswith("/") else _MAILBOX
        head = copy.head(Arguments(form, self._delimiter), job, told, self._clock.now())
        if form is _MAILBOX:
            head = mailbox.marked(head, mark)
        lock = self._locks.setdefault(job.nexthop, asyncio.Lock())
        async with lock, self._room, spooled(copy.rendered(head, job.content.blocks(), form), self._folder) as file:
            writing = asyncio.create_task(asyncio.to_thread(self._write, job.nexthop, file, mark, job.created))
            try:
                await asyncio.shield(writing)
            except asyncio.CancelledError:
                await asyncio.wait((writing,))  # it can not be stopped, and reads the file
                raise
        return FILED

    def _write(self, path: str, file: int, mark: str, created: float) -> None:
        again = created <= self._doubtful
        if path.endswith("/"):
            maildir.deliver(path.rstrip("/"), file, mark, again)
        else:
            mailbox.append(path, file, mark, again, self._limits)
