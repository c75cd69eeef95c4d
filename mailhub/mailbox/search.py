"""Which messages of a view a query matches: index first, the message itself only where nothing else can tell.

A query is prepared once for a view; then each message is asked, first with what the view knows, then with its row, then,
where the answer is still open, with its text, off the loop.
"""

import datetime
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime

from mailhub.message import headers, parts, search_text
from mailhub.model import search as query
from mailhub.model.mailbox import KEYWORD_SHIFT, Folder, MessageRow
from mailhub.store.api import MessageFile

from .heavy import HeavyLane
from .resync import runs

STEPS = 20_000  # keys asked between two pauses; some 10 ms
PAGE = 200  # messages between two pauses, at most
_FIRST = 16_384  # octets in which most headers end
_HEADER = 1_048_576  # octets of a header that are looked through
_NOTHING = query.Not(query.All())


@dataclass(frozen=True, slots=True)
class Readable:
    """A message as a search sees it, decoded and case-folded. `body` is empty where only the header was asked for."""

    fields: tuple[tuple[str, str], ...]
    head: str
    body: str
    sent: datetime.date | None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A message of the view. `row` and `text` are None until they are needed."""

    number: int
    uid: int
    flags: int
    recent: bool
    row: MessageRow | None = None
    text: Readable | None = None


# --- before the search -----------------------------------------------------------------------------------------------


def prepared(key: query.Key, folder: Folder, uids: Sequence[int], modseqs: Sequence[int]) -> query.Key:
    """The query as this view understands it: "*" is a number, ranges ascend and do not overlap, keywords are bits,
    mod-sequences are UIDs, text is case-folded."""

    def known(inner: query.Key) -> query.Key:
        match inner:
            case query.And(keys):
                return query.And(tuple([known(one) for one in keys]))
            case query.Or(left, right):
                return query.Or(known(left), known(right))
            case query.Not(one):
                return query.Not(known(one))
            case query.Numbers(ranges):
                return query.Numbers(merged(ranges, len(uids)))
            case query.Uids(ranges):
                return query.Uids(merged(ranges, uids[-1] if uids else 0))
            case query.ModSeq(least):
                return query.Uids(runs(uid for uid, modseq in zip(uids, modseqs, strict=True) if modseq >= least))
            case query.Keyword(name):
                return query.Flag(1 << KEYWORD_SHIFT + names[name.lower()]) if name.lower() in names else _NOTHING
            case query.Header(name, text):
                return query.Header(name.lower(), text.casefold())
            case query.Text(text):
                return query.Text(text.casefold())
            case query.Body(text):
                return query.Body(text.casefold())
        return inner

    names = {name.lower(): bit for bit, name in enumerate(folder.keywords)}
    return known(key)


def merged(ranges: query.Ranges, last: int) -> query.Ranges:
    """The same numbers in ascending ranges with gaps between them. STAR is `last`; nothing is in an empty mailbox."""
    out: list[tuple[int, int]] = []
    for low, high in sorted(tuple(sorted((first or last, end or last))) for first, end in ranges):
        if out and low <= out[-1][1] + 1:
            out[-1] = out[-1][0], max(high, out[-1][1])
        else:
            out.append((low, high))
    return tuple(out)


def within(number: int, ranges: query.Ranges) -> bool:
    """Is it in one of the merged ranges?"""
    at = bisect_right(ranges, (number, _LARGE)) - 1
    return at >= 0 and number <= ranges[at][1]


_LARGE = 1 << 63


def keys(key: query.Key) -> Iterator[query.Key]:
    """The key and all inside it."""
    yield key
    match key:
        case query.And(inner):
            for one in inner:
                yield from keys(one)
        case query.Or(left, right):
            yield from keys(left)
            yield from keys(right)
        case query.Not(one):
            yield from keys(one)


@dataclass(frozen=True, slots=True)
class Plan:
    """What answering takes. `row`: it asks for size or date; `body`: for more than the header; `page`: messages at a time."""

    row: bool
    body: bool
    page: int


def plan(key: query.Key) -> Plan:
    found = list(keys(key))
    return Plan(
        row=any(isinstance(one, query.Internal | query.Larger | query.Smaller) for one in found),
        body=any(isinstance(one, query.Text | query.Body) for one in found),
        page=max(1, min(PAGE, STEPS // len(found))),
    )


# --- one message -----------------------------------------------------------------------------------------------------


def matches(key: query.Key, message: Candidate) -> bool | None:
    """None: only the message's text can tell. The key is prepared."""
    match key:
        case query.Flag(bit):
            return bool(message.flags & bit)
        case query.And(inner):
            return _all(inner, message)
        case query.Not(one):
            found = matches(one, message)
            return None if found is None else not found
        case query.Or(left, right):
            return _either(matches(left, message), right, message)
        case query.Header() | query.Text() | query.Body() | query.Sent():
            return None if message.text is None else _in_text(key, message.text)
    return _in_index(key, message)


