"""Identifiers: unique in time, sortable, short to read aloud.

A queue id is a 63-bit number: microseconds of the clock, never the same one twice in a process and never
going back. People see it as base 32 without I, L, O and U (`0FQ7C6N2K4M1T`).
"""

from .clock import Clock

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_VALUE = {char: n for n, char in enumerate(_ALPHABET)}


class Ids:
    """A source of queue ids. `floor`: the highest id that a store already holds."""

    def __init__(self, clock: Clock, floor: int = 0) -> None:
        self._clock = clock
        self._last = floor

    def next(self) -> int:
        self._last = max(self._last + 1, int(self._clock.now() * 1_000_000))
        return self._last


def text(number: int) -> str:
    """The form for people: 13 characters at the most."""
    out = []
    while number:
        number, low = divmod(number, 32)
        out.append(_ALPHABET[low])
    return "".join(reversed(out)) or "0"


def number(text_form: str) -> int:
    """The number behind `text()`; ValueError where it is none."""
    value = 0
    if not 0 < len(text_form) <= 13:
        raise ValueError(f"not a queue id: {text_form[:40]!r}")
    for char in text_form.upper():
        if char not in _VALUE:
            raise ValueError(f"not a queue id: {text_form!r}")
        value = value * 32 + _VALUE[char]
    if value >= 1 << 63:
        raise ValueError(f"not a queue id: {text_form!r}")
    return value
