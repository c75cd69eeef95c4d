"""doveadm-search-query(7): words of a command line to a tree, and to a search of IMAP for one folder.

Folders are keys of it (MAILBOX, MAILBOX-GUID): for one folder each such key is true or false, and what is left is asked of it.
"""

import fnmatch
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from msgspec import Struct

from . import Fatal

WRONG = 75  # the exit code of doveadm for a query that is none

_PLAIN = {
    "ALL", "ANSWERED", "DELETED", "DRAFT", "FLAGGED", "NEW", "OLD", "RECENT", "SEEN", "UNANSWERED", "UNDELETED", "UNDRAFT", "UNFLAGGED",
    "UNSEEN",
}  # fmt: skip
_TEXTS = {"BCC", "BODY", "CC", "FROM", "SUBJECT", "TEXT", "TO"}
_ATOMS = {"KEYWORD", "UNKEYWORD"}
_SIZES = {"LARGER", "SMALLER"}
_DATES = {
    f"{kind}{when}" for kind in ("", "SENT", "SAVED") for when in ("BEFORE", "ON", "SINCE")
}  # fmt: skip
_UNITS = {"": 1, "B": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_SPANS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_SEQUENCE = re.compile(
    r"(?:[1-9][0-9]{0,9}|\*)(?::(?:[1-9][0-9]{0,9}|\*))?(?:,(?:[1-9][0-9]{0,9}|\*)(?::(?:[1-9][0-9]{0,9}|\*))?)*"
)
_ATOM = re.compile(r'[^\x00-\x20(){%*"\\\x7f-\U0010ffff]+')
_DEPTH = 50


class Folder(Struct, frozen=True):
    """Messages of folders by that name, with "*" and "?" in it, or with that GUID."""

    mask: str
    guid: bool = False


class Leaf(Struct, frozen=True):
    """A key of IMAP, as it is sent."""

    text: str


class Join(Struct, frozen=True):
    """`word`: "AND" or "OR"."""

    word: str
    parts: "tuple[Query, ...]"


class Not(Struct, frozen=True):
    part: "Query"


Query = Folder | Leaf | Join | Not


def read(words: Sequence[str], now: float) -> Query:
    """Fatal where it is none."""
    reader = _Reader(list(words), now)
    found = reader.joined(0)
    if reader.words:
        raise Fatal(f"Unknown argument {reader.words[0]}", WRONG)
    return found


def folders(query: Query) -> Iterator[Folder]:
    """Those that it names."""
    match query:
        case Folder():
            yield query
        case Join(_, parts):
            for part in parts:
                yield from folders(part)
        case Not(part):
            yield from folders(part)


def bounded(query: Query) -> bool:
    """Whether each of its branches names a folder."""
    match query:
        case Folder():
            return True
        case Join(word, parts):
            return (any if word == "AND" else all)(map(bounded, parts))
    return False


def within(query: Query, name: str, guid: str) -> str | None:
    """What is to be asked of that folder; None where nothing in it is meant."""
    found = _simplified(query, name, guid)
    return None if found is False else "ALL" if found is True else found


def _simplified(query: Query, name: str, guid: str) -> str | bool:
    match query:
        case Folder(mask, by_guid):
            if by_guid:
                return mask == guid
            return name == "INBOX" if mask.upper() == "INBOX" else fnmatch.fnmatchcase(name, mask.replace("[", "[[]"))
        case Leaf(text):
            return text
        case Not(part):
            found = _simplified(part, name, guid)
            return not found if isinstance(found, bool) else f"NOT ({found})"
        case Join(word, parts):
            return _joined(word, [_simplified(part, name, guid) for part in parts])
    raise TypeError(query)


def _joined(word: str, found: list[str | bool]) -> str | bool:
    decides = word == "OR"  # the value that decides all
    if any(one is decides for one in found):
        return decides
    left = [one for one in found if isinstance(one, str)]
    if not left:
        return not decides
    if word == "AND":
        return " ".join(f"({one})" for one in left) if len(left) > 1 else left[0]
    text = left[-1]
    for one in reversed(left[:-1]):
        text = f"OR ({one}) ({text})"
    return text


class _Reader:
    def __init__(self, words: list[str], now: float) -> None:
        self.words, self._now = words, now

    def _next(self, key: str) -> str:
        if not self.words:
            raise Fatal(f"Missing parameter for argument {key}", WRONG)
        return self.words.pop(0)

    def joined(self, depth: int) -> Query:
        """Keys up to the end or a closing parenthesis: all joined by AND, or all by OR."""
        if depth > _DEPTH:
            raise Fatal("Too many levels of parentheses", WRONG)
        if not self.words:
            raise Fatal("Missing search query", WRONG)
        parts, kind = [self.key(depth)], ""
        while self.words and self.words[0] != ")":
            word = self.words[0].upper()
            if word in ("AND", "OR"):
                self.words.pop(0)
            else:
                word = "AND"
            if kind and kind != word:
                raise Fatal("Use parenthesis when mixing ANDs and ORs", WRONG)
            kind = word
            parts.append(self.key(depth))
        return parts[0] if len(parts) == 1 else Join(kind, tuple(parts))

    def key(self, depth: int) -> Query:
        word = self._next("AND")
        key = word.upper()
        if word == "(":
            found = self.joined(depth + 1)
            if self._next("(") != ")":
                raise Fatal("Missing closing parenthesis", WRONG)
            return found
        if key == "NOT":
            if depth > _DEPTH:
                raise Fatal("Too many levels of NOT", WRONG)
            return Not(self.key(depth + 1))
        if key in ("MAILBOX", "MAILBOX-GUID"):
            return Folder(self._next(key), key != "MAILBOX")
        return Leaf(self._leaf(word, key))

    def _leaf(self, word: str, key: str) -> str:
        if key in _PLAIN:
            return key
        if key in _TEXTS:
            return f"{key} {_quoted(self._next(key))}"
        if key == "HEADER":
            return f"HEADER {_quoted(self._next(key))} {_quoted(self._next(key))}"
        if key in _ATOMS:
            return f"{key} {_matching(_ATOM, self._next(key), key)}"
        if key == "UID":
            return f"UID {_matching(_SEQUENCE, self._next(key), key)}"
        if key in _SIZES:
            return f"{key} {_size(self._next(key))}"
        if key in _DATES:
            return _dated(key, self._next(key), self._now)
        if _SEQUENCE.fullmatch(word):
            return word
        raise Fatal(f"Unknown argument {key}", WRONG)


def _quoted(text: str) -> str:
    if any(char in "\r\n\0" for char in text):
        raise Fatal("a text to look for has one line", WRONG)
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _matching(pattern: "re.Pattern[str]", text: str, key: str) -> str:
    if not pattern.fullmatch(text):
        raise Fatal(f"Invalid parameter for argument {key}: {text}", WRONG)
    return text


def _size(text: str) -> int:
    found = re.fullmatch(r"([0-9]{1,15})\s*([BKMGT]?)B?", text.upper())
    if found is None:
        raise Fatal(f"Invalid size: {text}", WRONG)
    return int(found[1]) * _UNITS[found[2]]


def _dated(key: str, text: str, now: float) -> str:
    """A day (2007-07-20, 20-Jul-2007), seconds since 1970, or a time that has passed: 2d, 1w, 90 mins."""
    span = re.fullmatch(r"([0-9]{1,9})\s*(s|m|h|d|w)[a-z]*", text.lower())
    seconds = (
        int(span[1]) * _SPANS[span[2]] if span else int(now) - int(text) if re.fullmatch(r"[0-9]{9,11}", text) else None
    )
    if seconds is not None:
        if key in ("BEFORE", "SINCE") and seconds > 0:
            return f"{'OLDER' if key == 'BEFORE' else 'YOUNGER'} {seconds}"
        return f"{key} {datetime.fromtimestamp(now - seconds, UTC):%-d-%b-%Y}"
    for pattern in ("%Y-%m-%d", "%d-%b-%Y"):
        try:
            return f"{key} {datetime.strptime(text, pattern):%-d-%b-%Y}"
        except ValueError:
            continue
    raise Fatal(f"Invalid search date parameter: {text}", WRONG)
