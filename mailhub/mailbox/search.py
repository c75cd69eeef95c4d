"""What a query says of one message: first by what the view knows, then by its row in the index, then by its text.

A query is prepared once for a view. Each step answers True, False, or None: only the next step can tell.
"""

import calendar
import datetime
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence

from msgspec import Struct

from mailhub.message import envelope, structure
from mailhub.model import search as query
from mailhub.model.mailbox import KEYWORD_SHIFT, Folder, MessageRow
from mailhub.store.api import Measure, Needle, in_field

from .readable import Readable, folded
from .resync import runs

SIFTED = (
    8_000  # keys asked of the view between two pauses; 10 ms at the worst, where each message is a range of its own
)
STEPS = 20_000  # keys asked between two pauses; some 10 ms
PAGE = 200  # messages between two pauses, at most
MEASURES = 8  # keys that the index is asked of the whole folder
ENVELOPES = 50  # of them, where each one's envelope is read: a millisecond or so
_LARGE = 1 << 63
_FAR = 1 << 62
_DAY = 86_400
_NOTHING = query.Not(query.All())
_NAMES: Mapping[str, Callable[[envelope.Envelope], str]] = {
    "BCC": lambda found: envelope.addresses_text(found.bcc),
    "CC": lambda found: envelope.addresses_text(found.cc),
    "FROM": lambda found: envelope.addresses_text(found.origin),
    "SUBJECT": lambda found: envelope.text(found.subject),
    "TO": lambda found: envelope.addresses_text(found.to),
}


class Candidate:
    """A message of the view. `row` and `text` are None until they are needed; `hits`: where each needle was found by the
    full-text index, None where that does not know the message."""

    __slots__ = ("_envelope", "_fields", "flags", "hits", "recent", "row", "text", "uid")

    def __init__(self, uid: int, flags: int, recent: bool) -> None:
        self.uid, self.flags, self.recent = uid, flags, recent
        self.row: MessageRow | None = None
        self.text: Readable | None = None
        self.hits: Mapping[Needle, frozenset[int]] | None = None
        self._envelope: envelope.Envelope | None = None
        self._fields: dict[str, str] = {}

    def envelope(self, row: MessageRow) -> envelope.Envelope:
        if self._envelope is None:
            self._envelope = envelope.parse(row.envelope)
        return self._envelope

    def field(self, name: str, row: MessageRow) -> str:
        """The folded text of a field of the envelope."""
        found = self._fields.get(name)
        if found is None:
            found = self._fields[name] = folded(_NAMES[name](self.envelope(row)))
        return found


# --- before the search -----------------------------------------------------------------------------------------------


class Moment(Struct, frozen=True):
    """What a query is asked of: the view's folder and messages, the time, and what the last search saved (RFC 5182)."""

    folder: Folder
    uids: Sequence[int]
    modseqs: Sequence[int]
    now: float
    saved: query.Ranges = ()


def pinned(key: query.Key, at: Moment) -> query.Key:
    """The query with UIDs in place of message numbers and of what was saved: it means the same later on."""

    def leaf(inner: query.Key) -> query.Key:
        match inner:
            case query.Numbers(query.SAVED) | query.Uids(query.SAVED):
                return query.Uids(at.saved)
            case query.Numbers(ranges):
                return query.Uids(numbered(ranges, at.uids))
        return inner

    return _mapped(key, leaf)