def _all(inner: Sequence[query.Key], message: Candidate) -> bool | None:
    answer: bool | None = True
    for one in inner:
        found = matches(one, message)
        if found is False:
            return False
        if found is None:
            answer = None
    return answer


def _either(first: bool | None, other: query.Key, message: Candidate) -> bool | None:
    if first:
        return True
    second = matches(other, message)
    return first if second is False else second


def _in_index(key: query.Key, message: Candidate) -> bool:
    row = message.row
    match key:
        case query.Recent():
            return message.recent
        case query.Numbers(ranges):
            return within(message.number, ranges)
        case query.Uids(ranges):
            return within(message.uid, ranges)
        case query.Internal(when, day) if row is not None:
            return _compare(when, datetime.datetime.fromtimestamp(row.date, datetime.UTC).date(), day)
        case query.Larger(size) if row is not None:
            return row.size > size
        case query.Smaller(size) if row is not None:
            return row.size < size
    return isinstance(key, query.All)


def _compare(when: query.When, found: datetime.date, day: datetime.date) -> bool:
    match when:
        case query.When.BEFORE:
            return found < day
        case query.When.SINCE:
            return found >= day
    return found == day


def _in_text(key: query.Key, text: Readable) -> bool:
    match key:
        case query.Header(name, wanted):
            return any(field == name and wanted in value for field, value in text.fields)
        case query.Text(wanted):
            return wanted in text.head or wanted in text.body
        case query.Body(wanted):
            return wanted in text.body
        case query.Sent(when, day):
            return text.sent is not None and _compare(when, text.sent, day)
    return False


# --- the text of a message -------------------------------------------------------------------------------------------


async def in_text(lane: HeavyLane, key: query.Key, message: Candidate, file: MessageFile, *, whole: bool) -> bool:
    """The answer that needs the message itself: `whole`, or its header alone."""
    read: Callable[[bytes], Readable] = read_whole if whole else read_header
    async with lane.room(file.size if whole else 0):
        data = await (file.read(0, file.size) if whole else _header(file))
        return await lane.call(_decide, key, message, read, data)


def _decide(key: query.Key, message: Candidate, read: Callable[[bytes], Readable], data: bytes) -> bool:
    return bool(matches(key, replace(message, text=read(data))))


async def _header(file: MessageFile) -> bytes:
    """The header and its blank line; all there is where no blank line is."""
    size = _FIRST
    while True:
        data = await file.read(0, size)
        end = headers.header_end(data)
        if end < len(data) or len(data) < size or size >= _HEADER:
            return data[:end]
        size *= 8


def read_header(header: bytes) -> Readable:
    """The searchable text of a header. Never raises."""
    fields = tuple(
        (name.decode("latin-1").lower(), headers.decode(value).casefold()) for name, value in headers.fields(header)
    )
    return Readable(fields, "\n".join([f"{name}: {value}" for name, value in fields]), "", _sent(header))


def read_whole(data: bytes) -> Readable:
    """The searchable text of a message. Never raises."""
    root = parts.parse(data)
    body = "".join(search_text.body(data, root)).casefold()
    return replace(read_header(data[root.start : root.body]), body=body)


def _sent(header: bytes) -> datetime.date | None:
    value = headers.first(header, b"date")
    try:
        return None if value is None else parsedate_to_datetime(value.decode("latin-1")).date()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
