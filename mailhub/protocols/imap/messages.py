"""Sets of messages of the selected mailbox, as spans of places in its view (place = message number - 1)."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from typing import TYPE_CHECKING

from mailhub.model.search import SAVED, STAR, Ranges
from mailhub.wire.imap import sequences
from mailhub.wire.imap.commands import Messages

from .answers import Refused, bad

if TYPE_CHECKING:
    from mailhub.mailbox.service import FolderView

    from .session import ImapSession

Spans = list[range]


def places(view: "FolderView", messages: Messages) -> Spans:
    """Where the messages are. UIDs that are not there are left out (RFC 3501 section 6.4.8); a message number that is
    not there is refused, "*" and "1:*" in an empty mailbox apart, which clients send without looking."""
    uids = view.uids
    if messages.by_uid or messages.ranges == SAVED:
        found = ((bisect_left(uids, a), bisect_right(uids, b)) for a, b in uid_ranges(view, messages.ranges))
        return [range(low, high) for low, high in found if low < high]
    if not uids and all(STAR in pair for pair in messages.ranges):
        return []
    ranges = sequences.resolve(messages.ranges, len(uids))
    if not ranges or ranges[-1][1] > len(uids):
        raise Refused(bad("There is no message of that number"))
    return [range(low - 1, high) for low, high in ranges]


def part(spans: Spans, partial: tuple[int, int]) -> Spans:
    """Of all those places in their order, those from one to another, from 1, or from the end as -1 (RFC 9394 section 3.1)."""
    low, high = partial
    count = sum(map(len, spans))
    first, last = (low - 1, high) if low > 0 else (count + high, count + low + 1)
    kept: Spans = []
    at = 0
    for span in spans:
        piece = span[max(0, first - at) : max(0, last - at)]
        if piece:
            kept.append(piece)
        at += len(span)
    return kept


def limited(session: "ImapSession", spans: Spans) -> tuple[Spans, str]:
    """The last `imap.message_limit` of them, and the response code that says so where there are more (RFC 9738 section 3)."""
    limit = session.config.message_limit
    over = sum(map(len, spans)) - limit
    if over <= 0:
        return spans, ""
    kept: Spans = []
    for span in spans:
        if over < len(span):
            kept.append(span[over:])
        over = max(0, over - len(span))
    return kept, f"MESSAGELIMIT {limit} {session.view.uids[kept[0].start]}"


def uid_ranges(view: "FolderView", ranges: Ranges) -> Ranges:
    """A set of UIDs, or "$", ascending (RFC 5182)."""
    return view.saved if ranges == SAVED else sequences.resolve(ranges, view.uids[-1] if view.uids else 0)


def pages(spans: Spans, size: int) -> Iterator[list[int]]:
    """The places, at most `size` at a time."""
    page: list[int] = []
    for span in spans:
        for start in range(span.start, span.stop, size):
            page += span[start - span.start : start - span.start + size]
            while len(page) >= size:
                yield page[:size]
                page = page[size:]
    if page:
        yield page


def uids_at(view: "FolderView", spans: Spans) -> list[int]:
    """The UIDs of all those messages."""
    out: list[int] = []
    for span in spans:
        out += view.uids[span.start : span.stop]
    return out
