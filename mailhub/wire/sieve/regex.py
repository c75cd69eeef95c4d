"""Extended regular expressions (POSIX 1003.2, as draft-ietf-sieve-regex wants them) in linear time.

A program of few instructions, run over all places at once (Pike's machine): no expression that a user writes and no text that
a stranger sends makes it slow, which can not be said of `re`. Each step is counted by `tick`.
"""

from collections.abc import Callable

from msgspec import Struct

_SIZE = 2_000  # instructions of one expression
_REPEAT = 255  # POSIX: RE_DUP_MAX
_DEPTH = 50  # groups in groups
_CLASSES: dict[str, Callable[[str], bool]] = {
    "alpha": str.isalpha, "digit": str.isdigit, "alnum": str.isalnum, "upper": str.isupper, "lower": str.islower,
    "space": str.isspace, "blank": lambda c: c in " \t", "punct": lambda c: c.isprintable() and not c.isalnum() and c != " ",
    "cntrl": lambda c: c < " " or c == "\x7f", "print": str.isprintable, "graph": lambda c: c.isprintable() and c != " ",
    "xdigit": lambda c: c in "0123456789abcdefABCDEF",
}  # fmt: skip
_SHORT: dict[str, Callable[[str], bool]] = {
    "w": lambda c: c.isalnum() or c == "_",
    "s": str.isspace,
    "d": str.isdigit,
}


class RegexError(ValueError):
    """An expression that is none."""


Test = Callable[[str], bool]


class _One(Struct, frozen=True):
    """One character that passes."""

    test: Test


class _Edge(Struct, frozen=True):
    """The beginning or the end."""

    sign: str


class _Split(Struct, frozen=True):
    """Go on at both, the first one preferred."""

    first: int
    second: int


class _Save(Struct, frozen=True):
    number: int


_Instruction = _One | _Edge | _Split | _Save
Span = tuple[int, int]


class Regex:
    """`search(text, tick)`: the spans of the whole and of each group, (-1, -1) of one that took no part; None for no match."""

    def __init__(self, pattern: str, *, fold: bool = False) -> None:
        self._fold = fold
        parser = _Parser(pattern.lower() if fold else pattern)
        self._program = parser.program()
        self._slots = 2 * (parser.groups + 1)
        self.size = len(self._program)

    def search(self, text: str, tick: Callable[[int], None]) -> list[Span] | None:
        if self._fold:
            lowered = text.lower()
            text = lowered if len(lowered) == len(text) else text
        best: tuple[int, ...] | None = None
        threads: list[tuple[int, tuple[int, ...]]] = []
        end = len(self._program)
        for at in range(len(text) + 1):
            seen: set[int] = set()
            current: list[tuple[int, tuple[int, ...]]] = []
            for place, slots in threads:
                self._follow(place, slots, at, len(text), seen, current)
            if best is None:
                self._follow(0, (-1,) * self._slots, at, len(text), seen, current)
            tick(1 + len(seen))
            threads = []
            for place, slots in current:
                if place == end:
                    best = slots
                    break  # what is preferred less is cut off
                instruction = self._program[place]
                if at < len(text) and isinstance(instruction, _One) and instruction.test(text[at]):
                    threads.append((place + 1, slots))
            if not threads and best is not None:
                break
        return None if best is None else [(best[n], best[n + 1]) for n in range(0, self._slots, 2)]

    def _follow(
        self,
        place: int,
        slots: tuple[int, ...],
        at: int,
        size: int,
        seen: set[int],
        found: list[tuple[int, tuple[int, ...]]],
    ) -> None:
        waiting = [(place, slots)]
        while waiting:
            place, slots = waiting.pop()
            if place in seen:
                continue
            seen.add(place)
            instruction = self._program[place] if place < len(self._program) else None
            match instruction:
                case _Split(first, second):
                    waiting += [(second, slots), (first, slots)]
                case _Save(number):
                    waiting.append((place + 1, (*slots[:number], at, *slots[number + 1 :])))
                case _Edge(sign):
                    if at == (0 if sign == "^" else size):
                        waiting.append((place + 1, slots))
                case _:
                    found.append((place, slots))


