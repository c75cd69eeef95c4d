"""mailq(1) and postqueue(1)."""

from collections.abc import Iterable
from pathlib import Path

import click

from mailhub.control import words

from ..backend import queued
from ..output import harmless
from ..queue_formats import SHAPES
from . import UNAVAILABLE, Fatal, reaching
from .options import read

_ALL = 1 << 40  # messages
_USAGE = "postqueue -f | postqueue -i queueid | postqueue -j | postqueue -p | postqueue -s site"


def mailq(path: Path | None, arguments: list[str]) -> None:
    """Its options, such as -v, are those of sendmail, and change nothing."""
    print_queue(path)


def print_queue(path: Path | None, shape: str = "postqueue") -> None:
    with reaching(path, UNAVAILABLE) as side:
        _echo(SHAPES[shape](queued(side, words.Which(), _ALL)))


def _echo(lines: Iterable[str]) -> None:
    for line in lines:
        click.echo(line)


def flush(path: Path | None, what: str) -> None:
    """ "" for all, "R" and a site, "I" and an ID. What is not there is no error, as it is none of Postfix's."""
    which = words.Which()
    if what[:1] == "R":
        which = words.Which(recipient="@" + what[1:].lstrip("@[").rstrip("]"))
    elif what[:1] == "I":
        if not what[1:].isalnum():
            raise Fatal(f'Cannot flush queue ID - invalid name: "{harmless(what[1:])}"', UNAVAILABLE)
        which = words.Which(ids=(what[1:],))
    with reaching(path, UNAVAILABLE) as side:
        after = ""
        while True:
            step = side.ask(words.QueueRetry(which=which, after=after))
            if not (after := step.after):
                return


def postqueue(path: Path | None, arguments: list[str]) -> None:
    """-p, -j, -f, -i ID, -s SITE; -c and -v are accepted and change nothing."""
    options, rest = read(arguments, "c:fi:jps:v", _USAGE, UNAVAILABLE)
    modes = [(letter, value) for letter, value in options if letter not in "cv"]
    if len(modes) != 1 or rest:
        raise Fatal(f"usage: {_USAGE}", UNAVAILABLE)
    ((letter, value),) = modes
    if letter in "pj":
        print_queue(path, "postqueue-json" if letter == "j" else "postqueue")
    else:
        flush(path, {"f": "", "i": "I" + value, "s": "R" + value}[letter])
