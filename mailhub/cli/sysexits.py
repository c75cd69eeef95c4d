"""Exit codes of sendmail(1) and what speaks for it: sysexits.h."""

from enum import IntEnum
from typing import NoReturn

import click


class SysExit(IntEnum):
    """sysexits.h."""

    DONE = 0
    USAGE = 64
    DATAERR = 65
    NOUSER = 67
    UNAVAILABLE = 69
    OSERR = 71
    TEMPFAIL = 75
    CONFIG = 78


def give_up(code: SysExit, text: str) -> NoReturn:
    """End the program, with a line on stderr."""
    for line in text.splitlines():
        click.echo(f"sendmail: {line}", err=True)
    raise SystemExit(int(code))