def prepared(key: query.Key, at: Moment) -> query.Key:
    """The pinned query as this view understands it: ranges ascend and do not overlap, keywords are bits, ages are moments,
    mod-sequences are UIDs, text is folded."""
    names = {name.lower(): bit for bit, name in enumerate(at.folder.keywords)}

    def leaf(inner: query.Key) -> query.Key:
        match inner:
            case query.Uids(ranges):
                return query.Uids(merged(ranges, at.uids[-1] if at.uids else 0))
            case query.Keyword(name):
                return query.Flag(1 << KEYWORD_SHIFT + names[name.lower()]) if name.lower() in names else _NOTHING
            case query.ModSeq(least):
                pairs = zip(at.uids, at.modseqs, strict=True)
                return query.Uids(runs(uid for uid, modseq in pairs if modseq >= least))
            case query.Age(when, seconds):
                return query.Arrived(when, int(at.now) - seconds)
            case query.Internal(when, day):
                return _arrived(when, day)
            case query.Envelope(name, text):
                return query.Envelope(name, folded(text))
            case query.Header(name, text):
                return query.Header(folded(name), folded(text))
            case query.Text(text):
                return query.Text(folded(text)) if text else query.All()
            case query.Body(text):
                return query.Body(folded(text)) if text else query.All()
        return inner

    return _mapped(pinned(key, at), leaf)


def _arrived(when: query.When, day: datetime.date) -> query.Key:
    """A day of UTC as moments, which are quicker to compare."""
    first = calendar.timegm(day.timetuple())
    before, since = query.Arrived(query.When.BEFORE, first - 1), query.Arrived(query.When.SINCE, first)
    match when:
        case query.When.BEFORE:
            return before
        case query.When.SINCE:
            return since
    return query.And((since, query.Arrived(query.When.BEFORE, first + _DAY - 1)))


def _mapped(key: query.Key, leaf: Callable[[query.Key], query.Key]) -> query.Key:
    match key:
        case query.And(inner):
            return query.And(tuple([_mapped(one, leaf) for one in inner]))
        case query.Or(left, right):
            return query.Or(_mapped(left, leaf), _mapped(right, leaf))
        case query.Not(one):
            return query.Not(_mapped(one, leaf))
    return leaf(key)


def merged(ranges: Sequence[tuple[int, int]], last: int) -> query.Ranges:
    """The same numbers in ascending ranges with gaps between them. STAR is `last`; nothing is in an empty mailbox."""
    out: list[tuple[int, int]] = []
    for low, high in sorted(tuple(sorted((first or last, end or last))) for first, end in ranges):
        if out and low <= out[-1][1] + 1:
            out[-1] = out[-1][0], max(high, out[-1][1])
        else:
            out.append((low, high))
    return tuple(out)


def numbered(ranges: query.Ranges, uids: Sequence[int]) -> query.Ranges:
    """The UIDs of those message numbers; numbers that are not there are left out."""
    last = len(uids)
    return tuple([(uids[low - 1], uids[min(high, last) - 1]) for low, high in merged(ranges, last) if 0 < low <= last])


def within(number: int, ranges: query.Ranges) -> bool:
    """Is it in one of the merged ranges?"""
    at = bisect_right(ranges, (number, _LARGE)) - 1
    return at >= 0 and number <= ranges[at][1]


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


def needle(key: query.Key) -> Needle | None:
    """What the full-text index is asked for this key; None for a key that is not about text."""
    match key:
        case query.Text(text):
            return Needle("any", text)
        case query.Body(text):
            return Needle("body", text)
        case query.Header(name, text):
            return Needle("head", text, name)
        case query.ThreadId(thread):
            return Needle("thread", thread)
    return None


Measured = query.Arrived | query.Larger | query.Smaller


class Plan(Struct, frozen=True):
    """What answering takes. `row`: the index; `rendered`: with the envelope; `body`: more than the header of the file;
    `measured`: keys (Measured, or an Envelope with one word) that the index can be asked of the whole folder; `needles`: what the full-text index can tell; `sift`:
    messages at a time of which the view knows all; `page`: others; `pause`: rows between two turns of the loop."""

    row: bool
    rendered: bool
    body: bool
    measured: tuple[query.Key, ...]
    needles: tuple[Needle, ...]
    sift: int
    page: int
    pause: int


