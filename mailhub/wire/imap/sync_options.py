"""What CONDSTORE and QRESYNC add to SELECT, FETCH, STORE and SEARCH (RFC 7162 section 7): read from a command."""

import re

from mailhub.model.search import STAR, Ranges

from . import sequences
from .commands import Resync
from .lexer import Lexer

MODSEQ_MAX = (1 << 63) - 1
_ENTRY_TYPES = ("PRIV", "SHARED", "ALL")
_UNCHANGED = re.compile(rb"\(UNCHANGEDSINCE ", re.IGNORECASE)


def select_parameters(lexer: Lexer) -> tuple[bool, Resync | None]:
    """[SP "(" select-param *(SP select-param) ")"] (RFC 4466): whether CONDSTORE is among them, and QRESYNC's"""
    if not lexer.skip(b" ") or lexer.peek() == -1:
        return False, None
    condstore, resync = False, None
    lexer.expect(b"(")
    while True:
        name = lexer.keyword()
        if name == "CONDSTORE":
            condstore = True
        elif name == "QRESYNC":
            lexer.space()
            resync = _resync(lexer)
        else:
            lexer.fail("Unknown parameter")
        if not lexer.skip(b" "):
            break
    lexer.expect(b")")
    return condstore, resync


def _resync(lexer: Lexer) -> Resync:
    """ "(" uidvalidity SP mod-sequence-value [SP known-uids] [SP seq-match-data] ")" """
    lexer.expect(b"(")
    uidvalidity = lexer.nz_number()
    lexer.space()
    modseq = lexer.number(MODSEQ_MAX) or lexer.fail("Mod-sequence must not be zero")
    uids: Ranges | None = None
    match: tuple[Ranges, Ranges] | None = None
    if lexer.skip(b" ") and lexer.peek() != 0x28:
        uids = _known(lexer)
        lexer.skip(b" ")
    if lexer.skip(b"("):
        numbers = _known(lexer)
        lexer.space()
        match = numbers, _known(lexer)
        lexer.expect(b")")
    lexer.expect(b")")
    return Resync(uidvalidity, modseq, uids, match)


def _known(lexer: Lexer) -> Ranges:
    """known-sequence-set, known-uid-set = sequence-set ; "*" is not allowed, and order counts"""
    ranges = sequences.read(lexer)
    if any(STAR in pair or pair[0] > pair[1] for pair in ranges):
        lexer.fail("Known messages are told by ascending numbers")
    return ranges


def fetch_modifiers(lexer: Lexer) -> tuple[int | None, bool, tuple[int, int] | None]:
    """[SP "(" fetch-modifier *(SP fetch-modifier) ")"]: CHANGEDSINCE; whether VANISHED is among them; PARTIAL (RFC 9394)"""
    if not lexer.skip(b" ") or lexer.peek() == -1:
        return None, False, None
    since, vanished, partial = None, False, None
    lexer.expect(b"(")
    while True:
        name = lexer.keyword()
        if name == "CHANGEDSINCE":
            lexer.space()
            since = lexer.number(MODSEQ_MAX)
        elif name == "VANISHED":
            vanished = True
        elif name == "PARTIAL":
            lexer.space()
            partial = sequences.read_partial(lexer)
        else:
            lexer.fail("Unknown modifier")
        if not lexer.skip(b" "):
            break
    lexer.expect(b")")
    if vanished and since is None:
        lexer.fail("VANISHED goes with CHANGEDSINCE")
    return since, vanished, partial


def store_modifier(lexer: Lexer) -> int | None:
    """[ "(" "UNCHANGEDSINCE" SP mod-sequence-valzer ")" SP ]"""
    if lexer.peek() != 0x28:
        return None
    lexer.match(_UNCHANGED, "UNCHANGEDSINCE")
    since = lexer.number(MODSEQ_MAX)
    lexer.expect(b")")
    lexer.space()
    return since


def search_modseq(lexer: Lexer) -> int:
    """[entry-name SP entry-type-req SP] mod-sequence-valzer, behind "MODSEQ ": entries have no mod-sequences of their own here"""
    if lexer.peek() == 0x22:
        lexer.string()
        lexer.space()
        if lexer.keyword() not in _ENTRY_TYPES:
            lexer.fail("Expected priv, shared or all")
        lexer.space()
    return lexer.number(MODSEQ_MAX)
