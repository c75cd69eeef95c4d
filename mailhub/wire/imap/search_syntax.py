"""The syntax of SEARCH, SORT, THREAD, ESEARCH and CANCELUPDATE, but for their keys."""

import re
from collections.abc import Callable

from mailhub.model import charsets
from mailhub.model.sorting import Algorithm, By, Criterion

from . import fetch_items, search_keys, sequences
from .arguments import mailbox
from .fetch_items import Item
from .lexer import END, Lexer
from .search_commands import CancelUpdate, Esearch, Program, Returns, Search, Sort, Source, Thread

OPTIONS = frozenset({"MIN", "MAX", "ALL", "COUNT", "SAVE", "UPDATE", "CONTEXT"})
MAX_CRITERIA = 50  # of one SORT
MAX_MAILBOXES = 1_000  # named in one ESEARCH
MAX_TAGS = 100
_SIMPLE_SOURCES = frozenset({"SELECTED", "INBOXES", "PERSONAL", "SUBSCRIBED"})
_NAMED_SOURCES = frozenset({"SUBTREE", "SUBTREE-ONE", "MAILBOXES"})
_RETURN, _CHARSET, _IN = (re.compile(word, re.IGNORECASE) for word in (rb"RETURN \(", rb"CHARSET ", rb" IN \("))


def _skip(lexer: Lexer, word: "re.Pattern[bytes]") -> bool:
    """Pass over it, if it comes next."""
    if word.match(lexer.rest()) is None:
        return False
    lexer.match(word, "")
    return True


def search(*, by_uid: bool) -> Callable[[Lexer], Search]:
    """search = "SEARCH" [search-return-opts] SP search-program"""
    return lambda lexer: Search(_program(lexer), by_uid)


def _program(lexer: Lexer) -> Program:
    """[SP search-return-opts] SP ["CHARSET" SP charset SP] search-key *(SP search-key)"""
    lexer.space()
    returns = _returns(lexer) if _skip(lexer, _RETURN) else None
    codec = _codec(lexer) if _skip(lexer, _CHARSET) else "utf-8"
    return Program(search_keys.read(lexer, codec), returns)


def _returns(lexer: Lexer) -> Returns:
    """search-return-opts = "RETURN" SP "(" [search-return-opt *(SP search-return-opt)] ")" SP; nothing asked means ALL"""
    options: set[str] = set()
    partial = None
    items: tuple[Item, ...] = ()
    while not lexer.skip(b")"):
        word = lexer.keyword()
        if word == "PARTIAL" and partial is None:
            lexer.space()
            partial = sequences.read_partial(lexer)
        elif word in OPTIONS:
            options.add(word)
            if word == "UPDATE" and lexer.rest().startswith(b" ("):  # modifier-update of RFC 5465 section 8
                lexer.space()
                items = fetch_items.peeking(fetch_items.read(lexer))
        else:
            lexer.fail("Unknown option of RETURN")
        if not lexer.skip(b" ") and lexer.peek() != 0x29:
            lexer.fail("Expected ')'")
    if partial is not None and "ALL" in options:
        lexer.fail("ALL and PARTIAL exclude each other")
    if partial is None and not options - {"UPDATE", "CONTEXT"}:
        options.add("ALL")
    lexer.space()
    return Returns(frozenset(options), partial, items)


def _codec(lexer: Lexer) -> str | None:
    name = lexer.astring().decode("ascii", "replace")
    lexer.space()
    return charsets.known(name)


def sort(*, by_uid: bool) -> Callable[[Lexer], Sort]:
    """sort = "SORT" [search-return-opts] SP sort-criteria SP search-criteria  (RFC 5256 section 5, RFC 5267)"""

    def read(lexer: Lexer) -> Sort:
        lexer.space()
        returns = _returns(lexer) if _skip(lexer, _RETURN) else None
        criteria = _criteria(lexer)
        lexer.space()
        return Sort(Program(search_keys.read(lexer, _codec(lexer)), returns), criteria, by_uid)

    return read


