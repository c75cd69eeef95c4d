"""Which messages of a view a query matches: index first, the message itself only where nothing else can tell."""

import asyncio
import datetime
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from mailhub.message import headers, parts, search_text
from mailhub.model import search as query
from mailhub.model.mailbox import KEYWORD_SHIFT, Folder, MessageRow

PAGE = 200  # messages between two pauses


@dataclass(frozen=True, slots=True)
class Readable:
    """A message as a search sees it, decoded and case-folded."""

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


@dataclass(frozen=True, slots=True)
class Scope:
    """What relative numbers and keywords mean in this view."""

    folder: Folder
    last_number: int
    last_uid: int


def needs_row(key: query.Key) -> bool:
    """Does it ask for size or date?"""
    return _any(key, (query.Internal, query.Larger, query.Smaller))


def _any(key: query.Key, kinds: tuple[type, ...]) -> bool:
    match key:
        case query.And(keys):
            return any(_any(inner, kinds) for inner in keys)
        case query.Or(left, right):
            return _any(left, kinds) or _any(right, kinds)
        case query.Not(inner):
            return _any(inner, kinds)
    return isinstance(key, kinds)


def matches(key: query.Key, message: Candidate, scope: Scope) -> bool | None:
    """None: only the message's text can tell."""
    match key:
        case query.And(keys):
            return _all([matches(inner, message, scope) for inner in keys])
        case query.Or(left, right):
            either = [matches(left, message, scope), matches(right, message, scope)]
            return True if True in either else None if None in either else False
        case query.Not(inner):
            found = matches(inner, message, scope)
            return None if found is None else not found
        case query.Header() | query.Text() | query.Body() | query.Sent():
            return None if message.text is None else _in_text(key, message.text)
    return _in_index(key, message, scope)


def _all(answers: Sequence[bool | None]) -> bool | None:
    return False if False in answers else None if None in answers else True


def _in_index(key: query.Key, message: Candidate, scope: Scope) -> bool:
    row = message.row
    match key:
        case query.Flag(bit):
            return bool(message.flags & bit)
        case query.Keyword(name):
            names = [known.lower() for known in scope.folder.keywords]
            lower = name.lower()
            return lower in names and bool(message.flags >> (KEYWORD_SHIFT + names.index(lower)) & 1)
        case query.Recent():
            return message.recent
        case query.Numbers(ranges):
            return within(message.number, ranges, scope.last_number)
        case query.Uids(ranges):
            return within(message.uid, ranges, scope.last_uid)
        case query.Internal(when, day) if row is not None:
            return _compare(when, datetime.datetime.fromtimestamp(row.date, datetime.UTC).date(), day)
        case query.Larger(size) if row is not None:
            return row.size > size
        case query.Smaller(size) if row is not None:
            return row.size < size
    return isinstance(key, query.All)


def within(number: int, ranges: query.Ranges, last: int) -> bool:
    """Is it in one of the ranges? STAR is `last`."""
    for first, end in ranges:
        low, high = sorted((first or last, end or last))
        if low <= number <= high:
            return True
    return False


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
            folded = wanted.casefold()
            return any(field == name.lower() and folded in value for field, value in text.fields)
        case query.Text(wanted):
            return wanted.casefold() in text.head or wanted.casefold() in text.body
        case query.Body(wanted):
            return wanted.casefold() in text.body
        case query.Sent(when, day):
            return text.sent is not None and _compare(when, text.sent, day)
    return False


def read(data: bytes) -> Readable:
    """The searchable text of a message. Never raises; runs in a thread."""
    root = parts.parse(data)
    found = headers.fields(data[root.start : root.body])
    fields = tuple((name.decode("latin-1").lower(), headers.decode(value).casefold()) for name, value in found)
    body = "".join(search_text.body(data, root)).casefold()
    head = "\n".join(f"{name}: {value}" for name, value in fields)
    return Readable(fields, head, body, _sent(data[root.start : root.body]))


def _sent(header: bytes) -> datetime.date | None:
    value = headers.first(header, b"date")
    try:
        return None if value is None else parsedate_to_datetime(value.decode("latin-1")).date()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


async def in_thread(pool: Executor, data: bytes) -> Readable:
    """`read` off the loop."""
    reader: Callable[[bytes], Readable] = read
    return await asyncio.get_running_loop().run_in_executor(pool, reader, data)
