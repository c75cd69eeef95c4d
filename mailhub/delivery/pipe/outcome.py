"""How a program ended, as a reply: sysexits.h as pipe(8) reads it. Pure."""

import re

from mailhub.model.reply import Reply

_EXITS = {
    64: ("5.3.0", "command line usage error"),
    65: ("5.6.0", "data format error"),
    66: ("5.3.0", "cannot open input"),
    67: ("5.1.1", "user unknown"),
    68: ("5.1.2", "host name unknown"),
    69: ("5.3.0", "service unavailable"),
    70: ("5.3.0", "internal software error"),
    71: ("4.3.0", "system resource problem"),
    72: ("5.3.0", "critical OS file missing"),
    73: ("5.2.0", "can't create user output file"),
    74: ("5.3.0", "input/output error"),
    75: ("4.3.0", "temporary failure"),
    76: ("5.5.0", "remote error in protocol"),
    77: ("5.7.0", "permission denied"),
    78: ("5.3.5", "local configuration error"),
}
_STATUS = re.compile(r"([45]\.\d{1,3}\.\d{1,3})(?:\s+|\Z)")
_TEXT_LIMIT = 1_000  # characters of a program's words that go into a report


def reply(program: str, status: int, output: bytes) -> Reply:
    """`status`: as waitpid has it, negative for a signal. Words of the program that begin with 4.x.x or 5.x.x are taken for
    what they say; killed by a signal it may do better another time."""
    said = _clean(output)
    if status == 0:
        return Reply(250, "2.0.0", f"delivered via {program}" + (f" ({said})" if said else ""))
    if status < 0:
        return Reply(451, "4.3.0", f'Command died with signal {-status}: "{program}"' + _output(said))
    enhanced, what = _EXITS.get(status, ("5.3.0", "unknown mail system error"))
    if found := _STATUS.match(said):
        enhanced, said = found[1], said[found.end() :]
    return Reply(550 if enhanced[0] == "5" else 451, enhanced, said or f'{what}: "{program}" (exit status {status})')


def _output(said: str) -> str:
    return f". Command output: {said}" if said else ""


def _clean(output: bytes) -> str:
    text = " ".join(output.decode("utf-8", "replace").split())
    return "".join(char if char.isprintable() else "?" for char in text)[:_TEXT_LIMIT]
