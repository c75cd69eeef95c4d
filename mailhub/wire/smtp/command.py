"""A command line: verb and argument (RFC 5321 section 4.1.1, RFC 6531 section 3.3 for UTF-8 arguments)."""

import re
from typing import NamedTuple

from mailhub.model.reply import Reply

_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


class SyntaxRefused(Exception):
    """What the client sent is no SMTP; `reply` says so."""

    def __init__(self, code: int, enhanced: str, text: str) -> None:
        super().__init__(text)
        self.reply = Reply(code, enhanced, text)


class Command(NamedTuple):
    """`verb` in upper case; `argument` without blanks around it, "" where there is none."""

    verb: str
    argument: str


def parse_command(line: bytes) -> Command:
    """Read a line that has lost its CRLF.

    A CR, LF or NUL inside it is no blank and no end: the line is refused as a whole, so that two servers cannot
    disagree about where a command ends.
    """
    if _CONTROL.search(line):
        raise SyntaxRefused(500, "5.5.2", "Control characters in a command")
    verb, _, argument = line.partition(b" ")
    if not verb.isalnum():
        raise SyntaxRefused(500, "5.5.2", "Command not recognized")
    try:
        return Command(verb.decode("ascii").upper(), argument.strip(b" \t").decode("utf-8"))
    except UnicodeDecodeError:
        raise SyntaxRefused(500, "5.5.2", "A command must be UTF-8") from None
