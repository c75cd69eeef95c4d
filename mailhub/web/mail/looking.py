"""Folders that browsers look at: a view of each is kept between two requests, with its orders, so that a page of a list costs no more
in a folder of 100,000 messages than in one of ten."""

import asyncio
from array import array
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from msgspec import Struct

from mailhub.mailbox import sorting
from mailhub.mailbox.service import AccountMail, FolderView, Mailboxes
from mailhub.message import envelope
from mailhub.message.threads import thread_id
from mailhub.model.errors import NotFound
from mailhub.model.mailbox import Folder, MessageRow
from mailhub.model.sorting import By, Criterion

from . import typed

_VIEWS, _MESSAGES = 256, 1_000_000  # that are kept in all
_PAGE = 50  # rows whose envelopes are read between two pauses
_ORDERS = 4  # of one view


class Wanted(Struct, frozen=True):
    """An order of a folder: the newest arrival first, or by `sort` and back to front where `descending`; of what matches `search` alone; with
    `threads` only the newest message of each conversation."""

    search: str = ""
    sort: By = By.ARRIVAL
    descending: bool = True
    threads: bool = False


class Look:
    """One folder as one account looks at it. `members`: UIDs of each conversation, ascending, where they were asked for."""

    def __init__(self, view: FolderView) -> None:
        self.view = view
        self.lock = asyncio.Lock()
        self.members: dict[str, list[int]] = {}
        self._threads: dict[int, str] = {}
        self._values: dict[By, dict[int, tuple[sorting.Value, ...]]] = {}
        self._orders: OrderedDict[Wanted, tuple[int, Sequence[int]]] = OrderedDict()

    async def order(self, wanted: Wanted) -> Sequence[int]:
        """UIDs; made anew where something has changed."""
        known = self._orders.get(wanted)
        if known is not None and known[0] == self.view.folder.modseq:
            self._orders.move_to_end(wanted)
            return known[1]
        modseq = self.view.folder.modseq
        found = await self._order(wanted)
        self._orders[wanted] = modseq, found
        while len(self._orders) > _ORDERS:
            self._orders.popitem(last=False)
        return found

    async def _order(self, wanted: Wanted) -> Sequence[int]:
        view = self.view
        found: Sequence[int] = await view.search(typed.key(wanted.search)) if wanted.search else view.uids
        if wanted.sort is not By.ARRIVAL:
            found = await self._sorted(found, wanted.sort)
        if wanted.descending:
            found = array("I", reversed(found))
        if wanted.threads:
            await self._learn_threads()
            first: dict[str, int] = {}
            for uid in found:
                first.setdefault(self.thread(uid), uid)
            found = list(first.values())
        return found

    def thread(self, uid: int) -> str:
        """The conversation of a message; each that names nothing is its own."""
        return self._threads.get(uid) or f"{uid}"

    async def _sorted(self, uids: Sequence[int], by: By) -> list[int]:
        """What a message is compared by is read once."""
        criteria = (Criterion(by),)
        if by not in self._values:
            self._values = {by: {}}  # one order is kept: 100,000 subjects are 10 MB
        known = self._values[by]
        for gone in known.keys() - set(self.view.uids):
            del known[gone]
        known.update(await self.view.order([uid for uid in uids if uid not in known], criteria))
        pairs = [(uid, known[uid]) for uid in uids if uid in known]
        return await self.view.lane.call(sorting.ordered, pairs, criteria)

    async def _learn_threads(self) -> None:
        """By the index alone: no file is opened. Where it does not know a message's References, In-Reply-To stands for them."""
        view = self.view
        for gone in self._threads.keys() - set(view.uids):
            del self._threads[gone]
        missing = [uid for uid in view.uids if uid not in self._threads]
        references = await view.known_references() if missing else {}
        for start in range(0, len(missing), _PAGE):
            rows = await view.rows(missing[start : start + _PAGE], rendered=True)
            size = sum([len(row.envelope) for row in rows])
            self._threads |= await view.lane.by_size(size, _threads, rows, references)
            await asyncio.sleep(0)
        self.members = {}
        for uid in view.uids:
            self.members.setdefault(self.thread(uid), []).append(uid)


def _threads(rows: Sequence[MessageRow], references: Mapping[int, bytes]) -> dict[int, str]:
    return {row.uid: _thread(row, references.get(row.uid, b"")) for row in rows}


def _thread(row: MessageRow, references: bytes) -> str:
    found = envelope.parse(row.envelope, 1)
    fields = ((b"References", references), (b"In-Reply-To", found.in_reply_to), (b"Message-ID", found.message_id))
    header = b"".join([name + b": " + value + b"\r\n" for name, value in fields if value])
    return thread_id(header + b"\r\n") or ""


class Looking:
    """One per hub. Those looked at last are kept; `close()` before the mailboxes."""

    def __init__(self, mailboxes: Mailboxes) -> None:
        self._mailboxes = mailboxes
        self._kept: OrderedDict[tuple[str, int], Look] = OrderedDict()

    def close(self) -> None:
        while self._kept:
            self._kept.popitem()[1].view.close()

    @asynccontextmanager
    async def at(self, mail: AccountMail, folder: Folder) -> AsyncIterator[Look]:
        """The folder as it is now, for one request at a time. NotFound where it is gone."""
        key = mail.name, folder.id
        look = self._kept.get(key)
        if look is None:
            view = await mail.open_view(folder, read_only=True)
            look = self._kept.setdefault(key, Look(view))
            if look.view is not view:  # somebody was quicker
                view.close()
        async with look.lock:
            try:
                await look.view.sync(expunges=True)
            except NotFound:
                self._drop(key)
                raise
            if key in self._kept:
                self._kept.move_to_end(key)
            self._make_room(key)
            yield look

    def _make_room(self, but: tuple[str, int]) -> None:
        held = sum(len(look.view.uids) for look in self._kept.values())
        while (len(self._kept) > _VIEWS or held > _MESSAGES) and next(iter(self._kept)) != but:
            held -= len(next(iter(self._kept.values())).view.uids)
            self._drop(next(iter(self._kept)))

    def _drop(self, key: tuple[str, int]) -> None:
        look = self._kept.pop(key, None)
        if look is not None:
            look.view.close()
