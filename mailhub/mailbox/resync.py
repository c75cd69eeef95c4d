"""What a client that was away has missed in a folder (RFC 7162): which UIDs are gone since a mod-sequence.

UIDs come as ranges: a client that has known 4,000,000,000 of them costs no more than one that has known ten.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence

from msgspec import Struct

from mailhub.model.search import Ranges

Match = tuple[Ranges, Ranges]  # message numbers and UIDs that the client has known to belong together


class Known(Struct, frozen=True):
    """What a client remembers: the mod-sequence it is at; `uids`: those it knows (None: all that may be)."""

    modseq: int
    uids: Ranges | None = None
    match: Match | None = None


def gaps(uids: Sequence[int], low: int, high: int) -> Ranges:
    """The numbers from `low` to `high` that are not among `uids`, which ascend."""
    out: list[tuple[int, int]] = []
    for uid in uids[bisect_left(uids, low) : bisect_right(uids, high)]:
        if low < uid:
            out.append((low, uid - 1))
        low = uid + 1
    if low <= high:
        out.append((low, high))
    return tuple(out)


def runs(uids: Iterable[int]) -> Ranges:
    """Ascending numbers as ranges."""
    out: list[tuple[int, int]] = []
    for uid in uids:
        if out and out[-1][1] == uid - 1:
            out[-1] = out[-1][0], uid
        else:
            out.append((uid, uid))
    return tuple(out)


def common(left: Ranges, right: Ranges) -> Ranges:
    """The numbers in both; each ascends, with gaps between its ranges."""
    out: list[tuple[int, int]] = []
    i = j = 0
    while i < len(left) and j < len(right):
        low, high = max(left[i][0], right[j][0]), min(left[i][1], right[j][1])
        if low <= high:
            out.append((low, high))
        if left[i][1] < right[j][1]:
            i += 1
        else:
            j += 1
    return tuple(out)


def agreed(uids: Sequence[int], match: Match) -> int:
    """The highest UID up to which client and server know the same messages, 0 where there is none: a message that has its
    number still has all before it (RFC 7162 section 3.2.5.2)."""
    best = 0
    for low, high, shift in _aligned(*match):
        last = min(high, len(uids))
        if low > last:
            break
        # uids[n - 1] - n never falls as n grows, so the highest n of this stretch is found by halving
        at = bisect_right(range(low, last + 1), shift, key=lambda n: uids[n - 1] - n)
        if at and uids[low + at - 2] - (low + at - 1) == shift:
            best = max(best, uids[low + at - 2])
    return best


def _aligned(numbers: Ranges, uids: Ranges) -> Iterable[tuple[int, int, int]]:
    """Stretches of numbers low to high, where UID is number + shift."""
    left, right = [*reversed(numbers)], [*reversed(uids)]
    while left and right:
        (low, high), (first, last) = left.pop(), right.pop()
        length = min(high - low, last - first)
        yield low, low + length, first - low
        if high - low > length:
            left.append((low + length + 1, high))
        if last - first > length:
            right.append((first + length + 1, last))
