"""A search as people type it: words, and `from:ann subject:"two words" has:attachment before:2026-01-31 -is:read`. Pure."""

import datetime
import re
from collections.abc import Callable, Mapping

from mailhub.model import search as query
from mailhub.model.mailbox import ANSWERED, DRAFT, FLAGGED, SEEN

LONGEST, MOST = 1_000, 50  # characters; terms
_TERM = re.compile(r'(-?)(?:([a-z_]+):)?(?:"([^"]*)"?|([^\s"]+))|\S', re.IGNORECASE)
_SIZE = re.compile(r"([0-9]{1,12})([km]?)b?", re.IGNORECASE)
_AGE = re.compile(r"([0-9]{1,5})([dwmy])", re.IGNORECASE)
_DAY = 86_400
_UNITS = {"d": _DAY, "w": 7 * _DAY, "m": 30 * _DAY, "y": 365 * _DAY}
_FACTORS = {"": 1, "k": 1_024, "m": 1_048_576}
_STATES: Mapping[str, query.Key] = {
    "unread": query.Not(query.Flag(SEEN)),
    "read": query.Flag(SEEN),
    "starred": query.Flag(FLAGGED),
    "flagged": query.Flag(FLAGGED),
    "answered": query.Flag(ANSWERED),
    "draft": query.Flag(DRAFT),
}


def key(text: str) -> query.Key:
    """All terms have to match; `OR` between two joins them. ValueError says which term is none."""
    if len(text) > LONGEST:
        raise ValueError(f"a search of more than {LONGEST} characters")
    groups: list[list[query.Key]] = []
    joins = False
    for count, found in enumerate(_TERM.finditer(text)):
        if count >= MOST:
            raise ValueError(f"a search of more than {MOST} terms")
        if found[0] == "OR" and groups:
            joins = True
            continue
        one = _term(*found.groups(), whole=found[0])
        if joins:
            groups[-1].append(one)
        else:
            groups.append([one])
        joins = False
    return query.And(tuple([_either(group) for group in groups])) if groups else query.All()


def _either(keys: list[query.Key]) -> query.Key:
    found = keys[0]
    for one in keys[1:]:
        found = query.Or(found, one)
    return found


def _term(minus: str | None, name: str | None, quoted: str | None, word: str | None, *, whole: str) -> query.Key:
    value = quoted if quoted is not None else word or ""
    made = _OPERATORS.get((name or "").lower())
    if made is None:  # a word that has a colon in it
        found: query.Key = query.Text(whole.removeprefix("-") if name else value or whole)
    else:
        found = made(value)
    return query.Not(found) if minus else found


def _state(value: str) -> query.Key:
    found = _STATES.get(value.lower())
    if found is None:
        raise ValueError(f"is:{value}: one of {', '.join(_STATES)}")
    return found


def _has(value: str) -> query.Key:
    if value.lower() not in ("attachment", "attachments"):
        raise ValueError(f"has:{value}: has:attachment is what there is")
    return query.Attachment()


def _day(when: query.When) -> Callable[[str], query.Key]:
    def made(value: str) -> query.Key:
        try:
            return query.Internal(when, datetime.date.fromisoformat(value.replace("/", "-").replace(".", "-")))
        except ValueError:
            raise ValueError(f"{value!r} is no day: 2026-01-31") from None

    return made


def _age(when: query.When) -> Callable[[str], query.Key]:
    def made(value: str) -> query.Key:
        found = _AGE.fullmatch(value)
        if found is None:
            raise ValueError(f"{value!r} is no age: 7d, 2w, 3m, 1y")
        return query.Age(when, int(found[1]) * _UNITS[found[2].lower()])

    return made


def _size(kind: type[query.Larger | query.Smaller]) -> Callable[[str], query.Key]:
    def made(value: str) -> query.Key:
        found = _SIZE.fullmatch(value)
        if found is None:
            raise ValueError(f"{value!r} is no size: 500k, 10M")
        return kind(int(found[1]) * _FACTORS[found[2].lower()])

    return made


def _field(name: str) -> Callable[[str], query.Key]:
    return lambda value: query.Envelope(name, value)


_OPERATORS: Mapping[str, Callable[[str], query.Key]] = {
    "from": _field("FROM"),
    "to": _field("TO"),
    "cc": _field("CC"),
    "bcc": _field("BCC"),
    "subject": _field("SUBJECT"),
    "body": query.Body,
    "list": lambda value: query.Header("list-id", value),
    "id": lambda value: query.Header("message-id", value),
    "label": query.Keyword,
    "is": _state,
    "has": _has,
    "before": _day(query.When.BEFORE),
    "after": _day(query.When.SINCE),
    "since": _day(query.When.SINCE),
    "on": _day(query.When.ON),
    "older_than": _age(query.When.BEFORE),
    "newer_than": _age(query.When.SINCE),
    "larger": _size(query.Larger),
    "smaller": _size(query.Smaller),
}
