"""SEARCH's keys (RFC 3501 section 6.4.4; OLDER and YOUNGER: RFC 5032; SAVEDBEFORE and the like: RFC 8514;
EMAILID and THREADID: RFC 8474) to the query of `model.search`."""

from collections.abc import Callable

from mailhub.model import mailbox, search
from mailhub.model.search import Key, When

from . import sequences, sync_options
from .dates import read_date
from .lexer import BadSyntax, Lexer

DEPTH = 50  # of parentheses, NOT and OR
MAX_KEYS = 10_000  # in one command
NUMBER64_MAX = (1 << 63) - 1


_FLAGS: dict[str, Key] = {
    "ALL": search.All(),
    "ANSWERED": search.Flag(mailbox.ANSWERED),
    "DELETED": search.Flag(mailbox.DELETED),
    "DRAFT": search.Flag(mailbox.DRAFT),
    "FLAGGED": search.Flag(mailbox.FLAGGED),
    "SEEN": search.Flag(mailbox.SEEN),
    "UNANSWERED": search.Not(search.Flag(mailbox.ANSWERED)),
    "UNDELETED": search.Not(search.Flag(mailbox.DELETED)),
    "UNDRAFT": search.Not(search.Flag(mailbox.DRAFT)),
    "UNFLAGGED": search.Not(search.Flag(mailbox.FLAGGED)),
    "UNSEEN": search.Not(search.Flag(mailbox.SEEN)),
    "RECENT": search.Recent(),
    "OLD": search.Not(search.Recent()),
    "SAVEDATESUPPORTED": search.All(),
    "NEW": search.And((search.Recent(), search.Not(search.Flag(mailbox.SEEN)))),
}
_DATES: dict[str, tuple[type[search.Internal] | type[search.Saved] | type[search.Sent], When]] = {
    "BEFORE": (search.Internal, When.BEFORE),
    "ON": (search.Internal, When.ON),
    "SINCE": (search.Internal, When.SINCE),
    "SAVEDBEFORE": (search.Saved, When.BEFORE),
    "SAVEDON": (search.Saved, When.ON),
    "SAVEDSINCE": (search.Saved, When.SINCE),
    "SENTBEFORE": (search.Sent, When.BEFORE),
    "SENTON": (search.Sent, When.ON),
    "SENTSINCE": (search.Sent, When.SINCE),
}
_FIELDS = ("BCC", "CC", "FROM", "SUBJECT", "TO")
_SIZES: dict[str, Callable[[int], Key]] = {"LARGER": search.Larger, "SMALLER": search.Smaller}
_TEXTS: dict[str, Callable[[str], Key]] = {"BODY": search.Body, "TEXT": search.Text}
_IDS: dict[str, Callable[[str], Key]] = {"EMAILID": search.EmailId, "THREADID": search.ThreadId}
_KEYWORDS = ("KEYWORD", "UNKEYWORD")
_AGES = {"OLDER": When.BEFORE, "YOUNGER": When.SINCE}
_SEQUENCE = frozenset(b"0123456789*$")


def read(lexer: Lexer, codec: str | None) -> Key | None:
    """search-key *(SP search-key), its text in that codec; where it is None the keys are passed over."""
    key = _Keys(lexer, codec or "latin-1").program(0)
    return None if codec is None else key


class _Keys:
    """Reads keys; `left` bounds how many one command may have."""

    def __init__(self, lexer: Lexer, codec: str) -> None:
        self._lexer, self._codec, self._left = lexer, codec, MAX_KEYS

    def program(self, depth: int) -> Key:
        keys = [self.key(depth)]
        while self._lexer.skip(b" "):
            if self._lexer.peek() in (-1, 0x29):
                break
            keys.append(self.key(depth))
        return keys[0] if len(keys) == 1 else search.And(tuple(keys))

    def key(self, depth: int) -> Key:
        lexer = self._lexer
        self._left -= 1
        if depth > DEPTH:
            raise BadSyntax(f"Search nested deeper than {DEPTH}")
        if self._left < 0:
            raise BadSyntax(f"Search of more than {MAX_KEYS} keys")
        if lexer.skip(b"("):
            inner = self.program(depth + 1)
            lexer.expect(b")")
            return inner
        if lexer.peek() in _SEQUENCE:
            return search.Numbers(sequences.read(lexer))
        return self._named(lexer.keyword(), depth)

    def _named(self, name: str, depth: int) -> Key:
        if name in _FLAGS:
            return _FLAGS[name]
        if name not in _ARGUMENTS:
            raise BadSyntax("Unknown search key")
        lexer = self._lexer
        lexer.space()
        if name == "NOT":
            return search.Not(self.key(depth + 1))
        if name == "OR":
            left = self.key(depth + 1)
            lexer.space()
            return search.Or(left, self.key(depth + 1))
        if name == "MODSEQ":
            return search.ModSeq(sync_options.search_modseq(lexer))
        if name == "UID":
            return search.Uids(sequences.read(lexer))
        if name in _DATES:
            make, when = _DATES[name]
            return make(when, read_date(lexer))
        if name in _AGES:
            return search.Age(_AGES[name], lexer.nz_number())
        if name in _SIZES:
            return _SIZES[name](lexer.number(NUMBER64_MAX))
        if name in _KEYWORDS:
            keyword = search.Keyword(lexer.atom().decode("ascii"))
            return keyword if name == "KEYWORD" else search.Not(keyword)
        if name in _IDS:
            return _IDS[name](lexer.atom().decode("ascii"))
        if name in _TEXTS:
            return _TEXTS[name](self._text())
        if name == "HEADER":
            field = lexer.astring().decode("ascii", "replace")
            lexer.space()
            return search.Header(field, self._text())
        return search.Envelope(name, self._text())

    def _text(self) -> str:
        raw = self._lexer.astring()
        try:
            return raw.decode(self._codec)
        except UnicodeError as error:
            raise BadSyntax("Search text is not in its charset") from error


_ARGUMENTS = frozenset(
    {"NOT", "OR", "UID", "MODSEQ", "HEADER", *_DATES, *_AGES, *_SIZES, *_KEYWORDS, *_IDS, *_TEXTS, *_FIELDS}
)
