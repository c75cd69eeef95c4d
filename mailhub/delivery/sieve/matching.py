"""Match types and comparators (RFC 5228 section 2.7, RFC 5231, RFC 4790, RFC 5051)."""

import math
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct

from mailhub.wire.sieve.regex import Regex

Tick = Callable[[int], None]
Captured = tuple[str, ...]

_DIGITS = re.compile(r"[0-9]+")
_UPPER = {low: low - 32 for low in range(ord("a"), ord("z") + 1)}


def _numeric(text: str) -> float:
    """RFC 4790 section 9.1: what begins with no digit is infinity."""
    found = _DIGITS.match(text)
    return math.inf if found is None else int(found[0][:300])


def _casemap(text: str) -> str:
    return text.translate(_UPPER)


def _unicode_casemap(text: str) -> str:
    """RFC 5051 section 2: titlecase, then decompose."""
    titled = "".join(title if len(title := char.title()) == 1 else char for char in text)
    return unicodedata.normalize("NFKD", titled)


def _same(text: str) -> str:
    return text


COMPARATORS: Mapping[str, Callable[[str], str]] = {
    "i;octet": _same,
    "i;ascii-casemap": _casemap,
    "i;unicode-casemap": _unicode_casemap,
}


class Match(Struct, frozen=True):
    """How the values of a test are held against its keys: match type, comparator, and the relation of :value and :count."""

    kind: str = "is"
    comparator: str = "i;ascii-casemap"
    relation: str = ""

    @classmethod
    def of(cls, tags: Mapping[str, object]) -> "Match":
        comparator = str(tags.get("comparator", "i;ascii-casemap"))
        for kind in ("value", "count"):
            if kind in tags:
                return cls(kind, comparator, str(tags[kind]).lower())
        return cls(next((k for k in ("is", "contains", "matches", "regex") if k in tags), "is"), comparator)

    def find(self, values: Sequence[str], keys: Sequence[str], tick: Tick) -> Captured | None:
        """What the wildcards or groups stood for, () where there are none; None for no match."""
        if self.kind == "count":
            values = (str(len(values)),)
        if self.kind in ("value", "count"):
            return () if any(self._related(v, k, tick) for v in values for k in keys) else None
        test = getattr(self, f"_{self.kind}")
        for key in keys:
            compiled = test(key)
            for value in values:
                tick(1 + (len(value) >> self._price))
                captured: Captured | None = compiled(value, tick)
                if captured is not None:
                    return captured
        return None

    @property
    def _price(self) -> int:
        """One step for so many characters, as a power of two."""
        return 2 if self.comparator == "i;unicode-casemap" else 6

    def _map(self) -> Callable[[str], str]:
        return COMPARATORS.get(self.comparator, _same)

    def _related(self, value: str, key: str, tick: Tick) -> bool:
        tick(1 + (len(value) >> self._price))
        if self.comparator == "i;ascii-numeric":
            left, right = _numeric(value), _numeric(key)
            order = (left > right) - (left < right)
        else:
            first, second = self._map()(value), self._map()(key)
            order = (first > second) - (first < second)
        return {
            "gt": order > 0, "ge": order >= 0, "lt": order < 0, "le": order <= 0, "eq": order == 0, "ne": order != 0,
        }.get(self.relation, False)  # fmt: skip

    def _is(self, key: str) -> Callable[[str, Tick], Captured | None]:
        if self.comparator == "i;ascii-numeric":
            number = _numeric(key)
            return lambda value, tick: () if _numeric(value) == number else None
        mapped = self._map()
        wanted = mapped(key)
        return lambda value, tick: () if mapped(value) == wanted else None

    def _contains(self, key: str) -> Callable[[str, Tick], Captured | None]:
        mapped = self._map()
        wanted = mapped(key)
        return lambda value, tick: () if wanted in mapped(value) else None

    def _matches(self, key: str) -> Callable[[str, Tick], Captured | None]:
        mapped = self._map()
        pieces = _pieces(mapped(key))

        def compare(value: str, tick: Tick) -> Captured | None:
            text = mapped(value)
            spans = _glob(pieces, text, tick)
            if spans is None:
                return None
            shown = value if len(text) == len(value) else text
            return (value, *(shown[start:end] for start, end in spans))

        return compare

    def _regex(self, key: str) -> Callable[[str, Tick], Captured | None]:
        compiled = Regex(key, fold=self.comparator != "i;octet")

        def compare(value: str, tick: Tick) -> Captured | None:
            tick(compiled.size)
            spans = compiled.search(value, tick)
            return None if spans is None else tuple(value[a:b] if a >= 0 else "" for a, b in spans)

        return compare


Piece = tuple[str | None, ...]  # characters; None for any one


def _pieces(key: str) -> list[Piece]:
    """A pattern divided at its stars (RFC 5228 section 2.7.1)."""
    pieces: list[list[str | None]] = [[]]
    signs = iter(key)
    for sign in signs:
        if sign == "*":
            pieces.append([])
        elif sign == "?":
            pieces[-1].append(None)
        else:
            pieces[-1].append(next(signs, "\\") if sign == "\\" else sign)
    return [tuple(piece) for piece in pieces]


def _glob(pieces: list[Piece], text: str, tick: Tick) -> list[tuple[int, int]] | None:
    """The spans of the wildcards, stars as short as they can be from the left (RFC 5229 section 3.2)."""
    first, last = pieces[0], pieces[-1]
    if not _fits(first, text, 0, tick):
        return None
    at = len(first)
    spans = _singles(first, 0)
    if len(pieces) == 1:
        return spans if at == len(text) else None
    for piece in pieces[1:-1]:
        found = _search(piece, text, at, tick)
        if found < 0:
            return None
        spans += [(at, found), *_singles(piece, found)]
        at = found + len(piece)
    start = len(text) - len(last)
    if start < at or not _fits(last, text, start, tick):
        return None
    return [*spans, (at, start), *_singles(last, start)]


def _singles(piece: Piece, at: int) -> list[tuple[int, int]]:
    return [(at + n, at + n + 1) for n, sign in enumerate(piece) if sign is None]


def _fits(piece: Piece, text: str, at: int, tick: Tick) -> bool:
    tick(1 + (len(piece) >> 3))
    if at + len(piece) > len(text):
        return False
    return all(sign is None or text[at + n] == sign for n, sign in enumerate(piece))


def _search(piece: Piece, text: str, at: int, tick: Tick) -> int:
    if None not in piece:
        tick(1 + ((len(text) - at) >> 4))
        return text.find("".join(sign for sign in piece if sign is not None), at)
    return next((n for n in range(at, len(text) - len(piece) + 1) if _fits(piece, text, n, tick)), -1)
