"""How a child ends (sysexits.h), and the error that says so."""

from enum import IntEnum
from typing import NoReturn


class Exit(IntEnum):
    """What the server reads as pipe(8) reads it."""

    DONE = 0
    NOUSER = 67
    NOINPUT = 66
    SOFTWARE = 70
    TEMPFAIL = 75


class Failed(Exception):
    """The end of a child. The text may begin with an enhanced status code."""

    def __init__(self, status: Exit, text: str) -> None:
        super().__init__(text)
        self.status = status


def later(code: str, text: str) -> NoReturn:
    """What may go well another time; all that is unknown."""
    raise Failed(Exit.TEMPFAIL, f"{code} {text}")
