"""Programs of `pipe` transports and of aliases, run as the user whom the operator named, by the deputy: where mailhub has given up root."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence

from mailhub.config import commands
from mailhub.config.schema import Config
from mailhub.deputy.client import Deputy
from mailhub.deputy.words import PROGRAM_VARIABLES, VALUE, Argument, Program, Start

from ..aliases.command import SHELL
from .spooled import spooled

ALIASES = "local/command"  # the transport of aliases' commands


def programs(config: Config) -> Iterator[Program]:
    """All that may be started."""
    for name, section in config.transport.items():
        if section.protocol == "pipe":
            yield Program(
                name, section.user or config.user, tuple(map(_argument, section.command)), section.directory,
                section.environment, section.time_limit, section.output_limit,
            )  # fmt: skip
    aliases = config.aliases
    line = (Argument(SHELL), Argument("-c"), Argument("", filled=True))
    yield Program(ALIASES, aliases.default_privs, line, "/", (f"SHELL={SHELL}",), aliases.command_time_limit)


def _argument(text: str) -> Argument:
    names = commands.names(text)
    fixed = commands.filled(text, lambda name: "\0").partition("\0")[0]
    return Argument(fixed, filled=bool(names), several=bool(names & commands.OF_RECIPIENT))


class Programs:
    """`folder`: for large messages under way."""

    def __init__(self, deputy: Deputy, folder: str) -> None:
        self._deputy, self._folder = deputy, folder

    async def run(
        self, name: str, argv: Sequence[str], environment: Mapping[str, str], text: AsyncIterator[bytes]
    ) -> tuple[int, bytes]:
        """How it ended, as waitpid has it, and what it said. TimeoutError where it was killed when its time was over; OSError and
        Temporary where it can not be run."""
        told = tuple(f"{key}={value[:VALUE]}" for key, value in environment.items() if key in PROGRAM_VARIABLES)
        async with spooled(text, self._folder) as file:
            answer = await self._deputy.ask(Start(name, tuple(argv), told), file)
        if answer.late:
            raise TimeoutError
        return answer.status, answer.said
