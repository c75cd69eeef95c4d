"""FETCH (RFC 3501 section 6.4.5): from the view and the index by the page, from message files by the block."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from mailhub.model.errors import MailError, NotFound
from mailhub.model.mailbox import SEEN, FlagOp, Glimpse, MessageRow
from mailhub.wire.imap import bodies, commands, responses
from mailhub.wire.imap.dates import date_time
from mailhub.wire.imap.fetch_items import Attribute, Binary, Derived, Item, Section

from . import messages, sync, updates
from .answers import Answer, Refused, bad, ok
from .sections import Decoded, Octets, OpenMessage, Piece, Value

if TYPE_CHECKING:
    from mailhub.mailbox.service import MessageFile

    from .session import ImapSession

log = logging.getLogger("mailhub.imap")

PAGE = 500  # rows of the index at a time: 4 ms in which the loop does nothing else
FILES_PAGE = 100  # messages whose \\Seen is set by one unit, just before they are sent
AHEAD = 16  # messages opened in one step to the store: their answers come together; of small ones the text is held
OUT = 65_536  # octets gathered before they are written

_FROM_ROW: Mapping[Attribute, Callable[[MessageRow], bytes]] = {
    Attribute.INTERNALDATE: lambda row: b"INTERNALDATE " + date_time(row.date),
    Attribute.SIZE: lambda row: b"RFC822.SIZE %d" % row.size,
    Attribute.ENVELOPE: lambda row: b"ENVELOPE " + row.envelope,
    Attribute.BODYSTRUCTURE: lambda row: b"BODYSTRUCTURE " + row.structure,
    Attribute.BODY: lambda row: b"BODY " + bodies.without_extension(row.structure),
    Attribute.EMAILID: lambda row: b"EMAILID (%b)" % row.email_id.encode(),
    Attribute.SAVEDATE: lambda row: b"SAVEDATE " + (b"NIL" if row.saved is None else date_time(row.saved)),
}
_FROM_GLIMPSE: Mapping[Derived, Callable[[Glimpse], bytes]] = {
    Derived.THREADID: lambda one: b"THREADID " + (b"(%b)" % one.thread.encode() if one.thread else b"NIL"),
    Derived.PREVIEW: lambda one: b"PREVIEW " + (responses.string(_octets(one.preview)) if one.preview else b"NIL"),
}
Words = Callable[[int, int], bytes]
_RENDERED = {Attribute.ENVELOPE, Attribute.BODYSTRUCTURE, Attribute.BODY}
_TOLD = (
    Attribute.MODSEQ,
    Attribute.UID,
)  # with each change of flags, to who knows mod-sequences (RFC 7162 section 3.2.4)
_NO_ROW = MessageRow(0, 0, 0, 0, 0)


async def fetch(session: "ImapSession", verb: commands.Fetch) -> Answer:
    """Messages that another session expunged meanwhile are left out; the answer says that there were some."""
    spans = messages.places(session.view, verb.messages)
    items = verb.items
    if verb.changed_since is not None and Attribute.MODSEQ not in items:
        items = (*items, Attribute.MODSEQ)
    if Attribute.MODSEQ in items:
        await sync.learn(session)
    if verb.changed_since is not None:
        spans = await sync.changed(session, verb, spans)
    if verb.partial is not None:
        if not verb.messages.by_uid:
            raise Refused(bad("PARTIAL is for UID FETCH"))
        spans = messages.part(spans, verb.partial)
    if verb.messages.by_uid and not session.uid_only and Attribute.UID not in items:
        items = (Attribute.UID, *items)
    spans, code = messages.limited(session, spans)
    if await answer(session, spans, items):
        return ok("Some messages were expunged meanwhile", "EXPUNGEISSUED")
    return ok("Fetch completed", code)


async def answer(session: "ImapSession", spans: messages.Spans, items: tuple[Item, ...]) -> int:
    """The FETCH responses for those places; how many of the messages were gone."""
    fetched = _Fetch(session, items)
    for page in messages.pages(spans, fetched.page_size):
        try:
            await fetched.page(page)
        finally:
            fetched.write()
        await session.flush()
        await asyncio.sleep(0)
    return fetched.gone


def _octets(text: str) -> bytes:
    return text.encode("utf-8", "replace")


def _from_glimpse(item: Derived, glimpse: Glimpse) -> bytes:
    """Finding it costs little: LAZY gets it too (RFC 8970 section 4)."""
    return _FROM_GLIMPSE[Derived.PREVIEW if item is Derived.PREVIEW_LAZY else item](glimpse)


class _Fetch:
    """One FETCH: what it asks for, and how much of it was not there any more."""

    def __init__(self, session: "ImapSession", items: tuple[Item, ...]) -> None:
        self._session, self._view, self._items = session, session.view, items
        self._sections = any(not isinstance(item, Attribute | Derived) for item in items)
        self._glimpsing = any(isinstance(item, Derived) for item in items)
        self._glimpses: Mapping[int, Glimpse] = {}  # of a page, by UID
        self._seen = (
            not self._view.read_only
            and "s" in self._view.rights
            and any(isinstance(item, Section | Binary) and not item.peek for item in items)
        )
        self._rows = any(item in _FROM_ROW for item in items if isinstance(item, Attribute))
        self._rendered = not _RENDERED.isdisjoint(items)
        self._out: list[bytes] = []
        self._size = 0
        self.page_size = FILES_PAGE if self._sections or self._glimpsing else PAGE
        self.gone = 0

    async def page(self, page: list[int]) -> None:
        """Answer for the messages at these places."""
        view = self._view
        rows = await view.rows([view.uids[place] for place in page], rendered=self._rendered) if self._rows else None
        found = {row.uid: row for row in rows} if rows is not None else None
        newly_seen = await self._see(page) if self._seen else frozenset[int]()
        words = updates.flag_words(self._session)
        kept = page if found is None else [place for place in page if view.uids[place] in found]
        if self._glimpsing:
            self._glimpses = await self._glimpse(kept)
            kept = [place for place in kept if view.uids[place] in self._glimpses]
        self.gone += len(page) - len(kept)
        if not self._sections:
            self._lines(kept, found, words)
            return
        for start in range(0, len(kept), AHEAD):
            places = kept[start : start + AHEAD]
            async with AsyncExitStack() as opened:
                for place, file in zip(places, await self._open(places, opened), strict=True):
                    uid = view.uids[place]
                    if file is None:
                        self.gone += 1
                        continue
                    row = _NO_ROW if found is None else found[uid]
                    await self._with_file(file, place, uid, row, words, self._also(place in newly_seen))

    async def _glimpse(self, page: list[int]) -> dict[int, Glimpse]:
        """Of messages asked for before from the store, of others from their files, once."""
        view = self._view
        known = await view.glimpses([view.uids[place] for place in page])
        missing = [place for place in page if view.uids[place] not in known]
        found = {}
        for start in range(0, len(missing), AHEAD):
            places = missing[start : start + AHEAD]
            async with AsyncExitStack() as opened:
                for place, file in zip(places, await self._open(places, opened), strict=True):
                    if file is not None:
                        found[view.uids[place]] = await self._session.mailboxes.glimpse(file)
        try:
            if found:
                await view.keep_glimpses(found)
        except MailError as error:
            log.warning("%s: what was found is not kept: %s", self._session.context.session, error)
        return known | found

    def _also(self, newly_seen: bool) -> tuple[Item, ...]:
        """What is told of a message: its flags too, where reading it has set \\Seen."""
        items = self._items
        if newly_seen and Attribute.FLAGS not in items:
            items = (*items, Attribute.FLAGS)
            if self._session.condstore:
                told = _TOLD[:1] if self._session.uid_only else _TOLD
                items = (*items, *(one for one in told if one not in items))
        return items

    async def _open(self, places: list[int], opened: AsyncExitStack) -> "list[MessageFile | None]":
        """The messages at these places, which `opened` will close; None for one that is gone."""
        asked = [self._view.open(self._view.uids[place]) for place in places]
        files: list[MessageFile | None] = []
        errors: list[BaseException] = []
        for found in await asyncio.gather(*asked, return_exceptions=True):
            if not isinstance(found, BaseException):
                files.append(await opened.enter_async_context(found))
            elif isinstance(found, NotFound):
                files.append(None)
            else:
                errors.append(found)
        if errors:
            raise errors[0]
        return files

    async def _see(self, page: list[int]) -> frozenset[int]:
        """Set \\Seen where it is missing, and say where. Reading goes on where it can not be set."""
        view = self._view
        unseen = [place for place in page if not view.flags[place] & SEEN]
        if not unseen:
            return frozenset()
        try:
            await view.set_flags([view.uids[place] for place in unseen], FlagOp.ADD, SEEN)
        except MailError as error:
            log.warning("%s: \\Seen not set: %s", self._session.context.session, error)
            return frozenset()
        return frozenset(unseen)

    def _attribute(self, item: Item, place: int, uid: int, row: MessageRow, words: Words) -> bytes:
        if isinstance(item, Derived):
            return _from_glimpse(item, self._glimpses[uid])
        assert isinstance(item, Attribute)
        if item is Attribute.UID:
            return b"UID %d" % uid
        if item is Attribute.FLAGS:
            return b"FLAGS " + words(uid, self._view.flags[place])
        if item is Attribute.MODSEQ:
            return b"MODSEQ (%d)" % self._view.modseqs[place]
        return _FROM_ROW[item](row)

    def _lines(self, page: list[int], found: Mapping[int, MessageRow] | None, words: Words) -> None:
        """Whole answers from the view and the rows, column by column: 10,000 of UID and FLAGS take 6 ms, one by one 17."""
        session, view = self._session, self._view
        uids = [view.uids[place] for place in page]
        rows = [found[uid] for uid in uids] if found is not None else []
        columns: list[Iterable[int | bytes]] = [uids if session.uid_only else [place + 1 for place in page]]
        form = b"* %d UIDFETCH (" if session.uid_only else b"* %d FETCH ("
        for item in self._items:
            if isinstance(item, Derived):
                form += b"%b "
                columns.append([_from_glimpse(item, self._glimpses[uid]) for uid in uids])
                continue
            assert isinstance(item, Attribute)
            if item is Attribute.UID:
                form += b"UID %d "
                columns.append(uids)
            elif item is Attribute.FLAGS:
                form += b"FLAGS %b "
                columns.append([words(uid, view.flags[place]) for uid, place in zip(uids, page, strict=True)])
            elif item is Attribute.MODSEQ:
                form += b"MODSEQ (%d) "
                columns.append([view.modseqs[place] for place in page])
            else:
                form += b"%b "
                columns.append(map(_FROM_ROW[item], rows))
        form = form.removesuffix(b" ") + b")\r\n"
        self._gather(b"".join([form % line for line in zip(*columns, strict=True)]))

    def _gather(self, data: bytes) -> None:
        self._out.append(data)
        self._size += len(data)

    def write(self) -> None:
        """Give what was gathered to the connection: whole answers, or the begin of one whose rest follows."""
        if self._out:
            self._session.write(b"".join(self._out))
            self._out.clear()
            self._size = 0

    # --- from files

    async def _with_file(
        self, file: "MessageFile", place: int, uid: int, row: MessageRow, words: Words, items: tuple[Item, ...]
    ) -> None:
        """One message. Once its answer is begun it must be finished: after an error the connection is of no use."""
        self._session.read(file)
        message = OpenMessage(self._session.mailboxes, file, (self._view.folder.id, uid), self._session.last_tree)
        found = {item: await message.find(item) for item in items if not isinstance(item, Attribute | Derived)}
        try:
            between = updates.fetch_of(self._session, place)
            for item in items:
                self._gather(between)
                between = b" "
                if isinstance(item, Attribute | Derived):
                    self._gather(self._attribute(item, place, uid, row, words))
                else:
                    await self._section(item.label, found[item], message)
            self._gather(b")\r\n")
        except BaseException:
            self._session.stream.abort()
            raise
        if self._size >= OUT:
            self.write()
            await self._session.flush()

    async def _section(self, label: bytes, piece: Piece, message: OpenMessage) -> None:
        if piece is None:
            self._gather(label + b" NIL")
        elif isinstance(piece, bytes):
            self._gather(b"%b {%d}\r\n%b" % (label, len(piece), piece))
        elif isinstance(piece, Value):
            self._gather(label + b" " + piece.text)
        else:
            mark = b"~" if isinstance(piece, Decoded) and piece.nul else b""  # RFC 3516 section 4.2: literal8
            self._gather(b"%b %b{%d}\r\n" % (label, mark, piece.size))
            await self._blocks(piece, message)

    async def _blocks(self, piece: Octets | Decoded, message: OpenMessage) -> None:
        async for block in message.blocks(piece):
            self._gather(block)
            if self._size >= OUT:
                self.write()
                await self._session.flush()