class _Parser:
    """Each production gives relative code: jumps count from their own place."""

    def __init__(self, pattern: str) -> None:
        self._pattern, self._at, self.groups = pattern, 0, 0

    def program(self) -> list[_Instruction]:
        code = self._alternatives(0)
        if self._at < len(self._pattern):
            raise RegexError("')' without '('")
        code = [("save", 0, 0), *code, ("save", 1, 0)]
        return [_absolute(place, word) for place, word in enumerate(code)]

    def _more(self) -> bool:
        return self._at < len(self._pattern)

    def _alternatives(self, depth: int) -> list["_Word"]:
        if depth > _DEPTH:
            raise RegexError("groups nested too deep")
        code = self._sequence(depth)
        while self._more() and self._pattern[self._at] == "|":
            self._at += 1
            other = self._sequence(depth)
            # split L1, L2; L1: code; jump over; L2: other   (a jump is a split with one way)
            code = [("split", 1, len(code) + 2), *code, ("split", len(other) + 1, len(other) + 1), *other]
        return _bounded(code)

    def _sequence(self, depth: int) -> list["_Word"]:
        code: list[_Word] = []
        while self._more() and self._pattern[self._at] not in "|)":
            code += self._repeated(depth)
            _bounded(code)
        return code

    def _repeated(self, depth: int) -> list["_Word"]:
        sign = self._pattern[self._at]
        if sign in "*+?" or (sign == "{" and self._pattern[self._at + 1 : self._at + 2].isdigit()):
            raise RegexError(f"nothing before {sign!r}")
        code = self._atom(sign, depth)
        while self._more():
            found = self._quantifier()
            if found is None:
                break
            code = _repeat(code, *found)
        return code

    def _quantifier(self) -> tuple[int, int | None] | None:
        sign = self._pattern[self._at]
        if sign in "*+?":
            self._at += 1
            return {"*": (0, None), "+": (1, None), "?": (0, 1)}[sign]
        if sign != "{":
            return None
        end = self._pattern.find("}", self._at)
        low, comma, high = self._pattern[self._at + 1 : max(end, self._at)].partition(",")
        if end < 0 or not low.isascii() or not low.isdigit() or not (high.isdigit() or not high) or len(low + high) > 8:
            raise RegexError("wrong interval behind '{'")
        self._at = end + 1
        least, most = int(low), (int(high) if high else None) if comma else int(low)
        if max(least, most or 0) > _REPEAT or (most is not None and most < least):
            raise RegexError("wrong interval behind '{'")
        return least, most

    def _atom(self, sign: str, depth: int) -> list["_Word"]:
        self._at += 1
        if sign == "(":
            self.groups += 1
            number = self.groups
            code = self._alternatives(depth + 1)
            if not self._more():
                raise RegexError("'(' without ')'")
            self._at += 1
            return [("save", 2 * number, 0), *code, ("save", 2 * number + 1, 0)]
        if sign == "[":
            return [self._bracket()]
        if sign == ".":
            return [lambda char: True]
        if sign in "^$":
            return [("edge", ord(sign), 0)]
        if sign == "\\":
            return [self._escaped()]
        return [_equal(sign)]

    def _escaped(self) -> "_Word":
        if not self._more():
            raise RegexError("'\\' at the end")
        sign = self._pattern[self._at]
        self._at += 1
        test = _SHORT.get(sign.lower())
        if test is None:
            return _equal(sign)
        return test if sign.islower() else _not(test)

    def _bracket(self) -> "_Word":
        """[abc], [^a-z], []x], [[:alpha:]_]"""
        text = self._pattern
        negated = text[self._at : self._at + 1] == "^"
        self._at += negated
        tests: list[Test] = []
        first = True
        while self._more() and (first or text[self._at] != "]"):
            first = False
            if text.startswith("[:", self._at):
                end = text.find(":]", self._at)
                test = _CLASSES.get(text[self._at + 2 : end]) if end > 0 else None
                if test is None:
                    raise RegexError("unknown class of characters")
                tests.append(test)
                self._at = end + 2
                continue
            low = high = text[self._at]
            self._at += 1
            if text[self._at : self._at + 1] == "-" and text[self._at + 1 : self._at + 2] not in ("", "]"):
                high = text[self._at + 1]
                self._at += 2
                if high < low:
                    raise RegexError("wrong range of characters")
            tests.append(_between(low, high))
        if not self._more():
            raise RegexError("'[' without ']'")
        self._at += 1
        found = _any(tests)
        return _not(found) if negated else found


_Word = tuple[str, int, int] | Test


def _absolute(place: int, word: _Word) -> _Instruction:
    if not isinstance(word, tuple):
        return _One(word)
    kind, first, second = word
    if kind == "split":
        return _Split(place + first, place + second)
    return _Save(first) if kind == "save" else _Edge(chr(first))


def _bounded(code: list[_Word]) -> list[_Word]:
    if len(code) > _SIZE:
        raise RegexError("too large")
    return code


def _repeat(code: list[_Word], least: int, most: int | None) -> list[_Word]:
    size = len(code)
    if (max(least, most or 0) + 1) * (size + 1) > 2 * _SIZE:  # before it is made
        raise RegexError("too large")
    if most is not None:
        out = code * least
        rest = most - least
        for left in range(rest, 0, -1):
            out = [*out, ("split", 1, left * (size + 1)), *code]
        return out
    if least:
        return [*code * least, ("split", -size, 1)]
    return [("split", 1, size + 2), *code, ("split", -size - 1, -size - 1)]


def _equal(sign: str) -> Test:
    return lambda char: char == sign


def _between(low: str, high: str) -> Test:
    return lambda char: low <= char <= high


def _any(tests: list[Test]) -> Test:
    return lambda char: any(test(char) for test in tests)


def _not(test: Test) -> Test:
    return lambda char: not test(char)
