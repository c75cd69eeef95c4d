"""Tokens of a script (RFC 5228 section 8.1). Lines may end in LF; in strings they end in CRLF (section 2.4.2)."""

import re
from collections.abc import Iterator
from typing import Literal

from msgspec import Struct

from .errors import Place, Problem, ScriptError


class Limits(Struct, frozen=True):
    """Bounds of one script: octets, tokens, and how deep blocks, tests and lists may lie in each other."""

    size: int = 1 << 20
    tokens: int = 20_000
    nesting: int = 32


Kind = Literal["identifier", "tag", "number", "string", "sign", "end"]
NUMBER_LIMIT = 1 << 64  # exclusive; section 2.4.1 wants 31 bits at the least
NAME_LIMIT = 64  # characters of an identifier


class Token(Struct, frozen=True):
    """`text`: of an identifier or tag in lower case without the colon; of a string its value."""

    kind: Kind
    text: str
    place: Place
    number: int = 0

    def __str__(self) -> str:
        match self.kind:
            case "end":
                return "the end of the script"
            case "string":
                return "a string"
            case "tag":
                return f"':{self.text}'"
            case _:
                return f"'{self.text}'"


_SPACE = re.compile(r"(?:[ \t\r\n]++|#[^\n]*+)*")
_COMMENT_END = re.compile(r"\*/")
_MULTILINE = re.compile(r"text:[ \t]*+(?:#[^\r\n]*+)?\r\n", re.IGNORECASE)
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*+")
_NUMBER = re.compile(r"([0-9]++)([KMG]?)", re.IGNORECASE)
_QUOTED = re.compile(r'"((?:[^"\\]++|\\.)*)"', re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_SHIFT = {"": 0, "k": 10, "m": 20, "g": 30}
SIGNS = frozenset("()[]{},;")


def tokens(octets: bytes, limits: Limits) -> Iterator[Token]:
    """The tokens, an "end" last; ScriptError where there is none, as they are asked for."""
    if len(octets) > limits.size:
        raise ScriptError(Problem(Place(1, 1), f"the script has more than {limits.size} octets"))
    try:
        text = octets.decode("utf-8")
    except UnicodeDecodeError as error:
        line = octets.count(b"\n", 0, error.start) + 1
        column = error.start - octets.rfind(b"\n", 0, error.start)
        raise ScriptError(Problem(Place(line, column), "not UTF-8")) from error
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\n", "\r\n")
    return _Lexer(text, limits.tokens).run()


class _Lexer:
    def __init__(self, text: str, limit: int) -> None:
        self._text, self._limit = text, limit
        self._at = 0
        self._line, self._line_start, self._counted = 1, 0, 0

    def run(self) -> Iterator[Token]:
        text, size = self._text, len(self._text)
        for _ in range(self._limit):
            self._skip()
            if self._at >= size:
                yield Token("end", "", self._place())
                return
            yield self._token(text[self._at])
        raise self._error(f"the script has more than {self._limit} tokens")

    def _place(self) -> Place:
        """Of `_at`; called in ascending order, so that each line end is counted once."""
        lines = self._text.count("\n", self._counted, self._at)
        if lines:
            self._line += lines
            self._line_start = self._text.rfind("\n", 0, self._at) + 1
        self._counted = self._at
        return Place(self._line, self._at - self._line_start + 1)

    def _error(self, text: str) -> ScriptError:
        return ScriptError(Problem(self._place(), text))

    def _skip(self) -> None:
        """white-space = 1*(SP / CRLF / HTAB) / comment"""
        while True:
            found = _SPACE.match(self._text, self._at)
            self._at = found.end() if found else self._at
            if not self._text.startswith("/*", self._at):
                return
            end = _COMMENT_END.search(self._text, self._at + 2)
            if end is None:
                raise self._error("expected '*/' at the end of the comment that begins here")
            self._at = end.end()

    def _token(self, sign: str) -> Token:
        text, place = self._text, self._place()
        if sign in SIGNS:
            self._at += 1
            return Token("sign", sign, place)
        if sign == '"':
            return Token("string", self._quoted(), place)
        if sign == ":":
            name = _IDENTIFIER.match(text, self._at + 1)
            if name is None:
                raise self._error("expected a name after ':'")
            return Token("tag", self._name(name), place)
        if sign.isascii() and sign.isdigit():
            number = self._number()
            return Token("number", str(number), place, number)
        if _MULTILINE.match(text, self._at):
            return Token("string", self._multiline(), place)
        name = _IDENTIFIER.match(text, self._at)
        if name is None:
            raise self._error(f"unexpected character {sign!r}")
        return Token("identifier", self._name(name), place)

    def _name(self, found: re.Match[str]) -> str:
        if len(found[0]) > NAME_LIMIT:
            raise self._error(f"a name of more than {NAME_LIMIT} characters")
        self._at = found.end()
        return found[0].lower()

    def _number(self) -> int:
        """number = 1*DIGIT [ QUANTIFIER ]"""
        found = _NUMBER.match(self._text, self._at)
        digits, unit = (found[1], found[2]) if found else ("", "")
        number = int(digits) << _SHIFT[unit.lower()] if len(digits) < 30 else NUMBER_LIMIT
        if number >= NUMBER_LIMIT:
            raise self._error("the number is too large")
        self._at += len(digits) + len(unit)
        return number

    def _quoted(self) -> str:
        found = _QUOTED.match(self._text, self._at)
        if found is None:
            raise self._error("expected '\"' at the end of the string that begins here")
        if "\0" in found[1]:
            raise self._error("a string holds a NUL")
        self._at = found.end()
        return _ESCAPED.sub(r"\1", found[1]) if "\\" in found[1] else found[1]

    def _multiline(self) -> str:
        """multi-line = "text:" *(SP / HTAB) (hash-comment / CRLF) *(line) "." CRLF; a second dot at the beginning of a line is
        taken off, a single one is let stand (section 2.4.2)"""
        begin = _MULTILINE.match(self._text, self._at)
        start = begin.end() if begin else self._at
        end = self._text.find("\r\n.\r\n", start - 2)
        if end < 0 and self._text.endswith("\r\n."):
            end = len(self._text) - 3
        if end < 0 or end + 2 < start:
            raise self._error("expected a line with '.' alone at the end of the text that begins here")
        value = self._text[start : end + 2]
        if "\0" in value:
            raise self._error("a string holds a NUL")
        self._at = min(end + 5, len(self._text))
        return ("\r\n" + value).replace("\r\n..", "\r\n.")[2:]
