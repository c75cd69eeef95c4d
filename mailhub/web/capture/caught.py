"""All captured messages of a server, newest first, kept in step with its mailboxes by the change bus."""

import asyncio
from bisect import insort
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Sequence

from msgspec import Struct

from mailhub.directory import Directory
from mailhub.mailbox.service import AccountMail, Mailboxes
from mailhub.message.reading import Message
from mailhub.model import ids
from mailhub.model.errors import LimitReached, NotFound
from mailhub.model.mailbox import SEEN, Changed, FlagOp, Folder

_READ = 500  # messages kept in memory as they were read
_READ_SIZE = 16_777_216  # octets of a message that is kept
_PUT_AWAY = ("\\Sent", "\\Drafts", "\\Trash")  # folders of what clients wrote themselves


class Place(Struct, frozen=True, order=True):
    """Where a message lies; the order is that of arrival."""

    received: int
    number: int  # of its delivery, 0 where a client put it there
    folder: int
    uid: int
    account: str
    name: str  # of the folder

    @property
    def id(self) -> str:
        return f"{self.folder}-{self.uid}"


class Caught:
    """`open` once. Every method looks at the mailboxes as they are now. `limit`: how many may wait at one time."""

    def __init__(self, directory: Directory, mailboxes: Mailboxes, limit: int) -> None:
        self._directory, self._mailboxes, self._limit = directory, mailboxes, limit
        self._places: list[Place] = []
        self._by_id: dict[str, Place] = {}
        self._of: dict[str, set[str]] = {}  # account -> ids
        self._dirty: set[str] = set()
        self._read: OrderedDict[str, Message] = OrderedDict()
        self._waiting: set[asyncio.Event] = set()
        self._lock = asyncio.Lock()

    async def open(self) -> None:
        """Take in what is there, and listen."""
        self._mailboxes.changes.listen_to_all(self._changed)
        page = await self._directory.accounts()
        while page:
            self._dirty.update(account.name for account in page)
            page = await self._directory.accounts(page[-1].name)

    def close(self) -> None:
        self._mailboxes.changes.forget_all(self._changed)

    def _changed(self, changed: Sequence[Changed]) -> None:
        self._dirty.update(change.account for change in changed)
        for event in self._waiting:
            event.set()

    # --- reading ---

    async def places(self) -> Sequence[Place]:
        """All of them, newest first."""
        await self._refresh()
        return self._places[::-1]

    async def place(self, identifier: str) -> Place:
        """ "latest" is the newest one. NotFound."""
        await self._refresh()
        if identifier == "latest" and self._places:
            return self._places[-1]
        found = self._by_id.get(identifier)
        if found is None:
            raise NotFound(f"no message {identifier[:80]!r}")
        return found

    async def message(self, place: Place) -> Message:
        """NotFound where it went meanwhile."""
        known = self._read.get(place.id)
        if known is not None:
            self._read.move_to_end(place.id)
            return known
        mail = self._mailboxes.account(place.account)
        folder = await mail.find(place.name)
        async with await mail.open(folder, place.uid) as file:
            raw = await file.read(0, file.size)
            message = Message(
                place.account, place.name, place.uid, raw, received=float(place.received), folder_id=folder.id,
                file=file.name,
            )  # fmt: skip
        if len(raw) <= _READ_SIZE:
            self._read[place.id] = message
            if len(self._read) > _READ:
                self._read.popitem(last=False)
        return message

    async def seen(self, places: Sequence[Place]) -> set[str]:
        """The ids of those that were read (\\Seen)."""
        found: set[str] = set()
        by_folder: dict[tuple[str, str], set[int]] = {}
        for place in places:
            by_folder.setdefault((place.account, place.name), set()).add(place.uid)
        for (account, name), uids in by_folder.items():
            mail = self._mailboxes.account(account)
            view = await mail.open_view(await mail.find(name), read_only=True)
            try:
                pairs = zip(view.uids, view.flags, strict=True)
                found |= {f"{view.folder.id}-{uid}" for uid, flags in pairs if flags & SEEN and uid in uids}
            finally:
                view.close()
        return found

    async def wait(self, fits: Callable[[Message], bool], since: Place | None = None) -> tuple[Place, Message]:
        """The oldest message that fits, or the next one; the caller bounds the time. LimitReached where too many wait."""
        with self._listening() as event:
            done: set[str] = set()
            while True:
                event.clear()
                for place in reversed(await self.places()):
                    if place.id not in done and (since is None or place > since):
                        done.add(place.id)
                        message = await self.message(place)
                        if fits(message):
                            return place, message
                await event.wait()

    async def follow(self, since: Place | None) -> AsyncIterator[Place]:
        """Each message that comes after `since`, or from now on. LimitReached where too many follow."""
        with self._listening() as event:
            last = since or next(iter(await self.places()), None)
            while True:
                event.clear()
                for place in reversed(await self.places()):
                    if last is None or place > last:
                        last = place
                        yield place
                await event.wait()

    def _listening(self) -> "_Listening":
        if len(self._waiting) >= self._limit:
            raise LimitReached("web.waiting_limit")
        return _Listening(self._waiting)

    # --- changing ---

    async def delete(self, places: Sequence[Place]) -> None:
        """For good."""
        by_folder: dict[tuple[str, str], list[int]] = {}
        for place in places:
            by_folder.setdefault((place.account, place.name), []).append(place.uid)
        for (account, name), uids in by_folder.items():
            mail = self._mailboxes.account(account)
            await mail.remove(await mail.find(name), sorted(uids))

    async def mark_read(self, places: Sequence[Place], read: bool) -> None:
        """Set or take away \\Seen."""
        for place in places:
            mail = self._mailboxes.account(place.account)
            view = await mail.open_view(await mail.find(place.name), read_only=False)
            try:
                await view.set_flags((place.uid,), FlagOp.ADD if read else FlagOp.REMOVE, SEEN, ())
            finally:
                view.close()

    # --- keeping in step ---

    async def _refresh(self) -> None:
        async with self._lock:
            while self._dirty:
                await self._look_at(self._dirty.pop())

    async def _look_at(self, account: str) -> None:
        mail = self._mailboxes.account(account)
        there: dict[str, Place] = {}
        for folder in await mail.existing():
            if folder.special_use not in _PUT_AWAY:
                there |= {place.id: place for place in await self._in(mail, folder)}
        known = self._of.get(account, set())
        for identifier in known - there.keys():
            self._places.remove(self._by_id.pop(identifier))
            self._read.pop(identifier, None)
        for identifier in there.keys() - known:
            insort(self._places, there[identifier])
            self._by_id[identifier] = there[identifier]
        self._of[account] = set(there)

    async def _in(self, mail: AccountMail, folder: Folder) -> list[Place]:
        known = [place for i in self._of.get(folder.account, ()) if (place := self._by_id[i]).folder == folder.id]
        uids = {place.uid: place for place in known}
        view = await mail.open_view(folder, read_only=True)
        try:
            new = [uid for uid in view.uids if uid not in uids]
            rows = await view.rows(new, rendered=False) if new else []
            kept = [uids[uid] for uid in view.uids if uid in uids]
        finally:
            view.close()
        return kept + [
            Place(row.date, _number(row.file), folder.id, row.uid, folder.account, folder.name) for row in rows
        ]


class _Listening:
    """An event that is set at each change, while the block lasts."""

    def __init__(self, waiting: set[asyncio.Event]) -> None:
        self._waiting, self._event = waiting, asyncio.Event()

    def __enter__(self) -> asyncio.Event:
        self._waiting.add(self._event)
        return self._event

    def __exit__(self, *exc: object) -> None:
        self._waiting.discard(self._event)


def _number(file: str) -> int:
    """Of the delivery that a file's name tells of."""
    probe = Message("", "", 0, b"", file=file)
    return ids.number(probe.queue_id) if probe.queue_id else 0
