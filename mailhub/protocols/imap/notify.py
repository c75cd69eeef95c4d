"""NOTIFY (RFC 5465): what happens in any mailbox, told when it happens.

A change of the selected mailbox is told as `updates` does it, before the client's next command. Of all others nothing is kept
but how they were when last told of: whatever happened meanwhile is the difference to how they are now.
"""

import asyncio
import logging
from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mailhub.mailbox.changes import Annotated
from mailhub.model.errors import MailError, NotFound
from mailhub.model.mailbox import SEPARATOR, Folder
from mailhub.wire.imap import responses
from mailhub.wire.imap.notify import SELECTED, Event, Group, Notify, Which

from . import fetch, status, updates
from .answers import Answer, no, ok

if TYPE_CHECKING:
    from .session import ImapSession

log = logging.getLogger("mailhub.imap")

_ITEMS = ("MESSAGES", "UIDNEXT", "UIDVALIDITY", "UNSEEN")
_BADEVENT = f"BADEVENT ({' '.join(event.value for event in Event)})"
_OVERFLOW = "NOTIFICATIONOVERFLOW"
_NOTHING = frozenset[Event]()


async def notify(session: "ImapSession", verb: Notify) -> Answer:
    """RFC 5465 section 3: replaces what was asked for before."""
    if verb.unknown:
        return no("Not all of these events are known", _BADEVENT)
    session.stop_watching()
    if not verb.groups:
        return ok("Nothing will be told")
    session.watch = watch = Watch(session, verb.groups)
    try:
        if not await watch.begin():
            session.stop_watching()
            return no("Too many mailboxes", _OVERFLOW)
    except BaseException:
        session.stop_watching()
        raise
    if verb.status:
        await watch.tell_status()
    return ok("Will be told")


@dataclass(frozen=True, slots=True)
class _Seen:
    """What the client has been told of, or has asked for, at one moment."""

    folders: dict[str, Folder]
    subscribed: frozenset[str]


