"""A job as runs of a program, each for some of its recipients (pipe(8))."""

import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Protocol

from mailhub.config import schema
from mailhub.model.address import key
from mailhub.model.clock import Clock
from mailhub.model.errors import MailError
from mailhub.model.reply import Reply
from mailhub.store.api import Fate

from ..local import LOOP, delivered_before
from ..transport import Job, JobRecipient, Result
from . import copy, outcome
from .arguments import Arguments
from .process import Process

log = logging.getLogger("mailhub.pipe")

TROUBLE = Reply(451, "4.3.0", "Temporary local problem")
NOT_RUN = Reply(451, "4.3.5", "The program can not be run")
TOO_SLOW = Reply(451, "4.3.0", "Command time limit exceeded")
LIKE_AN_OPTION = Reply(553, "5.1.3", "The program could take the address for an option")


class Runner(Protocol):
    """Another process, which runs our programs as users that we can not become."""

    async def run(
        self, name: str, argv: Sequence[str], environment: Mapping[str, str], text: AsyncIterator[bytes]
    ) -> tuple[int, bytes]:
        """Of the transport `name`: status and output. TimeoutError, OSError or MailError as the case may be."""
        ...


class PipeTransport:
    """[transport.NAME] with `protocol = "pipe"`. `delimiter`: of user and tag. `arguments`: how the program is told of a job,
    where that is not as pipe(8) does; `program`: what it is called in the log and in reports then. `runner`: who runs it, where we do
    not ourselves."""

    def __init__(
        self, name: str, config: schema.Transport, delimiter: str, clock: Clock,
        *, arguments: Arguments | None = None, program: str = "", runner: Runner | None = None,
    ) -> None:  # fmt: skip
        self.name, self._config, self._clock = name, config, clock
        self._arguments = arguments or Arguments(config, delimiter)
        self._program = program or config.command[0]
        self._runner = runner

    async def deliver(self, job: Job) -> list[Result]:
        seen: frozenset[str] = frozenset()
        if "D" in self._config.flags:
            try:
                seen = await delivered_before(job.content)
            except MailError as error:
                log.warning("the content cannot be read now: %s", error)
                return [Result(recipient.n, Fate.DEFERRED, TROUBLE) for recipient in job.recipients]
        refused = {recipient.n: reply for recipient in job.recipients if (reply := self._refusal(job, recipient, seen))}
        results = [Result(n, Fate.FAILED, reply) for n, reply in refused.items()]
        others = [recipient for recipient in job.recipients if recipient.n not in refused]
        for start in range(0, len(others), self._config.recipient_limit):
            some = tuple(others[start : start + self._config.recipient_limit])
            reply = await self._run(job, some)
            done = Fate.DELIVERED if "X" in self._config.flags else Fate.RELAYED
            fate = done if reply.ok else Fate.FAILED if reply.permanent else Fate.DEFERRED
            results += [Result(recipient.n, fate, reply) for recipient in some]
        return results

    def _refusal(self, job: Job, recipient: JobRecipient, seen: frozenset[str]) -> Reply | None:
        if not self._arguments.is_safe(job, recipient):
            return LIKE_AN_OPTION
        return LOOP if key(recipient.address) in seen else None

    async def _run(self, job: Job, recipients: tuple[JobRecipient, ...]) -> Reply:
        """Once, for these. What is unknown is temporary."""
        config, program = self._config, self._program
        head = copy.head(self._arguments, job, recipients[0], self._clock.now())
        text = copy.rendered(head, job.content.blocks(), config)
        argv, environment = self._arguments.argv(job, recipients), self._arguments.environment(job, recipients)
        log.info("%s runs %s for %r", self.name, program, [recipient.address for recipient in recipients])
        try:
            if self._runner is not None:
                status, output = await self._runner.run(self.name, argv, environment, text)
            else:
                process = await Process.start(argv, environment, config.directory, config.user)
                async with self._clock.timeout(config.time_limit):
                    status, output = await process.run(text, config.output_limit)
        except TimeoutError:
            log.error("%s: %s was killed after %.0f seconds", self.name, program, config.time_limit)
            return TOO_SLOW
        except (OSError, ValueError) as error:
            log.error("%s: %s can not be run: %s", self.name, program, error)
            return NOT_RUN
        except MailError as error:
            log.warning("%s: %s: %s", self.name, program, error)
            return error.reply if error.reply.temporary else TROUBLE
        return outcome.reply(program, status, output)
