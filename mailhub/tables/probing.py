"""Which patterns of a table backtrack without end: found by trying each on texts made for it, longer and longer.

For every part that may repeat without limit the probe is what stands before it, so many copies of what it takes, and a sign
that hardly anything takes. A pattern is slow where a key of at most KEY_LIMIT characters takes SLOW seconds. Each step is a little longer than
the one before, so that also an exponential one is caught in a fraction of a second. Nothing proves that a pattern is quick: texts
that are slow in another way are not tried.
"""

import importlib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from .patterns import KEY_LIMIT

SLOW = 0.02  # seconds
PATIENCE = 5.0  # seconds for all patterns of a table
PROBES = 30  # of one pattern
_STOPS = ("\x01", "@")

_parser: Any = importlib.import_module("re._parser")  # what `re` itself reads patterns with


def slow(patterns: Iterable[tuple[int, "re.Pattern[str]"]], monotonic: Callable[[], float]) -> list[str]:
    """One line for each slow pattern; `patterns` with the numbers of their lines. `monotonic`: of a clock."""
    found, until = [], monotonic() + PATIENCE
    for line, pattern in patterns:
        if monotonic() > until:
            found.append(f"line {line} and those after it were not tried: no time left")
            break
        length = _slow_at(pattern, monotonic)
        if length:
            found.append(
                f"line {line}: a key of {length} characters holds up everybody: {pattern.pattern[:60]!r} backtracks"
            )
    return found


def _slow_at(pattern: "re.Pattern[str]", monotonic: Callable[[], float]) -> int:
    """The length at which the pattern is slow, 0 where none of the probes is."""
    for prefix, unit in list(_repeats(_parser.parse(pattern.pattern, pattern.flags), ""))[:PROBES]:
        count = 4.0
        while len(prefix) + int(count) * len(unit) < KEY_LIMIT:
            for stop in _STOPS:
                text = f"{prefix}{unit * int(count)}{stop}"
                if _took(pattern, text, monotonic) > SLOW and _took(pattern, text, monotonic) > SLOW:  # not by chance
                    return len(text)
            count = count + 1 if count < 40 else count * 1.3
    return 0


def _took(pattern: "re.Pattern[str]", text: str, monotonic: Callable[[], float]) -> float:
    began = monotonic()
    pattern.search(text)
    return monotonic() - began


def _repeats(parts: Sequence[Any], before: str) -> Iterator[tuple[str, str]]:
    """(what stands before, what repeats) for every part without an upper limit, inner ones too."""
    for operation, argument in parts:
        name = str(operation)
        if name in ("MAX_REPEAT", "MIN_REPEAT"):
            _, most, body = argument
            unit = _sample(body)
            if unit and most == _parser.MAXREPEAT:
                yield before, unit
            yield from _repeats(body, before)
        for inner in _inside(name, argument):
            yield from _repeats(inner, before)
        before += _sample([(operation, argument)])


def _inside(name: str, argument: Any) -> Sequence[Any]:
    """The parts that a group or a choice is made of."""
    match name:
        case "SUBPATTERN":
            return (argument[-1],)
        case "ATOMIC_GROUP":
            return (argument,)
        case "BRANCH":
            return tuple(argument[1])
    return ()


def _sample(parts: Sequence[Any]) -> str:
    """A text that these parts take, as good as can be told without trying."""
    return "".join(_one(str(operation), argument) for operation, argument in parts)


def _one(name: str, argument: Any) -> str:
    match name:
        case "LITERAL":
            return chr(argument)
        case "NOT_LITERAL":
            return "a" if argument != ord("a") else "b"
        case "ANY":
            return "a"
        case "IN":
            return _of_set(argument)
        case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
            least, most, body = argument
            return _sample(body) * max(int(least), min(1, int(most)))
    inside = _inside(name, argument)
    return _sample(inside[0]) if inside else ""


def _of_set(items: Sequence[Any]) -> str:
    """A character of `[...]`."""
    first, argument = items[0]
    match str(first):
        case "LITERAL":
            return chr(argument)
        case "RANGE":
            return chr(argument[0])
        case "CATEGORY":
            return {"CATEGORY_DIGIT": "0", "CATEGORY_SPACE": " "}.get(str(argument), "a")
    taken = {chr(argument) for name, argument in items if str(name) == "LITERAL"}
    return next((char for char in "a0-. " if char not in taken), "a")
