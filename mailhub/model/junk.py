"""How probable it is that a message is junk, from how often its tokens stood in junk and in good mail. Pure.

Robinson's estimate for each token and Fisher's way to join them, as SpamBayes and bogofilter do: a score near 1 or 0 where the tokens
agree, near 0.5 where they do not, or say nothing.
"""

import math
from collections.abc import Iterable, Mapping

from msgspec import Struct

_STRENGTH = 0.45  # how much a token that was never seen weighs, in messages
_UNKNOWN = 0.5
_FAR = 0.1  # tokens nearer to the middle say nothing
_MOST = 150  # tokens that are asked, those first that say most


class Counts(Struct, frozen=True):
    """Messages that were taught as junk and as good ones: in all, or those with a token."""

    junk: float = 0
    good: float = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(self.junk + other.junk, self.good + other.good)


class Clue(Struct, frozen=True):
    """A token, what was taught of it, and the probability that a message with it is junk."""

    token: str
    counts: Counts
    probability: float


class Opinion(Struct, frozen=True):
    """`probability` that the message is junk, and the tokens that say so or otherwise, those first that say most."""

    probability: float
    clues: tuple[Clue, ...]


def probability(counts: Counts, total: Counts) -> float:
    """Of a message with one token, by that token alone."""
    junk = counts.junk / total.junk if total.junk else 0.0
    good = counts.good / total.good if total.good else 0.0
    if junk + good == 0:
        return _UNKNOWN
    seen = counts.junk + counts.good
    plain = min(1.0, junk) / (min(1.0, junk) + min(1.0, good))
    return (_STRENGTH * _UNKNOWN + seen * plain) / (_STRENGTH + seen)


def opinion(found: Iterable[str], counts: Mapping[str, Counts], total: Counts) -> Opinion:
    """Of a message with these tokens. `counts`: of those that are known."""
    clues = [Clue(token, counts[token], probability(counts[token], total)) for token in found if token in counts]
    telling = [clue for clue in clues if abs(clue.probability - _UNKNOWN) >= _FAR]
    telling.sort(key=lambda clue: (-abs(clue.probability - _UNKNOWN), clue.token))
    chosen = tuple(telling[:_MOST])
    if not chosen:
        return Opinion(_UNKNOWN, ())
    count = len(chosen)
    against = 1.0 - _chi2(-2.0 * sum(math.log(1.0 - clue.probability) for clue in chosen), 2 * count)
    for_it = 1.0 - _chi2(-2.0 * sum(math.log(clue.probability) for clue in chosen), 2 * count)
    return Opinion((1.0 + against - for_it) / 2.0, chosen)


def _chi2(value: float, freedom: int) -> float:
    """The probability that chi squared with so many degrees of freedom (even) is at least that."""
    half = value / 2.0
    term = math.exp(-half)
    total = term
    for n in range(1, freedom // 2):
        term *= half / n
        total += term
    return min(total, 1.0)
