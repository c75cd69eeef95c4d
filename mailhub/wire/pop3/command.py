"""command = keyword *(SP argument) CRLF (RFC 1939 section 3)."""

from dataclasses import dataclass, field

_ARGUMENTS = {
    "USER": (1, 1), "PASS": (1, 1), "APOP": (2, 2), "AUTH": (0, 2), "CAPA": (0, 0), "STLS": (0, 0), "STAT": (0, 0),
    "LIST": (0, 1), "UIDL": (0, 1), "RETR": (1, 1), "DELE": (1, 1), "TOP": (2, 2), "NOOP": (0, 0), "RSET": (0, 0),
    "QUIT": (0, 0), "UTF8": (0, 0), "LANG": (0, 1),
}  # fmt: skip


class BadCommand(ValueError):
    """Not a command; the text says why and holds nothing of the client's."""


@dataclass(frozen=True, slots=True)
class Command:
    """`keyword` in upper case. PASS has the rest of the line as its one argument, spaces and all."""

    keyword: str
    arguments: tuple[str, ...] = field(default=(), repr=False)  # a password may be among them


def parse(line: bytes) -> Command:
    """A line without its end."""
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        raise BadCommand("not UTF-8") from None
    if "\0" in text:
        raise BadCommand("NUL inside")
    word, space, rest = text.partition(" ")
    keyword = word.upper()
    if keyword not in _ARGUMENTS:
        raise BadCommand("unknown command")
    least, most = _ARGUMENTS[keyword]
    if keyword == "PASS":
        arguments: tuple[str, ...] = (rest,) if space else ()
    else:
        arguments = tuple(rest.split())
    if not least <= len(arguments) <= most:
        raise BadCommand("wrong number of arguments")
    return Command(keyword, arguments)


def number(text: str) -> int:
    """A message or line number; BadCommand where it is none."""
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise BadCommand("not a number")
    return int(text)
