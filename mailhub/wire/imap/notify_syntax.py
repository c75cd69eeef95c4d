"""The grammar of NOTIFY (RFC 5465 section 8)."""

from . import fetch_items
from .arguments import mailbox
from .fetch_items import Item
from .lexer import Lexer
from .notify import SELECTED, Event, Group, Notify, Which

MAX_GROUPS = 100
MAX_NAMES = 1_000  # mailboxes of one command
_MESSAGES = frozenset({Event.NEW, Event.EXPUNGE})
_EVENTS = {event.value.upper(): event for event in Event}
_WITH_NAMES = frozenset({Which.SUBTREE, Which.MAILBOXES})


def read(lexer: Lexer) -> Notify:
    """notify = "NOTIFY" SP ("NONE" / "SET" [SP "STATUS"] 1*(SP event-group))"""
    lexer.space()
    word = lexer.keyword()
    if word == "NONE":
        return Notify()
    if word != "SET":
        lexer.fail("Expected SET or NONE")
    lexer.space()
    status = lexer.peek() != 0x28
    if status:
        if lexer.keyword() != "STATUS":
            lexer.fail("Expected STATUS or a group of events")
        lexer.space()
    reader = _Reader(lexer)
    groups = [reader.group()]
    while lexer.skip(b" ") and lexer.peek() != -1:
        groups.append(reader.group())
        if len(groups) > MAX_GROUPS:
            lexer.fail("Too many groups of events")
    if sum(group.which in SELECTED for group in groups) > 1:
        lexer.fail("One group is about the selected mailbox")
    return Notify(tuple(groups), status, reader.unknown)


class _Reader:
    """Reads groups; `unknown` as in Notify."""

    def __init__(self, lexer: Lexer) -> None:
        self._lexer, self._left = lexer, MAX_NAMES
        self.unknown = False

    def group(self) -> Group:
        """event-group = "(" filter-mailboxes SP events ")" """
        lexer = self._lexer
        lexer.expect(b"(")
        try:
            which = Which(lexer.keyword())
        except ValueError:
            lexer.fail("Unknown kind of mailboxes")
        lexer.space()
        names: tuple[str, ...] = ()
        if which in _WITH_NAMES:
            names = self._names()
            lexer.space()
        events, items = self._events(which)
        lexer.expect(b")")
        return Group(which, events, names, items)

    def _names(self) -> tuple[str, ...]:
        """one-or-more-mailbox = mailbox / "(" mailbox *(SP mailbox) ")" """
        lexer = self._lexer
        if not lexer.skip(b"("):
            return (mailbox(lexer),)
        names = [mailbox(lexer)]
        while lexer.skip(b" "):
            names.append(mailbox(lexer))
            self._left -= 1
            if self._left <= 0:
                lexer.fail("Too many mailboxes")
        lexer.expect(b")")
        return tuple(names)

    def _events(self, which: Which) -> tuple[frozenset[Event], tuple[Item, ...]]:
        """events = "(" event *(SP event) ")" / "NONE" """
        lexer = self._lexer
        if not lexer.skip(b"("):
            if lexer.keyword() != "NONE":
                lexer.fail("Expected events or NONE")
            return frozenset(), ()
        events: set[Event] = set()
        items: tuple[Item, ...] = ()
        while True:
            event = _EVENTS.get(lexer.keyword())
            if event is None:
                self.unknown = True
            else:
                events.add(event)
            if not lexer.skip(b" "):
                break
            if lexer.peek() == 0x28:
                if event is not Event.NEW or which not in SELECTED:
                    lexer.fail("Items belong to MessageNew of the selected mailbox")
                items = fetch_items.read(lexer)
                if not lexer.skip(b" "):
                    break
        lexer.expect(b")")
        # RFC 5465 section 5.1, 5.2 and 5.3: a client that hears of some changes has to hear of all that move numbers
        if not events.isdisjoint({*_MESSAGES, Event.FLAGS}) and not events >= _MESSAGES:
            lexer.fail("MessageNew and MessageExpunge go together")
        return frozenset(events), fetch_items.peeking(items)
