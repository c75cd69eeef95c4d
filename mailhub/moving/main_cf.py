"""main.cf and master.cf (postconf(5), master(5)) as values. Pure: text in, values out.

Nothing is decided here: `postfix` says what each value becomes.
"""

import re
from collections.abc import Iterator, Mapping

from msgspec import Struct, field

DEPTH = 100  # values named by values
_LENGTH = 1_000_000  # characters of an expanded value
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Malformed(ValueError):
    """The file can not be read; the text says where."""


class Value(Struct, frozen=True):
    """`text`: as it is written, continued lines joined; `line`: of its name."""

    text: str
    line: int


class Service(Struct, frozen=True):
    """A line of master.cf. `private`, `chroot` and so on are Postfix's business; `overrides`: its "-o name=value"."""

    name: str
    type: str
    command: str
    arguments: tuple[str, ...]
    line: int
    overrides: Mapping[str, str] = field(default_factory=dict)


def logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Number and text: comments and empty lines left out, lines that begin with white space joined to the one before."""
    number, joined = 0, ""
    for n, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if line[:1].isspace():
            if not joined:
                raise Malformed(f"line {n}: begins with white space, and no line stands before it")
            joined += " " + line.strip()
            continue
        if joined:
            yield number, joined
        number, joined = n, line.rstrip()
    if joined:
        yield number, joined


def read_main(text: str) -> dict[str, Value]:
    """Of a name that stands there twice the last counts. Malformed."""
    found: dict[str, Value] = {}
    for number, line in logical_lines(text):
        name, equals, value = line.partition("=")
        if not equals or not _NAME.fullmatch(name.strip()):
            raise Malformed(f"line {number}: no `name = value`: {line[:80]!r}")
        found[name.strip()] = Value(value.strip(), number)
    return found


def read_master(text: str) -> list[Service]:
    """Malformed."""
    found = []
    for number, line in logical_lines(text):
        words = _words(line)
        if len(words) < 8:
            raise Malformed(f"line {number}: a service has eight fields: {line[:80]!r}")
        overrides, arguments = _overrides(words[8:], number)
        found.append(Service(words[0], words[1], words[7], arguments, number, overrides))
    return found


def _words(line: str) -> list[str]:
    """Between white space; what stands in braces is one word (`-o { name = value }`)."""
    return [match[1] if match[1] is not None else match[0] for match in re.finditer(r"\{\s*([^{}]*?)\s*\}|\S+", line)]


def _overrides(words: list[str], number: int) -> tuple[dict[str, str], tuple[str, ...]]:
    found: dict[str, str] = {}
    rest: list[str] = []
    waiting = iter(words)
    for word in waiting:
        if word == "-o":
            word = next(waiting, "")
        elif word.startswith("-o") and "=" in word:
            word = word[2:]
        else:
            rest.append(word)
            continue
        name, equals, value = word.partition("=")
        if not equals:
            raise Malformed(f"line {number}: no name=value behind -o: {word[:80]!r}")
        found[name.strip()] = value.strip()
    return found, tuple(rest)


class Expansion:
    """`$name`, `${name}`, `$(name)`, `${name?text}`, `${name:text}` and `${name?{text}:{text}}` of main.cf. `values`: those of the file;
    `defaults`: for names that it does not hold. A name that nobody knows is empty, as with Postfix."""

    def __init__(self, values: Mapping[str, str], defaults: Mapping[str, str]) -> None:
        self._values, self._defaults = values, defaults

    def of(self, name: str) -> str:
        """A parameter's value. Malformed where values name each other in a circle."""
        return self.text(self._values.get(name, self._defaults.get(name, "")))

    def text(self, text: str, depth: int = 0) -> str:
        if depth > DEPTH:
            raise Malformed("values that name each other")
        out: list[str] = []
        at = size = 0
        while (start := text.find("$", at)) >= 0:
            out.append(text[at:start])
            piece, at = self._one(text, start, depth)
            out.append(piece)
            size += len(piece)
            if size > _LENGTH:
                raise Malformed("a value that grows without end")
        return "".join([*out, text[at:]])

    def _one(self, text: str, start: int, depth: int) -> tuple[str, int]:
        """What stands for the word at `start`, and where the text goes on."""
        follows = text[start + 1 : start + 2]
        if follows == "$":
            return "$", start + 2
        if follows in ("{", "("):
            end = _closing(text, start + 1)
            return self._conditional(text[start + 2 : end], depth), end + 1
        found = _NAME.match(text, start + 1)
        if found is None:
            return "$", start + 1
        return self._value(found[0], depth), found.end()

    def _value(self, name: str, depth: int) -> str:
        return self.text(self._values.get(name, self._defaults.get(name, "")), depth + 1)

    def _conditional(self, inside: str, depth: int) -> str:
        found = _NAME.match(inside.strip())
        if found is None:
            raise Malformed(f"a condition that is not known here: ${{{inside[:80]}}}")
        name, rest = found[0], inside.strip()[found.end() :]
        value = self._value(name, depth)
        if not rest:
            return value
        if rest[0] == ":":
            return value or self.text(_unbraced(rest[1:]), depth + 1)
        if rest[0] != "?":
            raise Malformed(f"a condition that is not known here: ${{{inside[:80]}}}")
        then, other = rest[1:], ""
        if then.lstrip().startswith("{"):
            then = then.lstrip()
            end = _closing(then, 0)
            other = then[end + 1 :].lstrip().removeprefix(":")
            then = then[: end + 1]
        return self.text(_unbraced(then if value else other), depth + 1)


def _closing(text: str, start: int) -> int:
    """Where the brace or bracket at `start` is closed."""
    opening, closing = text[start], {"{": "}", "(": ")"}[text[start]]
    depth = 0
    for at in range(start, len(text)):
        depth += (text[at] == opening) - (text[at] == closing)
        if not depth:
            return at
    raise Malformed(f"{opening} without {closing}: {text[start : start + 80]!r}")


def _unbraced(text: str) -> str:
    text = text.strip()
    return text[1:-1].strip() if text.startswith("{") and text.endswith("}") else text


def listed(text: str) -> list[str]:
    """The elements of a list: between commas and white space, but for what stands in braces."""
    out: list[str] = []
    word, depth = "", 0
    for sign in text:
        depth += (sign == "{") - (sign == "}")
        if depth <= 0 and (sign == "," or sign.isspace()):
            out.append(word)
            word = ""
        else:
            word += sign
    return [word for word in [*out, word] if word]