def plan(key: query.Key) -> Plan:
    found = list(keys(key))
    measured = tuple(dict.fromkeys([one for one in found if isinstance(one, Measured) or _is_word(one)]))
    rendered = any(isinstance(one, query.Envelope | query.Sent | query.Attachment) for one in found)
    return Plan(
        row=rendered or any(isinstance(one, Measured | query.Saved | query.EmailId) for one in found),
        rendered=rendered,
        body=any(isinstance(one, query.Text | query.Body) for one in found),
        measured=measured if len(measured) <= MEASURES else (),
        needles=tuple(dict.fromkeys([asked for one in found if (asked := needle(one)) is not None])),
        sift=max(1, SIFTED // len(found)),
        page=max(1, min(PAGE, STEPS // len(found))),
        pause=max(1, min(ENVELOPES if rendered else PAGE, STEPS // len(found))),
    )


def _is_word(key: query.Key) -> bool:
    return isinstance(key, query.Envelope) and envelope.is_plain_word(key.text)


def measure(key: Measured) -> tuple[Measure, int, int]:
    """What the index is asked: column, lowest and highest value."""
    match key:
        case query.Arrived(query.When.SINCE, moment):
            return "date", moment, _FAR
        case query.Arrived(_, moment):
            return "date", -_FAR, moment
        case query.Larger(size):
            return "size", min(size + 1, _FAR), _FAR
        case query.Smaller(size):
            return "size", 0, min(size - 1, _FAR)


def with_picked(key: query.Key, found: Mapping[query.Key, Sequence[int]]) -> query.Key:
    """The query with what the index said in place of what it was asked; or, of words, beside it."""

    def leaf(inner: query.Key) -> query.Key:
        if inner not in found:
            return inner
        picked = query.Picked(found[inner])
        return query.And((picked, inner)) if isinstance(inner, query.Envelope) else picked

    return _mapped(key, leaf)


# --- one message -----------------------------------------------------------------------------------------------------


def matches(key: query.Key, message: Candidate) -> bool | None:
    """None: what is there of the message can not tell. The key is prepared."""
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
        case query.All():
            return True
        case query.Recent():
            return message.recent
        case query.Uids(ranges):
            return within(message.uid, ranges)
        case query.Picked(uids):
            at = bisect_left(uids, message.uid)
            return at < len(uids) and uids[at] == message.uid
    asked = needle(key)
    if asked is not None:
        return _in_text(asked, message)
    return None if message.row is None else _in_row(key, message, message.row)


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


def _in_row(key: query.Key, message: Candidate, row: MessageRow) -> bool:
    match key:
        case query.Arrived(query.When.SINCE, moment):
            return row.date >= moment
        case query.Arrived(_, moment):
            return row.date <= moment
        case query.Saved(when, day):
            saved = row.date if row.saved is None else row.saved
            return _compare(when, datetime.datetime.fromtimestamp(saved, datetime.UTC).date(), day)
        case query.EmailId(email):
            return row.email_id == email
        case query.Larger(size):
            return row.size > size
        case query.Smaller(size):
            return row.size < size
        case query.Attachment():
            return structure.has_attachment(row.structure)
        case query.Envelope(name, text):
            return envelope.may_stand(text, row.envelope) and text in message.field(name, row)
        case query.Sent(when, day):
            found = envelope.sent_day(message.envelope(row).date)
            return found is not None and _compare(when, found, day)
    return False


def _compare(when: query.When, found: datetime.date, day: datetime.date) -> bool:
    match when:
        case query.When.BEFORE:
            return found < day
        case query.When.SINCE:
            return found >= day
    return found == day


def _in_text(asked: Needle, message: Candidate) -> bool | None:
    if message.hits is not None:
        return message.uid in message.hits[asked]
    text = message.text
    if text is None:
        return None
    if asked.where == "thread":
        return text.thread == asked.text
    if asked.where == "head":
        return in_field(text.head, asked.field, asked.text)
    return asked.text in text.body or (asked.where == "any" and asked.text in text.head)
