"""Commands by the names that people and programs know: Postfix's and Dovecot's, with their options, formats and exit codes.

`mailhub as NAME ...` is such a command; `mailhub install-names DIR` puts scripts for them into a folder. A name reads the configuration
that it is told, and never one that lies where it happens to be run.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

if TYPE_CHECKING:
    from ..backend import Backend

# Name: the module of this package and its function, which gets the configuration's path and the arguments.
NAMES = {
    "sendmail": "sending:sendmail",
    "mailq": "queue:mailq",
    "newaliases": "sending:newaliases",
    "postqueue": "queue:postqueue",
    "postsuper": "superuser:postsuper",
    "postcat": "contents:postcat",
    "postmap": "tables:postmap",
    "doveadm": "doveadm:doveadm",
}

UNAVAILABLE = 69  # of sysexits.h


class Fatal(Exception):
    """The command ends: its line, and its exit code."""

    def __init__(self, text: str, code: int = 1) -> None:
        super().__init__(text)
        self.code = code


@contextlib.contextmanager
def reaching(path: Path | None, code: int = 1) -> Iterator["Backend"]:
    """The server, or its store. Fatal with `code` where neither can be reached, or what is asked is refused."""
    from mailhub.config.load import ConfigError, load
    from mailhub.control.errors import ControlError

    from ..backend import open_side

    try:
        side = open_side(load(path))
        try:
            yield side
        finally:
            side.close()
    except (ConfigError, ControlError) as error:
        raise Fatal(str(error), code) from error


def end(name: str, error: Fatal) -> NoReturn:
    """As Postfix's programs do."""
    for line in str(error).splitlines():
        click.echo(f"{name}: fatal: {line}", err=True)
    raise SystemExit(error.code)