class Watch:
    """What one session wants to hear of. `changed` is set when there may be something to `tell`. Close it at the end."""

    def __init__(self, session: "ImapSession", groups: tuple[Group, ...]) -> None:
        self._session = session
        self._groups = [group for group in groups if group.which not in SELECTED]
        self.selected = next((group for group in groups if group.which in SELECTED), None)
        self.changed = asyncio.Event()
        self._bus = session.mailboxes.changes
        self._heard: set[int | str] = set()  # folders, and accounts whose lists of folders count
        self._annotated: dict[tuple[int, str], None] = {}
        self._seen = _Seen({}, frozenset())
        self._fetched = self._last_uid()
        self._server = any(Event.SERVER_METADATA in group.events for group in groups)

    def close(self) -> None:
        for what in self._heard:
            self._bus.forget(what, self.changed)
        self._bus.forget_annotations(self._on_annotated)

    async def begin(self) -> bool:
        """False where that would be more mailboxes than a session may watch."""
        self._bus.listen_annotations(self._on_annotated)
        self._seen = await self._look()
        return self._listen()

    @property
    def delays_expunges(self) -> bool:
        return self.selected is not None and self.selected.which is Which.SELECTED_DELAYED

    # --- what is watched

    def _events(self, name: str, folder: Folder | None, subscribed: frozenset[str]) -> frozenset[Event]:
        """Of the first group that the mailbox is in (RFC 5465 section 3.1)."""
        personal = folder is None or folder.name == name
        for group in self._groups:
            if _covers(group, name, personal=personal, subscribed=name in subscribed):
                return group.events
        return _NOTHING

    async def _look(self) -> _Seen:
        account = self._session.account
        return _Seen(await account.listing(), frozenset(await account.subscriptions()))

    def _listen(self) -> bool:
        """Hear of the folders that are watched now, and of no others."""
        wanted: set[int | str] = {
            folder.id
            for name, folder in self._seen.folders.items()
            if self._events(name, folder, self._seen.subscribed) and "r" in folder.rights
        }
        if len(wanted) > self._session.config.notify_limit:
            return False
        wanted |= {self._session.account.name, *(folder.account for folder in self._seen.folders.values())}
        for what in wanted - self._heard:
            self._bus.listen(what, self.changed)
        for what in self._heard - wanted:
            self._bus.forget(what, self.changed)
        self._heard = wanted
        return True

    def _on_annotated(self, told: Annotated) -> None:
        ours = told.account in ("", self._session.account.name)
        if ours and (told.folder in self._heard if told.folder else self._server):
            if len(self._annotated) > self._session.config.notify_limit:
                return  # `tell` gives up all the same
            self._annotated.update(((told.folder, entry), None) for entry in told.entries)
            self.changed.set()

    # --- what is told

    async def tell_status(self) -> None:
        """RFC 5465 section 3.1: the STATUS that a client begins with, of each mailbox but the selected one."""
        for name, folder in self._seen.folders.items():
            events = self._events(name, folder, self._seen.subscribed)
            if Event.NEW in events and "r" in folder.rights and not self._is_selected(folder):
                await self._status(name, folder, events)
        await self._session.flush()

    async def tell(self) -> None:
        """What has happened since. Where that is too much the client is told so, and hears no more (RFC 5465 section 5.8)."""
        if not self.changed.is_set():
            return
        self.changed.clear()
        try:
            before, self._seen = self._seen, await self._look()
        except BaseException:
            self.changed.set()
            raise
        annotated, self._annotated = self._annotated, {}
        if not self._listen() or len(annotated) > self._session.config.notify_limit:
            self._session.stop_watching()
            self._session.write(responses.untagged(f"OK [{_OVERFLOW}] Too much to tell"))
            return
        await self._tell_names(before)
        known = {folder.id: folder for folder in before.folders.values()}
        for name, folder in self._seen.folders.items():
            if folder.id in known and not self._is_selected(folder):
                await self._tell_messages(name, known[folder.id], folder)
        self._tell_annotations(annotated)
        await self._session.flush()

    async def _tell_names(self, before: _Seen) -> None:
        """RFC 5465 sections 5.4 and 5.5: LIST of what is new, renamed, gone, subscribed to."""
        now = self._seen
        names_before = {folder.id: name for name, folder in before.folders.items()}
        ids_now = {folder.id for folder in now.folders.values()}
        for name, folder in before.folders.items():
            if folder.id not in ids_now and Event.NAME in self._events(name, folder, before.subscribed):
                self._list(name, ["\\NonExistent"])
        told: set[str] = set()
        for name, folder in now.folders.items():
            old = names_before.get(folder.id)
            if old != name and Event.NAME in self._events(name, folder, now.subscribed):
                renamed = b"" if old is None else b' ("OLDNAME" (%b))' % self._session.mailbox(old)
                self._list(name, ["\\Subscribed"] if name in now.subscribed else [], renamed)
                told.add(name)
        for name in sorted((before.subscribed ^ now.subscribed) - told):
            known = now.folders.get(name)
            if Event.SUBSCRIPTION in self._events(name, known, now.subscribed | before.subscribed):
                words = ["\\Subscribed"] if name in now.subscribed else []
                self._list(name, words if known is not None else [*words, "\\NonExistent"])

    def _list(self, name: str, words: list[str], extra: bytes = b"") -> None:
        self._session.write(responses.listing(b"LIST", words, self._session.mailbox(name), extra))

    async def _tell_messages(self, name: str, before: Folder, now: Folder) -> None:
        """RFC 5465 sections 5.1 to 5.3: STATUS."""
        if before.modseq == now.modseq or "r" not in now.rights:
            return
        events = self._events(name, now, self._seen.subscribed)
        moved = (before.uidnext, before.messages) != (now.uidnext, now.messages)
        if (Event.NEW if moved else Event.FLAGS) in events:
            await self._status(name, now, events)

    async def _status(self, name: str, folder: Folder, events: frozenset[Event]) -> None:
        modseq = self._session.condstore or Event.FLAGS in events
        values = [(item, status.VALUES[item](folder)) for item in (*_ITEMS, "HIGHESTMODSEQ")[: 5 if modseq else 4]]
        self._session.write(responses.status(self._session.mailbox(name), values))

    def _tell_annotations(self, annotated: dict[tuple[int, str], None]) -> None:
        """RFC 5465 sections 5.6 and 5.7."""
        names = {folder.id: name for name, folder in self._seen.folders.items()}
        for number, entry in annotated:
            name = names.get(number, "")
            if number and (not name or Event.METADATA not in self._events_now(name)):
                continue
            self._session.write(b"* METADATA %b %b\r\n" % (self._session.mailbox(name), entry.encode()))

    def _events_now(self, name: str) -> frozenset[Event]:
        return self._events(name, self._seen.folders[name], self._seen.subscribed)

    def _is_selected(self, folder: Folder) -> bool:
        return self._session.selected is not None and self._session.selected.folder.id == folder.id

    # --- the selected mailbox

    def _last_uid(self) -> int:
        view = self._session.selected
        return view.uids[-1] if view is not None and view.uids else 0

    def selected_anew(self) -> None:
        """Another mailbox is selected: what is in it is not new."""
        self._fetched = self._last_uid()

    async def fetch_new(self) -> None:
        """RFC 5465 section 5.2: what the client wants to know of each new message."""
        view = self._session.selected
        if view is None or self.selected is None or not self.selected.items:
            return
        places = range(bisect_right(view.uids, self._fetched), len(view.uids))
        self._fetched = self._last_uid()
        if places:
            await fetch.answer(self._session, [places], self.selected.items)


