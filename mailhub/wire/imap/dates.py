"""Dates of IMAP: `1-Feb-1994` in SEARCH, `" 1-Feb-1994 21:52:25 -0700"` in APPEND and INTERNALDATE."""

import datetime
import re

from .lexer import Lexer

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_NAMES = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DATE = re.compile(rb'("?)([0-9]{1,2})-([A-Za-z]{3})-([0-9]{4})("?)')
_DATE_TIME = re.compile(
    rb'"([ 0-9][0-9])-([A-Za-z]{3})-([0-9]{4}) ([0-9]{2}):([0-9]{2}):([0-9]{2}) ([+-])([0-9]{2})([0-9]{2})"'
)
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


def read_date(lexer: Lexer) -> datetime.date:
    """date = date-text / DQUOTE date-text DQUOTE"""
    found = lexer.match(_DATE, "a date")
    if found[1] != found[5]:
        lexer.fail("Unbalanced quotes around a date")
    try:
        return datetime.date(int(found[4]), _month(found[3]), int(found[2]))
    except ValueError:
        lexer.fail("No such day")


def read_date_time(lexer: Lexer) -> int:
    """date-time as seconds since 1970; what lies before is 0."""
    found = lexer.match(_DATE_TIME, "a date and time")
    year, hour, minute, second = int(found[3]), int(found[4]), int(found[5]), int(found[6])
    offset = (int(found[8]) * 60 + int(found[9])) * 60 * (-1 if found[7] == b"-" else 1)
    try:
        local = datetime.datetime(
            year, _month(found[2]), int(found[1]), hour, minute, min(second, 59), tzinfo=datetime.UTC
        )
    except ValueError:
        lexer.fail("No such time")
    return max(0, int((local - _EPOCH).total_seconds()) + second - min(second, 59) - offset)


def _month(text: bytes) -> int:
    return _MONTHS.index(text.decode("ascii").lower()) + 1


def date_time(seconds: int) -> bytes:
    """INTERNALDATE in UTC, with its quotes; times no calendar holds become the nearest it does."""
    at = _EPOCH + datetime.timedelta(seconds=max(0, min(seconds, 253_402_300_799)))
    return b'"%02d-%b-%04d %02d:%02d:%02d +0000"' % (
        at.day,
        _NAMES[at.month - 1].encode("ascii"),
        at.year,
        at.hour,
        at.minute,
        at.second,
    )
