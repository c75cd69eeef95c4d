"""The orders of SORT (RFC 5256 section 3, RFC 5957), from rows of the index alone."""

from collections.abc import Callable, Mapping, Sequence

from mailhub.message import envelope
from mailhub.message.collation import casemap
from mailhub.message.envelope import Envelope
from mailhub.message.subjects import base_subject
from mailhub.model.mailbox import MessageRow
from mailhub.model.sorting import By, Criterion

Value = int | str
_KEYS: Mapping[By, Callable[[MessageRow, Envelope], Value]] = {
    By.ARRIVAL: lambda row, _: row.date,
    By.CC: lambda _, found: casemap(envelope.first_mailbox(found.cc)),
    By.DATE: lambda row, found: sent(row, found),
    By.DISPLAYFROM: lambda _, found: casemap(envelope.display(found.origin)),
    By.DISPLAYTO: lambda _, found: casemap(envelope.display(found.to)),
    By.FROM: lambda _, found: casemap(envelope.first_mailbox(found.origin)),
    By.SIZE: lambda row, _: row.size,
    By.SUBJECT: lambda _, found: casemap(base_subject(envelope.text(found.subject))[0]),
    By.TO: lambda _, found: casemap(envelope.first_mailbox(found.to)),
}
_NO_ENVELOPE = frozenset({By.ARRIVAL, By.SIZE})
_NOTHING = Envelope()


def sent(row: MessageRow, found: Envelope) -> int:
    """The sent date: the Date: field, or else INTERNALDATE (RFC 5256 section 2.2)."""
    moment = envelope.sent_moment(found.date)
    return row.date if moment is None else moment


def needs_envelope(criteria: Sequence[Criterion]) -> bool:
    return any(criterion.by not in _NO_ENVELOPE for criterion in criteria)


def values(row: MessageRow, criteria: Sequence[Criterion]) -> tuple[Value, ...]:
    """What a message is compared by, criterion by criterion."""
    found = envelope.parse(row.envelope, 1) if row.envelope else _NOTHING
    return tuple([_KEYS[criterion.by](row, found) for criterion in criteria])


def valued(rows: Sequence[MessageRow], criteria: Sequence[Criterion]) -> list[tuple[int, tuple[Value, ...]]]:
    """The same of many, each behind its UID."""
    return [(row.uid, values(row, criteria)) for row in rows]


def ordered(messages: Sequence[tuple[int, tuple[Value, ...]]], criteria: Sequence[Criterion]) -> list[int]:
    """The UIDs of (UID, values), which come in the order of the mailbox; equals keep it."""
    found = list(messages)
    for place, criterion in reversed(list(enumerate(criteria))):
        found.sort(key=lambda message, place=place: message[1][place], reverse=criterion.descending)  # type: ignore[misc]
    return [uid for uid, _ in found]