def _covers(group: Group, name: str, *, personal: bool, subscribed: bool) -> bool:
    match group.which:
        case Which.INBOXES:
            return name == "INBOX"
        case Which.PERSONAL:
            return personal
        case Which.SUBSCRIBED:
            return subscribed
        case Which.SUBTREE:
            return any((name + SEPARATOR).startswith(top + SEPARATOR) for top in group.names)
    return name in group.names


# --- when it is told


async def tell(session: "ImapSession", *, expunges: bool) -> None:
    """All there is to tell: of the selected mailbox, and of those watched. Raises NotFound where the selected one is gone."""
    if session.selected is not None:
        await updates.tell(session, expunges=expunges)
    if session.watch is not None:
        await session.watch.fetch_new()
        await session.watch.tell()


async def until_said(session: "ImapSession", *, idle: bool) -> bytes:
    """The client's next line, with its end. What happens meanwhile is told: in IDLE, or between commands."""
    line = asyncio.ensure_future(session.reader.raw_line())
    try:
        while not line.done():
            with session.interruptible():
                await _either(line, _waits_for(session, idle=idle))
            if not line.done():
                await _tell_at_once(session, idle=idle)
        return line.result()
    except MailError as error:
        if idle or isinstance(error, NotFound):
            raise
        log.warning("%s: no more updates before the next command", session.context.session, exc_info=True)
        with session.interruptible():
            return await line
    finally:
        line.cancel()


def _tells_selected(session: "ImapSession", *, idle: bool) -> bool:
    """Without a group about it the selected mailbox is told of as ever: in IDLE, and with commands."""
    if session.watch is None or session.watch.selected is None:
        return idle
    return bool(session.watch.selected.events)


def _waits_for(session: "ImapSession", *, idle: bool) -> list[asyncio.Event]:
    events = []
    if session.selected is not None and _tells_selected(session, idle=idle):
        events.append(session.selected.changed)
    if session.watch is not None:
        events.append(session.watch.changed)
    return events


async def _tell_at_once(session: "ImapSession", *, idle: bool) -> None:
    """Between commands expunges are told where the client has asked for SELECTED (RFC 5465 sections 6.1 and 6.2)."""
    if session.selected is not None and _tells_selected(session, idle=idle):
        delayed = session.watch is not None and session.watch.delays_expunges
        await tell(session, expunges=idle or not delayed)
    elif session.watch is not None:
        await session.watch.tell()


async def _either(line: "asyncio.Future[bytes]", events: list[asyncio.Event]) -> None:
    waiting: list[asyncio.Future[Any]] = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait([line, *waiting], return_when=asyncio.FIRST_COMPLETED)
    finally:
        for one in waiting:
            one.cancel()
