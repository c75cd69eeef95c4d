"""Tokens to a tree (RFC 5228 section 8.2). The first thing that is no grammar ends it."""

from collections.abc import Iterator

from .errors import Place, Problem, ScriptError
from .lexer import Limits, Token, tokens
from .tree import Argument, Command, Number, Strings, Tag, Test

_LIMITS = Limits()


def parse(octets: bytes, limits: Limits = _LIMITS) -> tuple[Command, ...]:
    """The commands of a script; ScriptError."""
    return _Parser(tokens(octets, limits), limits.nesting).script()


class _Parser:
    def __init__(self, stream: Iterator[Token], nesting: int) -> None:
        self._stream, self._nesting = stream, nesting
        self._token = next(stream)
        self._last = "the beginning"

    def script(self) -> tuple[Command, ...]:
        """start = commands"""
        commands = self._commands(0)
        if self._token.kind != "end":
            raise self._expected("a command")
        return commands

    def _next(self) -> Token:
        token = self._token
        self._last = str(token)
        if token.kind != "end":
            self._token = next(self._stream)
        return token

    def _is(self, sign: str) -> bool:
        return self._token.kind == "sign" and self._token.text == sign

    def _sign(self, sign: str) -> bool:
        found = self._is(sign)
        if found:
            self._next()
        return found

    def _expected(self, what: str) -> ScriptError:
        return ScriptError(Problem(self._token.place, f"expected {what} after {self._last}, found {self._token}"))

    def _deeper(self, depth: int, place: Place) -> int:
        if depth >= self._nesting:
            raise ScriptError(Problem(place, f"nested deeper than {self._nesting} levels"))
        return depth + 1

    def _commands(self, depth: int) -> tuple[Command, ...]:
        """commands = *command"""
        found = []
        while self._token.kind == "identifier":
            found.append(self._command(depth))
        return tuple(found)

    def _command(self, depth: int) -> Command:
        """command = identifier arguments (";" / block)"""
        name = self._next()
        arguments, tests, listed = self._arguments(depth)
        block: tuple[Command, ...] | None = None
        if self._is("{"):
            deeper = self._deeper(depth, self._token.place)
            self._next()
            block = self._commands(deeper)
            if not self._sign("}"):
                raise self._expected("a command or '}'")
        elif not self._sign(";"):
            raise self._expected(f"';' or a block for '{name.text}'")
        return Command(name.text, arguments, tests, block, listed, name.place)

    def _arguments(self, depth: int) -> tuple[tuple[Argument, ...], tuple[Test, ...], bool]:
        """arguments = *argument [ test / test-list ]"""
        found: list[Argument] = []
        while (argument := self._argument()) is not None:
            found.append(argument)
        if self._token.kind == "identifier":
            return tuple(found), (self._test(self._deeper(depth, self._token.place)),), False
        if not self._is("("):
            return tuple(found), (), False
        depth = self._deeper(depth, self._token.place)
        self._next()
        tests = [self._test(depth)]
        while self._sign(","):
            tests.append(self._test(depth))
        if not self._sign(")"):
            raise self._expected("',' or ')'")
        return tuple(found), tuple(tests), True

    def _test(self, depth: int) -> Test:
        """test = identifier arguments"""
        if self._token.kind != "identifier":
            raise self._expected("a test")
        name = self._next()
        arguments, tests, listed = self._arguments(depth)
        return Test(name.text, arguments, tests, listed, name.place)

    def _argument(self) -> Argument | None:
        """argument = string-list / number / tag"""
        token = self._token
        if token.kind == "string":
            self._next()
            return Strings((token.text,), False, token.place)
        if token.kind == "number":
            self._next()
            return Number(token.number, token.place)
        if token.kind == "tag":
            self._next()
            return Tag(token.text, token.place)
        return self._list(token.place) if self._sign("[") else None

    def _list(self, place: Place) -> Strings:
        """string-list = "[" string *("," string) "]"; an empty one is let pass, as editors write it"""
        values: list[str] = []
        while not self._sign("]"):
            if values and not self._sign(","):
                raise self._expected("',' or ']'")
            if self._token.kind != "string":
                raise self._expected("a string")
            values.append(self._next().text)
        return Strings(tuple(values), True, place)