def _criteria(lexer: Lexer) -> tuple[Criterion, ...]:
    """sort-criteria = "(" sort-criterion *(SP sort-criterion) ")"; sort-criterion = ["REVERSE" SP] sort-key"""
    lexer.expect(b"(")
    criteria: list[Criterion] = []
    while True:
        word = lexer.keyword()
        descending = word == "REVERSE"
        if descending:
            lexer.space()
            word = lexer.keyword()
        if word not in By.__members__ or len(criteria) >= MAX_CRITERIA:
            lexer.fail("Unknown order, or too many")
        criteria.append(Criterion(By[word], descending))
        if not lexer.skip(b" "):
            break
    lexer.expect(b")")
    return tuple(criteria)


def thread(*, by_uid: bool) -> Callable[[Lexer], Thread]:
    """thread = "THREAD" SP thread-alg SP search-criteria; search-criteria = charset 1*(SP search-key)"""

    def read(lexer: Lexer) -> Thread:
        lexer.space()
        name = lexer.keyword()
        if name not in Algorithm.__members__:
            lexer.fail("Unknown threading algorithm")
        lexer.space()
        return Thread(Program(search_keys.read(lexer, _codec(lexer))), Algorithm[name], by_uid)

    return read


def esearch(lexer: Lexer) -> Esearch:
    """esearch = "ESEARCH" [SP esearch-source-opts] [SP search-return-opts] SP search-program  (RFC 7377 section 4)"""
    sources = _sources(lexer) if _skip(lexer, _IN) else (Source("SELECTED"),)
    return Esearch(_program(lexer), sources)


def _sources(lexer: Lexer) -> tuple[Source, ...]:
    """source-mbox = filter-mailboxes *(SP filter-mailboxes), up to its ")" """
    sources: list[Source] = []
    left = MAX_MAILBOXES
    while True:
        what = lexer.keyword()
        mailboxes: tuple[str, ...] = ()
        if what in _NAMED_SOURCES:
            lexer.space()
            mailboxes = _mailboxes(lexer)
        elif what not in _SIMPLE_SOURCES:
            lexer.fail("Unknown source of mailboxes")
        left -= 1 + len(mailboxes)
        if left < 0:
            lexer.fail("Too many mailboxes")
        sources.append(Source(what, mailboxes))
        if not lexer.skip(b" "):
            break
    lexer.expect(b")")
    return tuple(sources)


def _mailboxes(lexer: Lexer) -> tuple[str, ...]:
    """one-or-more-mailbox = mailbox / "(" mailbox *(SP mailbox) ")" """
    if not lexer.skip(b"("):
        return (mailbox(lexer),)
    found = [mailbox(lexer)]
    while lexer.skip(b" "):
        found.append(mailbox(lexer))
    lexer.expect(b")")
    return tuple(found)


def cancel_update(lexer: Lexer) -> CancelUpdate:
    """cancelupdate = "CANCELUPDATE" 1*(SP quoted)  (RFC 5267 section 4.4)"""
    tags: list[bytes] = []
    while True:
        lexer.space()
        tags.append(lexer.string())
        if len(tags) > MAX_TAGS:
            lexer.fail("Too many tags")
        if lexer.peek() == END:
            return CancelUpdate(tuple(tags))


SYNTAX: dict[str, Callable[[Lexer], Search | Sort | Thread | Esearch | CancelUpdate]] = {
    "SEARCH": search(by_uid=False),
    "UID SEARCH": search(by_uid=True),
    "SORT": sort(by_uid=False),
    "UID SORT": sort(by_uid=True),
    "THREAD": thread(by_uid=False),
    "UID THREAD": thread(by_uid=True),
    "ESEARCH": esearch,
    "CANCELUPDATE": cancel_update,
}
