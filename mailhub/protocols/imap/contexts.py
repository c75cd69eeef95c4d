"""Searches that stay alive (RFC 5267): after every change of the view each is asked about the messages that changed.

The client is told what a message is called when it is told: what leaves with an EXPUNGE leaves before it.
"""

import logging
from array import array
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import TYPE_CHECKING

from msgspec import Struct

from mailhub.mailbox import sorting
from mailhub.model.errors import MailError
from mailhub.model.search import Key
from mailhub.model.sorting import Criterion
from mailhub.wire.imap import responses, search_responses, sequences
from mailhub.wire.imap.fetch_items import Item
from mailhub.wire.imap.search_commands import Program

from . import fetch

if TYPE_CHECKING:
    from mailhub.mailbox.service import FolderView

    from .session import ImapSession

log = logging.getLogger("mailhub.imap")

MAX_CONTEXTS = 10  # of one session


class Context(Struct):
    """`items`: to be told of new messages; `found`: the result as the client knows it, in its order; `values`: what SORT
    compares, by UID."""

    tag: bytes
    key: Key
    items: tuple[Item, ...]
    criteria: Sequence[Criterion]
    by_uid: bool
    found: list[int]
    values: dict[int, tuple[sorting.Value, ...]]

    def remove(self, gone: Iterable[int], name: Callable[[int], int]) -> bytes:
        """Take UIDs out; the line that says so. For SORT each place is as it is when those before it are gone."""
        away = set(gone)
        if not self.criteria:
            chosen = [uid for uid in self.found if uid in away]
            places = [(0, [name(uid) for uid in chosen])] if chosen else []
        else:
            found = [(place + 1, uid) for place, uid in enumerate(self.found) if uid in away]
            places = [(place, [name(uid)]) for place, uid in reversed(found)]
        self.found = [uid for uid in self.found if uid not in away]
        for uid in away:
            self.values.pop(uid, None)
        return self._line(b"REMOVEFROM", places)

    def add(self, fresh: Sequence[int], name: Callable[[int], int]) -> bytes:
        """Put UIDs in, whose values are known; the line that says so."""
        if not self.criteria:
            self.found = sorted([*self.found, *fresh])
            return self._line(b"ADDTO", [(0, [name(uid) for uid in fresh])] if fresh else [])
        self.found = sorting.ordered(sorted(self.values.items()), self.criteria)
        new = frozenset(fresh)
        return self._line(b"ADDTO", [(place + 1, [name(uid)]) for place, uid in enumerate(self.found) if uid in new])

    def _line(self, what: bytes, places: Sequence[tuple[int, Sequence[int]]]) -> bytes:
        """context-position 0 is the order of the mailbox (RFC 5267 section 4.3.3)."""
        if not places:
            return b""
        pairs = b" ".join([b"%d %b" % (place, sequences.compress(numbers)) for place, numbers in places])
        item = b"%b (%b)" % (what, pairs)
        return search_responses.esearch(search_responses.tag(self.tag), [item], by_uid=self.by_uid)


class Contexts:
    """Those of one selected mailbox."""

    def __init__(self) -> None:
        self._contexts: dict[bytes, Context] = {}
        self._uids: array[int] = array("I")  # the view as it was at the last look
        self._flags: array[int] = array("q")

    def __contains__(self, tag: bytes) -> bool:
        return tag in self._contexts

    def cancel(self, tag: bytes) -> None:
        self._contexts.pop(tag, None)

    async def begin(
        self,
        session: "ImapSession",
        program: Program,
        criteria: Sequence[Criterion],
        found: Sequence[int],
        *,
        by_uid: bool,
    ) -> None:
        """Keep a result up to date that the client has just been told. RFC 5267 section 4.3.1: NOUPDATE where it is too much."""
        view = session.view
        if len(self._contexts) >= MAX_CONTEXTS:
            self._end(session, session.tag, "Too many searches to be kept up to date")
            return
        values = dict(await view.order(sorted(found), criteria)) if criteria else {}
        assert program.key is not None  # it has been answered
        assert program.returns is not None
        key, items = view.pinned(program.key), program.returns.items
        self._contexts[session.tag] = Context(session.tag, key, items, criteria, by_uid, list(found), values)
        self._remember(view)

    def _remember(self, view: "FolderView") -> None:
        self._uids, self._flags = view.uids[:], view.flags[:]

    def _end(self, session: "ImapSession", tag: bytes, text: str) -> None:
        self._contexts.pop(tag, None)
        session.write(b"* NO [NOUPDATE " + responses.string(tag) + b"] " + text.encode("ascii") + b"\r\n")

    def expunged(self, session: "ImapSession", before: "array[int]") -> None:
        """Messages of `before` have left the view, and the client is about to be told."""
        if not self._contexts:
            return
        gone = frozenset(before) - frozenset(session.view.uids)
        for context in self._contexts.values():
            session.write(context.remove(gone, _naming(before, context)))

    async def refresh(self, session: "ImapSession") -> None:
        """Ask each search about the messages that changed since the last look."""
        view = session.view
        if not self._contexts or (view.uids == self._uids and view.flags == self._flags):
            return
        known = dict(zip(self._uids, self._flags, strict=True))
        changed = [uid for uid, flags in zip(view.uids, view.flags, strict=True) if known.get(uid) != flags]
        self._remember(view)
        for context in list(self._contexts.values()) if changed else []:
            try:
                await self._changed(session, context, changed, known.keys())
            except MailError as error:
                log.info("%s: search not kept up to date: %s", session.context.session, error)
                self._end(session, context.tag, "The search can not be kept up to date")
        await session.flush()

    async def _changed(
        self, session: "ImapSession", context: Context, changed: Sequence[int], old: Collection[int]
    ) -> None:
        view = session.view
        found = frozenset(await view.search(context.key, among=changed))
        there = frozenset(context.found)
        name = _naming(view.uids, context)
        session.write(context.remove([uid for uid in changed if uid in there and uid not in found], name))
        fresh = [uid for uid in changed if uid in found and uid not in there]
        if context.criteria:
            order = dict(await view.order(fresh, context.criteria))
            context.values |= order
            fresh = [uid for uid in fresh if uid in order]
        new = [at for uid in fresh if uid not in old and (at := view.place(uid)) is not None]
        if context.items and new:  # RFC 5465 section 7: before the ESEARCH
            await fetch.answer(session, [range(at, at + 1) for at in new], context.items)
        session.write(context.add(fresh, name))


def _naming(uids: Sequence[int], context: Context) -> Callable[[int], int]:
    return (lambda uid: uid) if context.by_uid else (lambda uid: bisect_left(uids, uid) + 1)
