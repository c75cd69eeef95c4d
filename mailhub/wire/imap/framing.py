"""Frame first, parse second: a command is lines joined by literals (RFC 3501 sections 2.2.1 and 4.3, RFC 7888).

The caller reads a line, gives it to `Framer.line`, and reads the literal that the answer announces, if any.
What is too much is refused here, before it is read.
"""

import re

from msgspec import Struct

_ANNOUNCED = re.compile(rb"(~?)\{([0-9]+)(\+?)\}\Z")
_DIGITS = 20  # more digits than this mean "enormous" all the same
MAX_LITERALS = 1_000  # in one command


class TooBig(Exception):
    """Lines and literals of one command exceed the limits; what follows in the stream is not known to be a command."""


class Literal(Struct, frozen=True):
    """An announced literal of `size` octets. `synchronising`: the client waits for "+" before it sends it. `binary`: it is a
    literal8 (RFC 3516), which may have NULs in it."""

    size: int
    synchronising: bool
    binary: bool = False


class Frame(Struct, frozen=True):
    """A command: `texts[0] literals[0] texts[1] ... texts[-1]`, without announcements and line ends."""

    texts: tuple[bytes, ...]
    literals: tuple[bytes, ...] = ()


class Framer:
    """Joins lines and literals to one command. `line_limit` bounds all its lines together, in octets."""

    __slots__ = ("_left", "_limit", "_literals", "_texts")

    def __init__(self, line_limit: int) -> None:
        self._limit = self._left = line_limit
        self._texts: list[bytes] = []
        self._literals: list[bytes] = []

    @property
    def empty(self) -> bool:
        """Whether the next line begins a command."""
        return not self._texts

    @property
    def literal_octets(self) -> int:
        """Octets of literals taken so far."""
        return sum(map(len, self._literals))

    def line(self, line: bytes) -> Literal | Frame:
        """Take a line with its end; the whole command, or the literal that must be read next."""
        text = line.removesuffix(b"\n").removesuffix(b"\r")
        self._left -= len(text)
        if self._left < 0 or len(self._texts) > MAX_LITERALS:
            raise TooBig
        announced = _ANNOUNCED.search(text, max(0, len(text) - self._limit))
        if announced is None:
            self._texts.append(text)
            frame = self.frame()
            self.reset()
            return frame
        self._texts.append(text[: announced.start()])
        digits = announced[2]
        size = int(digits) if len(digits) <= _DIGITS else 10**_DIGITS
        return Literal(size, not announced[3], bool(announced[1]))

    def literal(self, data: bytes) -> None:
        """Take the literal that was announced."""
        self._literals.append(data)

    def frame(self) -> Frame:
        """What was taken so far; where a literal is announced, the text before it is the last."""
        return Frame(tuple(self._texts), tuple(self._literals))

    def reset(self) -> None:
        """The next line begins a command."""
        self._texts.clear()
        self._literals.clear()
        self._left = self._limit
