"""`|command` of an alias: a line for the shell, run as pipe(8) runs its program, with the environment of local(8)."""

from msgspec.structs import replace

from mailhub.config import schema
from mailhub.config.aliasing import Aliases
from mailhub.model import steps
from mailhub.model.clock import Clock

from ..pipe import Arguments, PipeTransport, Runner
from ..transport import Job, JobRecipient, Result

SHELL = "/bin/sh"
FLAGS = "FROD"  # "From ", Return-Path, X-Original-To, Delivered-To, as local(8) gives them


class _Arguments(Arguments, frozen=True):
    """The line is the operator's: nothing in it is a macro, and nothing from outside becomes a part of it."""

    def argv(self, job: Job, recipients: tuple[JobRecipient, ...]) -> list[str]:
        return list(self.config.command)

    def is_safe(self, job: Job, recipient: JobRecipient) -> bool:
        return True

    def environment(self, job: Job, recipients: tuple[JobRecipient, ...]) -> dict[str, str]:
        found = super().environment(job, recipients)
        return {**found, "LOGNAME": found["USER"]}


class CommandTransport:
    """A job's nexthop is the command; its recipients are told to it as the alias that it stands in."""

    def __init__(self, name: str, config: Aliases, delimiter: str, clock: Clock, runner: Runner | None = None) -> None:
        self.name, self._delimiter, self._clock, self._runner = name, delimiter, clock, runner
        self.configure(config)

    def configure(self, config: Aliases) -> None:
        """Take over a new configuration."""
        self._config = config

    async def deliver(self, job: Job) -> list[Result]:
        section = schema.Transport(
            protocol="pipe", command=(SHELL, "-c", job.nexthop), user=self._config.default_privs, flags=FLAGS,
            time_limit=self._config.command_time_limit,
        )  # fmt: skip
        recipients = tuple(replace(r, address=steps.shown(r.address, r.path)) for r in job.recipients)
        arguments = _Arguments(section, self._delimiter)
        pipe = PipeTransport(
            self.name,
            section,
            self._delimiter,
            self._clock,
            arguments=arguments,
            program=job.nexthop,
            runner=self._runner,
        )
        return await pipe.deliver(replace(job, recipients=recipients))
