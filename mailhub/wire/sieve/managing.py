"""Commands and responses of ManageSieve (RFC 5804 section 4), a line at a time."""

import re
from collections.abc import Iterable

from msgspec import Struct

_QUOTED_LIMIT = 1_024  # octets (section 4, quoted)
_TOKEN = re.compile(
    rb' *(?:"((?:[^"\\\r\n\x00]++|\\["\\])*)"|\{([0-9]{1,10})(\+?)\}$|([0-9]{1,10})(?= |$)|([A-Za-z][A-Za-z0-9]*+)(?= |$))'
)
_ESCAPED = re.compile(rb"\\(.)")

# verb: the kinds of its arguments, s string or n number; after "?" they may be left out.
COMMANDS: dict[str, str] = {
    "AUTHENTICATE": "s?s", "STARTTLS": "", "LOGOUT": "", "CAPABILITY": "", "HAVESPACE": "sn", "PUTSCRIPT": "ss",
    "LISTSCRIPTS": "", "SETACTIVE": "s", "GETSCRIPT": "s", "DELETESCRIPT": "s", "RENAMESCRIPT": "ss", "CHECKSCRIPT": "s",
    "NOOP": "?s", "UNAUTHENTICATE": "",
}  # fmt: skip


class BadCommand(ValueError):
    """Not a command; the text holds nothing of the client's."""


class Word(Struct, frozen=True):
    """The verb of a command."""

    text: str


Argument = bytes | int | Word


class Literal(Struct, frozen=True):
    """So many octets follow; where it is not `plus`, the client waits for nobody and means a server's (section 4)."""

    size: int
    plus: bool


def line(octets: bytes) -> tuple[list[Argument], Literal | None]:
    """The arguments on a line without its end, and the literal that it ends with, if any."""
    found: list[Argument] = []
    at = 0
    while at < len(octets.rstrip(b" ")):
        match = _TOKEN.match(octets, at)
        if match is None:
            raise BadCommand("not a string, a number or a word")
        at = match.end()
        if match[2] is not None:
            return found, Literal(int(match[2]), bool(match[3]))
        if match[4] is not None:
            found.append(int(match[4]))
        elif match[5] is not None:
            found.append(Word(match[5].decode().upper()))
        else:
            if len(match[1]) > _QUOTED_LIMIT:
                raise BadCommand("quoted string too long")
            found.append(_ESCAPED.sub(rb"\1", match[1]))
    return found, None


class Command(Struct, frozen=True):
    verb: str
    strings: tuple[bytes, ...] = ()
    number: int = 0


def command(arguments: list[Argument]) -> Command:
    """BadCommand where it is none, or its arguments are wrong."""
    if not arguments or not isinstance(arguments[0], Word) or arguments[0].text not in COMMANDS:
        raise BadCommand("unknown command")
    verb, given = arguments[0].text, arguments[1:]
    needed, _, optional = COMMANDS[verb].partition("?")
    kinds = needed + optional
    if not len(needed) <= len(given) <= len(kinds):
        raise BadCommand("wrong number of arguments")
    for kind, argument in zip(kinds, given, strict=False):
        if not isinstance(argument, bytes if kind == "s" else int):
            raise BadCommand("wrong kind of argument")
    strings = tuple(one for one in given if isinstance(one, bytes))
    return Command(verb, strings, next((one for one in given if isinstance(one, int)), 0))


def string(text: bytes) -> bytes:
    """Quoted where it may be, else a literal (section 4, string)."""
    if len(text) > _QUOTED_LIMIT or any(octet in text for octet in b"\r\n\0"):
        return b"{%d}\r\n%b" % (len(text), text)
    return b'"%b"' % text.replace(b"\\", b"\\\\").replace(b'"', b'\\"')


def response(word: str, text: str = "", code: str = "") -> bytes:
    """OK, NO or BYE, with a code and a text for people (section 1.2)."""
    pieces: Iterable[bytes] = (
        word.encode(), f"({code})".encode() if code else b"", string(text.encode()) if text else b"",
    )  # fmt: skip
    return b" ".join([piece for piece in pieces if piece]) + b"\r\n"
