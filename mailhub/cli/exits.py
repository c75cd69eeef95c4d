"""Exit codes, and the one way out for a failure: a line on stderr, no traceback. The package's docstring lists them."""

from enum import IntEnum
from typing import NoReturn

import click


class Exit(IntEnum):
    """What the shell is told."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    ABSENT = 3
    EXISTS = 4
    LATER = 5


KINDS = {
    "usage": Exit.FAILED,
    "refused": Exit.FAILED,
    "bug": Exit.FAILED,
    "not_found": Exit.ABSENT,
    "exists": Exit.EXISTS,
    "limit": Exit.LATER,
    "temporary": Exit.LATER,
}


def fail(text: str, code: Exit = Exit.FAILED) -> NoReturn:
    """End the program."""
    for line in text.splitlines() or [""]:
        click.echo(f"mailhub: {line}", err=True)
    raise SystemExit(int(code))
