"""Tables that are searched line by line: regexp_table(5), pcre_table(5), cidr_table(5). Pure.

    /pattern/flags value        !/pattern/flags value       if /pattern/flags ... endif
    192.0.2.0/24 value          !192.0.2.0/24 value         if 192.0.2.0/24 ... endif

Patterns are Python's, which know what Perl's and POSIX's do in tables of mail; POSIX classes ([[:alnum:]]) are translated.
They are the operator's own, keys come from outside. A key over KEY_LIMIT is answered with a temporary failure: nothing passes a
pattern unseen. `re` can not be stopped once it runs, so a pattern that backtracks may hold the loop: `mailhub check` tries them
(probing), and a slow look-up is told in the log (files).
"""

import re
from collections.abc import Callable
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from mailhub.model import ip
from mailhub.model.errors import Temporary

from .text import BadLine, logical_lines

_CLASSES = {
    "alnum": "0-9A-Za-z", "alpha": "A-Za-z", "blank": r" \t", "cntrl": r"\x00-\x1f\x7f", "digit": "0-9",
    "graph": "!-~", "lower": "a-z", "print": " -~", "punct": r"!-/:-@\[-`{-~", "space": r"\s", "upper": "A-Z",
    "xdigit": "0-9A-Fa-f",
}  # fmt: skip
_CLASS = re.compile(r"\[:([a-z]+):\]")
_GROUP = re.compile(r"\$(?:(\$)|([0-9]+)|\{([0-9]+)\}|\(([0-9]+)\))")


KEY_LIMIT = 1_000  # characters


class _Rule(NamedTuple):
    """`find` gives a match, or None. A block holds rules that are looked at only where it matches."""

    find: Callable[[str], object | None]
    value: str = ""
    block: "tuple[_Rule, ...] | None" = None
    expands: bool = False


class Patterns(Struct, frozen=True):
    """`find(key)` is the value of the first line that matches. `patterns`: with the numbers of their lines."""

    rules: tuple[_Rule, ...]
    patterns: tuple[tuple[int, "re.Pattern[str]"], ...] = ()

    def find(self, key: str) -> str | None:
        if len(key) > KEY_LIMIT:
            raise Temporary(f"a key of {len(key)} characters")
        return _first(self.rules, key)


def _first(rules: tuple[_Rule, ...], key: str) -> str | None:
    for rule in rules:
        match = rule.find(key)
        if match is None:
            continue
        if rule.block is None:
            return _expanded(rule.value, match) if rule.expands and isinstance(match, re.Match) else rule.value
        if (value := _first(rule.block, key)) is not None:
            return value
    return None


def _expanded(value: str, match: "re.Match[str]") -> str:
    def group(found: "re.Match[str]") -> str:
        if found[1]:
            return "$"
        number = int(found[2] or found[3] or found[4])
        return (match[number] or "") if number <= (match.re.groups or 0) else ""

    return _GROUP.sub(group, value)


def _blocks(text: str, rule: Callable[[int, str], tuple[Callable[[str], object | None], str, bool]]) -> Patterns:
    """Lines to rules, with `if` and `endif`. `rule(number, line)`: finder, what stands behind the pattern, whether $1 counts."""
    stack: list[tuple[int, Callable[[str], object | None], list[_Rule]]] = [(0, lambda key: key, [])]
    for number, line in logical_lines(text):
        word, rest = _first_word(line)
        if word.lower() == "endif":
            if len(stack) == 1:
                raise BadLine(number, "endif without if")
            _, find, inner = stack.pop()
            stack[-1][2].append(_Rule(find, block=tuple(inner)))
        elif word.lower() == "if":
            find, _, _ = rule(number, rest.strip())
            stack.append((number, find, []))
            if len(stack) > 50:
                raise BadLine(number, "if inside more than 50 others")
        else:
            find, value, expands = rule(number, line)
            if not value:
                raise BadLine(number, "no value behind the pattern")
            stack[-1][2].append(_Rule(find, value, None, expands))
    if len(stack) > 1:
        raise BadLine(stack[-1][0], "if without endif")
    return Patterns(tuple(stack[0][2]))


def regexp(text: str, *, perl: bool) -> Patterns:
    """`perl`: the flags are those of pcre_table(5), else of regexp_table(5). BadLine."""
    compiled: list[tuple[int, re.Pattern[str]]] = []

    def rule(number: int, line: str) -> tuple[Callable[[str], object | None], str, bool]:
        negated = line.startswith("!")
        body = line[1:].lstrip() if negated else line
        if not body or body[0].isalnum() or body[0].isspace() or body[0] == "\\":
            raise BadLine(number, "not /pattern/ value")  # the line may be one with a password
        end = _pattern_end(body)
        if end < 0:
            raise BadLine(number, "a pattern without its end")
        rest = body[end + 1 :]
        flags, value = ("", rest) if rest[:1].isspace() else _first_word(rest)
        source = body[1:end].replace("\\" + body[0], body[0])
        try:
            pattern = re.compile(_translated(source), _flags(number, flags, perl))
        except re.error as error:
            raise BadLine(number, f"pattern {source[:60]!r}: {error}") from None
        compiled.append((number, pattern))
        if negated:
            return (lambda key: key if pattern.search(key) is None else None), value.strip(), False
        return pattern.search, value.strip(), True

    return replace(_blocks(text, rule), patterns=tuple(compiled))


def _first_word(text: str) -> tuple[str, str]:
    """The text up to the first blank or tab, and what stands behind it."""
    words = text.split(None, 1)
    return (words[0] if words else "", words[1] if len(words) > 1 else "")


def _pattern_end(body: str) -> int:
    """Where the sign that began the pattern ends it."""
    at = 1
    while at < len(body) and body[at] != body[0]:
        at += 2 if body[at] == "\\" else 1
    return at if at < len(body) else -1


def _translated(source: str) -> str:
    return _CLASS.sub(lambda found: _CLASSES.get(found[1], found[0]), source)


def _flags(number: int, flags: str, perl: bool) -> re.RegexFlag:
    """Each toggles. Without any: letters of any case; in pcre "." takes line ends, too."""
    known = {"i": re.IGNORECASE, "m": re.MULTILINE, "x": re.VERBOSE if perl else re.NOFLAG}
    if perl:
        known |= {"s": re.DOTALL, "A": re.NOFLAG, "E": re.NOFLAG, "U": re.NOFLAG, "X": re.NOFLAG}
    value = re.IGNORECASE | (re.DOTALL if perl else re.NOFLAG)
    for flag in flags:
        if flag not in known or flag in "AU":
            raise BadLine(number, f"flag {flag!r} is not known here: {', '.join(sorted(set(known) - set('AU')))}")
        value ^= known[flag]
    return value


def cidr(text: str) -> Patterns:
    """Networks of IPv4 and IPv6; a key that is no address is in none. BadLine."""

    def rule(number: int, line: str) -> tuple[Callable[[str], object | None], str, bool]:
        negated = line.startswith("!")
        place, _, value = (line[1:].lstrip() if negated else line).replace("\t", " ").partition(" ")
        try:
            network = ip.network(place.replace("[", "").replace("]", ""))
        except ValueError as error:
            raise BadLine(number, str(error)) from None

        def find(key: str) -> object | None:
            address = ip.parse(key)
            known = address is not None and address.version == network.version
            return key if known and (address in network) != negated else None

        return find, value.strip(), False

    return _blocks(text, rule)
