"""A job for users of the system: each recipient a request to the deputy."""

import logging
from collections.abc import AsyncIterator

from msgspec.structs import replace

from mailhub.config import schema
from mailhub.deputy import mailbox, words
from mailhub.deputy.client import Deputy
from mailhub.model import address as addresses
from mailhub.model import ids, steps
from mailhub.model.clock import Clock
from mailhub.model.errors import MailError
from mailhub.model.reply import Reply
from mailhub.store.api import Fate

from ..local import DELIVERED, LOOP, delivered_before
from ..pipe import copy, outcome
from ..pipe.arguments import Arguments
from ..transport import Job, JobRecipient, Result
from .routing import NAME, STRANGER, SystemRouting
from .spooled import spooled

log = logging.getLogger("mailhub.delivery")

TROUBLE = Reply(451, "4.3.0", "Temporary local problem")
NOBODY = Reply(550, "5.1.1", "No such user")
TOO_SLOW = Reply(451, "4.3.0", "The time for it was over")
_MAILBOX = schema.Transport(protocol="pipe", flags="FRDO>B")
_MAILDIR = schema.Transport(protocol="pipe", flags="RDO")
_COMMAND = schema.Transport(protocol="pipe", flags="FRDO")


class SystemTransport:
    """`folder`: for large messages under way."""

    name = NAME

    def __init__(
        self, deputy: Deputy, routing: SystemRouting, config: schema.Local, delimiter: str, clock: Clock, folder: str
    ) -> None:
        self._deputy, self._routing, self._config, self._delimiter = deputy, routing, config, delimiter
        self._clock, self._folder = clock, folder
        # Of messages that came before, a delivery may have been made that nobody has recorded.
        self._doubtful = clock.now()

    async def deliver(self, job: Job) -> list[Result]:
        try:
            seen = await delivered_before(job.content)
        except MailError as error:
            log.warning("the content cannot be read now: %s", error)
            return [Result(recipient.n, Fate.DEFERRED, TROUBLE) for recipient in job.recipients]
        commands_last = sorted(job.recipients, key=lambda recipient: recipient.address.startswith("|"))
        return [await self._one(job, recipient, seen) for recipient in commands_last]

    async def _one(self, job: Job, recipient: JobRecipient, seen: frozenset[str]) -> Result:
        try:
            reply = await self._delivered(job, recipient, seen)
        except (MailError, OSError) as error:
            log.warning("to %r: %s", recipient.address, error)
            reply = TROUBLE
        fate = Fate.DELIVERED if reply.ok else Fate.FAILED if reply.permanent else Fate.DEFERRED
        return Result(recipient.n, fate, reply)

    async def _delivered(self, job: Job, recipient: JobRecipient, seen: frozenset[str]) -> Reply:
        """Into a mailbox, or to a command."""
        mark = steps.divided(recipient.path)[1]
        owned = recipient.address if mark is not None and mark.where else ""
        recipient = replace(recipient, address=steps.shown(recipient.address, recipient.path))
        if addresses.key(recipient.address) in seen:
            return LOOP
        user = await self._routing.owner(recipient.address)
        if user is None:
            return STRANGER if owned else NOBODY
        extension = self._routing.extension(user, recipient.address)
        extension = extension if words.is_extension(extension) else ""
        if owned.startswith("|") or (self._config.mailbox_command and not owned):
            return await self._run(job, recipient, words.Run(user.name, owned[1:], (), extension))
        return await self._file(job, recipient, words.Deliver(user.name, "", path=owned, extension=extension))

    async def _file(self, job: Job, recipient: JobRecipient, what: words.Deliver) -> Reply:
        mark = f"{int(job.created)}.Q{ids.text(job.queue_id)}R{recipient.n}"
        what = words.Deliver(what.user, mark, job.created <= self._doubtful, what.path, what.extension)
        form = _MAILDIR if (what.path or self._config.home_mailbox).endswith("/") else _MAILBOX
        text = self._text(job, recipient, form, mark if form is _MAILBOX else "")
        answer = await self._ask(what, text)
        if not answer.status:
            return DELIVERED
        return TOO_SLOW if answer.late else outcome.reply("mailbox", answer.status, answer.said)

    async def _run(self, job: Job, recipient: JobRecipient, what: words.Run) -> Reply:
        told = Arguments(_COMMAND, self._delimiter).environment(job, (recipient,))
        environment = tuple(f"{name}={value[: words.VALUE]}" for name, value in told.items() if name in words.VARIABLES)
        what = words.Run(what.user, what.command, environment, what.extension)
        name = what.command or self._config.mailbox_command
        log.info("%s runs %r for %r", self.name, name, recipient.address)
        answer = await self._ask(what, self._text(job, recipient, _COMMAND, ""))
        if answer.late:
            log.error("%s: %r was killed after %.0f seconds", self.name, name, self._config.command_timeout)
            return TOO_SLOW
        return outcome.reply("command", answer.status, answer.said)

    async def _ask(self, what: words.What, text: AsyncIterator[bytes]) -> words.Answer:
        """What has not ended by itself may have been done."""
        ended = False
        try:
            async with spooled(text, self._folder) as file:
                answer = await self._deputy.ask(what, file)
            ended = answer.status >= 0
            return answer
        finally:
            if not ended:
                self._doubtful = self._clock.now()

    def _text(self, job: Job, recipient: JobRecipient, form: schema.Transport, mark: str) -> AsyncIterator[bytes]:
        head = copy.head(Arguments(form, self._delimiter), job, recipient, self._clock.now())
        if mark:
            head = mailbox.marked(head, mark)
        return copy.rendered(head, job.content.blocks(), form)
