"""The right side of aliases(5), of which `.forward` and `:include:` files are made, too: addresses, `|command`, `/file`,
`:include:/file`, `\\user`. Read as Postfix's local(8) does: RFC 5322's quotes and comments, a list in each line. Pure.
"""

import re
from collections.abc import Iterator
from enum import Enum

from msgspec import Struct

INCLUDE = ":include:"

# What nearly all entries look like, up to the comma or the end: five times as fast as the way that knows all of them.
_COMMON = re.compile(r'\s*+([^\s"(),<>#|/:\\]++)\s*+(?:,|\Z)')
# What an entry is made of: blanks, a quoted string (also one that nobody closed), a comment's begin, "<", ">", and all else.
_PIECE = re.compile(r'\s++|"((?:[^"\\]|\\.)*)"?|[(<>]|(?:[^\s"(<>,\\]|\\.|\\\Z)+|,', re.DOTALL)
_WORD = re.compile(r'(?:"(?:[^"\\]|\\.)*"?|[^\s"])+')
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_COMMENT_SIGN = re.compile(r"[()]|\\.", re.DOTALL)


class Kind(Enum):
    """What a target is."""

    ADDRESS = "address"  # whose domain may be missing; a leading "\\" means: no further aliases
    COMMAND = "command"
    FILE = "file"
    INCLUDE = "include"


class Target(Struct, frozen=True):
    """`text`: without the sign that told its kind, but for the slash of a file and the backslash of an address."""

    kind: Kind
    text: str


def targets(text: str) -> list[Target]:
    """All of them in their order. Commas and ends of lines part them, and blanks part addresses; a "#" where one might begin ends
    the line: a comment.
    Nothing raises: what is no address of any form is handed on as one, and nobody is found there."""
    return [target for line in text.splitlines() for target in _entries(line)]


def _entries(line: str) -> Iterator[Target]:
    at, entry = 0, _Entry()
    while at < len(line):
        if entry.fresh and (common := _COMMON.match(line, at)):
            yield Target(Kind.ADDRESS, common[1])
            at = common.end()
            continue
        if line[at] == "#" and entry.may_end:
            break
        piece = _PIECE.match(line, at)
        if piece is None or piece[0] == "(":
            at = _past_comment(line, at + 1)
            continue
        at = piece.end()
        if piece[0] == ",":
            yield from entry.target()
            entry = _Entry()
        else:
            entry.take(piece[0], piece[1])
    yield from entry.target()


class _Entry:
    """One of a list while it is read. `plain`: without quotes, which decides what it is; `written`: with them."""

    __slots__ = ("_angle", "_plain", "_written")

    def __init__(self) -> None:
        self._plain, self._written, self._angle = "", "", False

    @property
    def fresh(self) -> bool:
        return not self._plain and not self._angle

    @property
    def may_end(self) -> bool:
        """Whether a new word begins here, and what there was is an address, if anything."""
        address = not self._written.startswith(("|", "/", ":", '"|', '"/', '":')) and not self._angle
        return not self._plain or (address and self._plain[-1].isspace())

    def take(self, piece: str, quoted: str | None) -> None:
        if piece == "<":
            self._plain, self._written, self._angle = "", "", True  # what stood before was a name
        elif piece == ">" or (self._angle and self._written.endswith(">")):
            self._written = self._written.rstrip(">") + ">"
        elif quoted is not None:
            self._plain += _ESCAPED.sub(r"\1", quoted)
            self._written += piece
        else:
            self._plain += " " if piece.isspace() else piece
            self._written += " " if piece.isspace() else piece

    def target(self) -> Iterator[Target]:
        plain, written = self._plain.strip(), self._written.rstrip(">").strip()
        if plain.startswith("|"):
            yield Target(Kind.COMMAND, plain[1:].strip())
        elif plain.startswith("/"):
            yield Target(Kind.FILE, plain)
        elif plain[: len(INCLUDE)].lower() == INCLUDE:
            yield Target(Kind.INCLUDE, plain[len(INCLUDE) :].strip())
        elif plain and written == f'"{plain}"':
            yield Target(Kind.ADDRESS, plain)
        elif plain:
            words = [written] if self._angle else _WORD.findall(written)
            yield from (Target(Kind.ADDRESS, word) for word in words)


def _past_comment(line: str, start: int) -> int:
    """Where a comment ends that begins before `start`; they may be nested."""
    depth = 1
    for sign in _COMMENT_SIGN.finditer(line, start):
        depth += {"(": 1, ")": -1}.get(sign[0], 0)
        if not depth:
            return sign.end()
    return len(line)
