"""Arguments that several commands have: mailbox names, sets of messages, flags, lists of words."""

from collections.abc import Container

from mailhub.model.mailbox import SEPARATOR

from . import names, sequences
from .commands import Messages
from .lexer import Lexer

MAX_FLAGS = 200  # in one command


def name(lexer: Lexer, raw: bytes) -> str:
    """A mailbox name as it came, in Unicode."""
    try:
        return names.canonical(raw.decode("utf-8") if lexer.utf8 else names.decode(raw), SEPARATOR)
    except ValueError:
        lexer.fail("Mailbox name is not UTF-8" if lexer.utf8 else "Mailbox name is not modified UTF-7")


def mailbox(lexer: Lexer) -> str:
    """mailbox = "INBOX" / astring"""
    return name(lexer, lexer.astring())


def argument(lexer: Lexer) -> str:
    """SP mailbox"""
    lexer.space()
    return mailbox(lexer)


def messages(lexer: Lexer, *, by_uid: bool) -> Messages:
    """SP sequence-set"""
    lexer.space()
    return Messages(sequences.read(lexer), by_uid)


def flag_list(lexer: Lexer) -> tuple[str, ...]:
    """flag-list = "(" [flag *(SP flag)] ")" """
    lexer.expect(b"(")
    found = () if lexer.peek() == 0x29 else flags(lexer)
    lexer.expect(b")")
    return found


def flags(lexer: Lexer) -> tuple[str, ...]:
    """flag *(SP flag); flag = ["\\"] atom"""
    found: list[str] = []
    while True:
        system = "\\" if lexer.skip(b"\\") else ""
        found.append(system + lexer.atom().decode("ascii"))
        if len(found) > MAX_FLAGS:
            lexer.fail("Too many flags")
        if not lexer.skip(b" ") or lexer.peek() in (-1, 0x29):
            return tuple(found)


def words(lexer: Lexer, known: Container[str]) -> tuple[str, ...]:
    """ "(" [atom *(SP atom)] ")", each of `known`"""
    lexer.expect(b"(")
    found: list[str] = []
    while lexer.peek() != 0x29:
        word = lexer.keyword()
        if word not in known:
            lexer.fail("Unknown option")
        found.append(word)
        if not lexer.skip(b" "):
            break
    lexer.expect(b")")
    return tuple(dict.fromkeys(found))
