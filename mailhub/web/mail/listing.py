"""Lists of messages: a page at a time, in any order, of what matches a search, by message or by conversation."""

import logging
from collections.abc import Sequence
from contextlib import suppress

from aiohttp import web
from msgspec import Struct

from mailhub.mailbox.sorting import sent
from mailhub.message import envelope, structure
from mailhub.message.envelope import Address, Envelope
from mailhub.model.errors import MailError, NotFound
from mailhub.model.mailbox import SEEN, Folder, Glimpse, MessageRow
from mailhub.model.sorting import By

from ..routes import Route, answered
from .asked import FOLDER, Asked, flag_names, number
from .looking import Look, Wanted

log = logging.getLogger("mailhub.web")

_MOST, _USUAL = 200, 50  # messages of a page
_ADDRESSES = 50  # of one field that are told
_SUBJECT = 1_000  # characters
_SORTS = {by.value.lower(): by for by in By}
_QUERY = {
    "q": "a search as people type it: from:ann subject:\"two words\" has:attachment before:2026-01-31 is:unread",
    "sort": f"{', '.join(_SORTS)}; arrival where it is missing",
    "ascending": "1: the oldest, or the first of the alphabet, first",
    "threads": "1: only the newest message of each conversation",
    "offset": "how many are passed over",
    "limit": f"how many at most, to {_MOST}",
}  # fmt: skip


class Person(Struct, frozen=True):
    """`name`: "" where there is none."""

    name: str
    address: str


class Row(Struct, frozen=True, kw_only=True):
    """A message in a list. `received`, `sent`: wall time. `size`: octets. `others`: UIDs of the rest of its conversation in this folder,
    where conversations were asked for; `unread`: whether any of them is."""

    uid: int
    flags: tuple[str, ...]
    received: int
    sent: int
    size: int
    subject: str
    sender: tuple[Person, ...]
    to: tuple[Person, ...]
    preview: str
    attachments: bool
    unread: bool
    others: tuple[int, ...] = ()


class Page(Struct, frozen=True):
    """`total`: how many there are in all; `modseq`: another one when something has changed."""

    total: int
    offset: int
    modseq: int
    messages: tuple[Row, ...]


class Listing:
    """One per hub."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked

    def routes(self) -> list[Route]:
        path = FOLDER + "/messages"
        return [Route("GET", path, self._page, "Messages of a folder", _QUERY, None, Page, security="account")]

    async def _page(self, request: web.Request) -> web.StreamResponse:
        mail, folder = await self._asked.folder(request)
        asked = request.query
        sort = _SORTS.get(asked.get("sort", "arrival"))
        if sort is None:
            raise ValueError(f"sort: one of {', '.join(_SORTS)}")
        wanted = Wanted(asked.get("q", "").strip(), sort, asked.get("ascending") != "1", asked.get("threads") == "1")
        offset, limit = number(request, "offset", 0, 1 << 31), number(request, "limit", _USUAL, _MOST)
        async with self._asked.looking.at(mail, folder) as look:
            order = await look.order(wanted)
            uids = order[offset : offset + limit]
            rows = await self._rows(look, uids, wanted.threads)
            return answered(Page(len(order), offset, look.view.folder.modseq, rows))

    async def _rows(self, look: Look, uids: Sequence[int], threads: bool) -> tuple[Row, ...]:
        """Those that are still there, in that order."""
        view = look.view
        found = {row.uid: row for row in await view.rows(sorted(uids), rendered=True)}
        glimpses = await self._glimpses(look, [uid for uid in uids if uid in found])
        asked = []
        for uid in uids:
            if uid in found and uid in glimpses:
                together = look.members[look.thread(uid)] if threads else [uid]
                unread = any((at := view.place(one)) is not None and not view.flags[at] & SEEN for one in together)
                others = tuple(one for one in together if one != uid)
                asked.append((found[uid], view.folder, glimpses[uid], unread, others))
        size = sum([len(row.envelope) + len(row.structure) for row in found.values()])
        return await view.lane.by_size(size, _rows_of, asked)

    async def _glimpses(self, look: Look, uids: Sequence[int]) -> dict[int, Glimpse]:
        """From the index, and of messages that were never looked at from their files, once."""
        known = await look.view.glimpses(uids)
        fresh: dict[int, Glimpse] = {}
        for uid in uids:
            if uid not in known:
                with suppress(NotFound):
                    async with await look.view.open(uid) as file:
                        fresh[uid] = await self._asked.mailboxes.glimpse(file)
        if fresh:
            try:
                await look.view.keep_glimpses(fresh)
            except MailError as error:
                log.warning("what was found of %d messages is not kept: %s", len(fresh), error)
        return known | fresh


def _rows_of(asked: "Sequence[tuple[MessageRow, Folder, Glimpse, bool, tuple[int, ...]]]") -> tuple[Row, ...]:
    return tuple(row_of(*one) for one in asked)


def row_of(
    row: MessageRow, folder: Folder, glimpse: Glimpse, unread: bool | None = None, others: tuple[int, ...] = ()
) -> Row:
    """What the index has of a message, in words."""
    found: Envelope = envelope.parse(row.envelope, _ADDRESSES)
    return Row(
        uid=row.uid,
        flags=flag_names(row.flags, folder.keywords),
        received=row.date,
        sent=sent(row, found),
        size=row.size,
        subject=envelope.text(found.subject)[:_SUBJECT],
        sender=persons(found.origin),
        to=persons(found.to),
        preview=glimpse.preview,
        attachments=structure.has_attachment(row.structure),
        unread=not row.flags & SEEN if unread is None else unread,
        others=others,
    )


def persons(addresses: Sequence[Address]) -> tuple[Person, ...]:
    """Without the names of groups."""
    return tuple(
        Person(envelope.text(one.name), f"{envelope.text(one.local)}@{envelope.text(one.domain)}")
        for one in addresses[:_ADDRESSES]
        if one.domain is not None
    )
