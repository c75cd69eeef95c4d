"""What is wrong with the text of an alias file. Pure."""

import re

from msgspec import Struct

from mailhub.message.alias_list import Kind, Target, targets
from mailhub.tables.text import BadLine, aliases, logical_lines

_ADDRESS = re.compile(r'\\?(?:[^\s<>()\[\],;:"\\@]+|"(?:[^"\\]|\\.)*")(?:@(?:[^\s<>()\[\],;:"\\@]+|\[[^\[\]\s]+\]))?')


class Checked(Struct, frozen=True):
    """`problems`: line and what is wrong there. `longest`: characters of what one name stands for."""

    names: int
    longest: int
    problems: tuple[tuple[int, str], ...]


def usable(address: str) -> bool:
    """Whether it is one that mail can go to, with or without a domain and the backslash of no further aliases."""
    return len(address) <= 320 and address.isprintable() and _ADDRESS.fullmatch(address) is not None


def check(text: str) -> Checked:
    """Every line of it."""
    found: dict[str, int] = {}
    problems: list[tuple[int, str]] = []
    longest = 0
    try:
        for number, line in logical_lines(text):
            try:
                ((name, value),) = aliases(line).items()
            except BadLine:
                problems.append((number, f"not `name: value`: {line[:40]!r}"))
                continue
            if name in found:
                problems.append((number, f"{name} stands in line {found[name]} already, which counts"))
            found.setdefault(name, number)
            if "@" in name:
                problems.append((number, f"{name}: names have no domain here; virtual_alias_maps know whole addresses"))
            listed, longest = targets(value), max(longest, len(value))
            if not listed:
                problems.append((number, f"{name} stands for nobody"))
            problems += [(number, wrong) for target in listed if (wrong := _wrong(target))]
    except BadLine as error:
        place, _, what = str(error).removeprefix("line ").partition(": ")
        problems.append((int(place), what))
    return Checked(len(found), longest, tuple(problems))


def _wrong(target: Target) -> str:
    match target.kind:
        case Kind.COMMAND if not target.text:
            return "a `|` without a command"
        case Kind.INCLUDE if not target.text.startswith("/"):
            return f":include:{target.text[:40]}: the name of the file begins with a slash"
        case Kind.ADDRESS if not usable(target.text):
            return f"{target.text[:60]!r} is no address"
    return ""
