"""Sequence sets: "1,5:7,9:*" as ranges (RFC 3501 section 9, sequence-set), and back.

Nothing here expands a range: "1:4294967295" costs what "1:2" costs.
"""

import re
from collections.abc import Iterable

from mailhub.model.search import SAVED, STAR, Ranges

from .lexer import NUMBER_MAX, BadSyntax, Lexer

_SET = re.compile(rb"(?:[0-9]{1,10}|\*)(?::(?:[0-9]{1,10}|\*))?(?:,(?:[0-9]{1,10}|\*)(?::(?:[0-9]{1,10}|\*))?)*")
_PARTIAL = re.compile(rb"(-?)([0-9]{1,10}):(-?)([0-9]{1,10})")


def read(lexer: Lexer) -> Ranges:
    """sequence-set = (seq-number / seq-range) *("," sequence-set) / "$", the result that a search has saved (RFC 5182)"""
    if lexer.skip(b"$"):
        return SAVED
    raw = lexer.match(_SET, "a sequence set")[0]
    return tuple(_range(piece) for piece in raw.split(b","))


def _range(piece: bytes) -> tuple[int, int]:
    low, colon, high = piece.partition(b":")
    first = _number(low)
    return (first, _number(high)) if colon else (first, first)


def _number(text: bytes) -> int:
    if text == b"*":
        return STAR
    value = int(text)
    if not 0 < value <= NUMBER_MAX:
        raise BadSyntax("Number in a sequence set out of range")
    return value


def read_partial(lexer: Lexer) -> tuple[int, int]:
    """partial-range = nz-number ":" nz-number / MINUS nz-number ":" MINUS nz-number  (RFC 9394)"""
    found = lexer.match(_PARTIAL, "a range of results")
    low, high = int(found[2]), int(found[4])
    if found[1] != found[3] or not (0 < low <= NUMBER_MAX and 0 < high <= NUMBER_MAX):
        lexer.fail("Not a range of results")
    low, high = min(low, high), max(low, high)
    return (-low, -high) if found[1] else (low, high)


def resolve(ranges: Ranges, largest: int) -> Ranges:
    """With "*" replaced by `largest`; ascending, disjoint, low before high. Empty where `largest` is 0 and only "*" was asked.

    "9:*" covers `largest` even where that is below 9 (RFC 3501 section 6.4.8).
    """
    plain = sorted((min(a, b), max(a, b)) for a, b in ((a or largest, b or largest) for a, b in ranges) if a and b)
    out: list[tuple[int, int]] = []
    for low, high in plain:
        if out and low <= out[-1][1] + 1:
            if high > out[-1][1]:
                out[-1] = (out[-1][0], high)
        else:
            out.append((low, high))
    return tuple(out)


def compress(numbers: Iterable[int]) -> bytes:
    """Numbers in their order as a set, runs as ranges: [1, 2, 3, 7] is "1:3,7". Also fit for COPYUID, which pairs by order."""
    out: list[bytes] = []
    low = high = -1
    for number in numbers:
        if number == high + 1 and low > 0:
            high = number
            continue
        if low > 0:
            out.append(_text(low, high))
        low = high = number
    if low > 0:
        out.append(_text(low, high))
    return b",".join(out)


def written(ranges: Ranges) -> bytes:
    """Ranges as a set."""
    return b",".join([_text(low, high) for low, high in ranges])


def _text(low: int, high: int) -> bytes:
    return b"%d" % low if low == high else b"%d:%d" % (low, high)
