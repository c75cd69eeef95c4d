"""A script as it was parsed: what stands where, before anybody asks what it means (RFC 5228 section 8.2)."""

from dataclasses import dataclass, field

from .errors import Place

_HERE = Place(1, 1)


@dataclass(frozen=True, slots=True)
class Number:
    value: int
    place: Place = field(default=_HERE, compare=False)

    def __str__(self) -> str:
        return f"the number {self.value}"


@dataclass(frozen=True, slots=True)
class Tag:
    """`name` in lower case, without the colon."""

    name: str
    place: Place = field(default=_HERE, compare=False)

    def __str__(self) -> str:
        return f"the tag ':{self.name}'"


@dataclass(frozen=True, slots=True)
class Strings:
    """A string, or a list of them: `is_list`."""

    values: tuple[str, ...]
    is_list: bool = True
    place: Place = field(default=_HERE, compare=False)

    def __str__(self) -> str:
        return "a string list" if self.is_list else "a string"


Argument = Number | Tag | Strings


@dataclass(frozen=True, slots=True)
class Test:
    """A test; `listed`: its tests stood in parentheses."""

    __test__ = False  # no class of tests

    name: str
    arguments: tuple[Argument, ...] = ()
    tests: "tuple[Test, ...]" = ()
    listed: bool = False
    place: Place = field(default=_HERE, compare=False)


@dataclass(frozen=True, slots=True)
class Command:
    """A command; `block` is None where it ended in a semicolon."""

    name: str
    arguments: tuple[Argument, ...] = ()
    tests: tuple[Test, ...] = ()
    block: "tuple[Command, ...] | None" = None
    listed: bool = False
    place: Place = field(default=_HERE, compare=False)


def encode(commands: tuple[Command, ...], indent: str = "") -> str:
    """A script that parses to this tree, in the common way of writing."""
    return "".join(indent + _words(one) + _tail(one, indent) for one in commands)


def _tail(command: Command, indent: str) -> str:
    if command.block is None:
        return ";\r\n"
    return f" {{\r\n{encode(command.block, indent + '    ')}{indent}}}\r\n"


def _words(item: Command | Test) -> str:
    words = [item.name, *map(_argument, item.arguments)]
    if item.tests or item.listed:
        tests = ", ".join(map(_words, item.tests))
        words.append(f"({tests})" if item.listed else tests)
    return " ".join(words)


def _argument(argument: Argument) -> str:
    match argument:
        case Number(value):
            return str(value)
        case Tag(name):
            return f":{name}"
        case Strings(values, is_list):
            quoted = ", ".join([quote(value) for value in values])
            return f"[{quoted}]" if is_list else quoted


def quote(text: str) -> str:
    """A quoted string (RFC 5228 section 2.4.2)."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
