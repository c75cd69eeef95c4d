"""postsuper(1): the same for one message, for all, or for those of a queue."""

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mailhub.control import words
from mailhub.control.errors import ControlError

from ..output import harmless
from . import Fatal, reaching
from .options import read

if TYPE_CHECKING:
    from ..backend import Backend

_USAGE = "postsuper [-d queue_id (delete)] [-h queue_id (hold)] [-H queue_id (un-hold)] [-p] [-r queue_id (requeue)] [-s] [-v] [queue...]"
_QUEUES = ("hold", "incoming", "active", "deferred")

# Letter: the action, what is said of a message, and of all. In the order in which Postfix does them.
_ACTS: dict[str, tuple[type[words.QueueAct], str, str]] = {
    "d": (words.QueueRemove, "removed", "Deleted"),
    "h": (words.QueueHold, "placed on hold", "Placed on hold"),
    "H": (words.QueueRelease, "released from hold", "Released from hold"),
    "r": (words.QueueRequeue, "requeued", "Requeued"),
}


def postsuper(path: Path | None, arguments: list[str]) -> None:
    """-d, -h, -H, -r with an ID, "-" (IDs from standard input) or ALL; queues behind them. -p, -s and -S have nothing to do here:
    the store keeps its own order."""
    options, queues = read(arguments, "c:d:h:H:pr:sSv", _USAGE)
    if unknown := [name for name in queues if name not in _QUEUES]:
        raise Fatal(f"invalid directory name: {unknown[0]}")
    if not any(letter in _ACTS for letter, _ in options):
        return
    with reaching(path) as side:
        for letter in _ACTS:
            given = [value for name, value in options if name == letter]
            if given:
                _perform(side, letter, given, tuple(queues))


def _perform(side: "Backend", letter: str, values: list[str], states: tuple[str, ...]) -> None:
    """Of all there is a number at the end; of single ones, a line each, too."""
    act, said, total = _ACTS[letter]
    states = ("hold",) if letter == "H" else states or (_QUEUES[1:] if letter == "h" else _QUEUES)
    count = 0
    if "ALL" in values:
        count = _steps(side, act, words.Which(states=states))
    for one in _ids(values) if "ALL" not in values else ():
        if _known(side, one) and _steps(side, act, words.Which(ids=(one,), states=states)):
            click.echo(f"postsuper: {one}: {said}", err=True)
            count += 1
    click.echo(f"postsuper: {total}: {count} message{'' if count == 1 else 's'}", err=True)


def _steps(side: "Backend", act: type[words.QueueAct], which: words.Which) -> int:
    count, after = 0, ""
    while True:
        step = side.ask(act(which=which, after=after))
        count, after = count + step.messages, step.after
        if not after:
            return count


def _ids(values: Iterable[str]) -> Iterator[str]:
    for value in values:
        yield from map(str.strip, sys.stdin) if value == "-" else (value,)


def _known(side: "Backend", one: str) -> bool:
    """A warning where it is no ID at all."""
    try:
        return bool(side.ask(words.QueueList(which=words.Which(ids=(one,)), limit=1)))
    except ControlError as error:
        if error.kind != "not_found":
            raise
        if not one.isalnum():
            click.echo(f"postsuper: warning: invalid mail queue id: {harmless(one)}", err=True)
        return False
