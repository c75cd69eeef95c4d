"""The operator's programs ([transport.NAME] with a `user`, commands of aliases): which, as whom, and with what in their arguments."""

import grp
import os
from collections.abc import Sequence
from typing import NoReturn

from . import rights
from .exits import later
from .words import Argument, Program, Start


def fits(argv: Sequence[str], template: Sequence[Argument]) -> bool:
    """Whether these arguments come of that command: what is fixed stands where it stood, and what was filled in is no option."""
    states = {0}  # how many of the template's may have been seen
    for text in argv:
        onward = {n + 1 for n in states if n < len(template) and _is(text, template[n])}
        states = onward | {n for n in states if n and template[n - 1].several and _is(text, template[n - 1])}
    return len(template) in states


def _is(text: str, argument: Argument) -> bool:
    if "\0" in text:
        return False
    if not argument.filled:
        return text == argument.text
    return text.startswith(argument.text) and (bool(argument.text) or not text.startswith("-"))


def run(program: Program, what: Start, source: int, networks: rights.Networks) -> NoReturn:
    """Becomes it. The file is its standard input."""
    networks.enter(networks.host)
    name, _, group = program.user.partition(":")
    user = rights.look(name)
    if group:
        try:
            number = grp.getgrnam(group).gr_gid
        except KeyError:
            later("4.3.5", "there is no such group")
        rights.become(rights.User(user.name, user.uid, number, user.home, user.shell), alone=True)
    else:
        rights.become(user)
    os.closerange(source + 1, 1 << 16)
    told = dict(line.partition("=")[::2] for line in what.environment)
    own = dict(line.partition("=")[::2] for line in program.environment)
    os.chdir(program.directory)
    os.lseek(source, 0, os.SEEK_SET)
    os.dup2(source, 0)
    os.dup2(1, 2)
    os.close(source)
    os.execve(what.argv[0], list(what.argv), {"PATH": rights.PATH, "LANG": "C.UTF-8", **told, **own})
