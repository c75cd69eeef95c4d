"""The messages of APPEND and REPLACE (RFC 3502, RFC 4469, RFC 6855, RFC 8508), stretch by stretch: a stretch of the command
ends where a literal is announced, or with the command. What a literal holds is read by who carries the command out.
"""

from enum import Enum

from msgspec import Struct

from .arguments import flag_list
from .dates import read_date_time
from .lexer import END, Lexer


class Expected(Enum):
    """What may stand where a stretch begins."""

    MESSAGE = 0  # another message, or the end
    PART = 1  # inside CATENATE
    CLOSE = 2  # behind the literal of UTF8


class Begin(Struct, frozen=True):
    """A message begins. `date`: seconds since 1970."""

    flags: tuple[str, ...]
    date: int | None


class Whole(Struct, frozen=True):
    """The literal that follows is the message."""


class Text(Struct, frozen=True):
    """The literal that follows is a part of the message."""


class Url(Struct, frozen=True):
    """The part that this URL names; None: the literal that follows is the URL."""

    url: bytes | None


class Finish(Struct, frozen=True):
    """The message of a CATENATE is complete."""


Piece = Begin | Whole | Text | Url | Finish


class Stretch(Struct, frozen=True):
    """What a stretch of the command says, and what is expected in the next."""

    pieces: tuple[Piece, ...] = ()
    expected: Expected = Expected.MESSAGE


def read(lexer: Lexer, expected: Expected, *, literal: bool) -> Stretch:
    """append-message = [SP flag-list] [SP date-time] SP append-data, again and again; `literal`: one follows the stretch

    append-data = literal / literal8 / "UTF8" SP "(" literal8 ")" / "CATENATE" SP "(" cat-part *(SP cat-part) ")"
    """
    pieces: list[Piece] = []
    while True:
        if expected is Expected.CLOSE:
            lexer.expect(b")")
            expected = Expected.MESSAGE
        elif expected is Expected.PART:
            if lexer.skip(b")"):
                pieces.append(Finish())
                expected = Expected.MESSAGE
                continue
            lexer.skip(b" ")
            piece = _part(lexer, literal=literal)
            pieces.append(piece)
            if isinstance(piece, Text) or piece.url is None:
                return Stretch(tuple(pieces), expected)
        else:
            lexer.skip(b" ")
            if lexer.peek() == END and not literal:
                return Stretch(tuple(pieces))
            pieces.append(_begin(lexer))
            if lexer.peek() == END and literal:
                return Stretch((*pieces, Whole()))
            word = lexer.keyword() if lexer.peek() != END else lexer.fail("A message is a literal")
            if word not in ("UTF8", "CATENATE"):
                lexer.fail("Expected the literal of a message")
            lexer.space()
            lexer.expect(b"(")
            expected = Expected.PART
            if word == "UTF8":
                if lexer.peek() != END or not literal:
                    lexer.fail("Expected the literal of a message")
                return Stretch((*pieces, Whole()), Expected.CLOSE)


def _begin(lexer: Lexer) -> Begin:
    flags: tuple[str, ...] = ()
    date = None
    if lexer.peek() == 0x28:
        flags = flag_list(lexer)
        lexer.space()
    if lexer.peek() == 0x22:
        date = read_date_time(lexer)
        lexer.space()
    return Begin(flags, date)


def _part(lexer: Lexer, *, literal: bool) -> Text | Url:
    """cat-part = "TEXT" SP literal / "URL" SP astring"""
    word = lexer.keyword()
    lexer.space()
    last = lexer.peek() == END and literal
    if word == "TEXT" and last:
        return Text()
    if word != "URL":
        lexer.fail("Expected TEXT with a literal, or URL")
    return Url(None if last else lexer.astring())
