"""NOTIFY (RFC 5465): what happens in any mailbox, told when it happens.

A change of the selected mailbox is told as `updates` does it, before the client's next command. Of all others nothing is kept
but how they were when last told of: whatever happened meanwhile is the difference to how they are now.
"""

from bisect import bisect_right
from collections.abc import Iterable
from typing import TYPE_CHECKING

from msgspec import Struct

from mailhub.mailbox.changes import Annotated, Bell
from mailhub.model.mailbox import SEPARATOR, Folder
from mailhub.wire.imap import responses
from mailhub.wire.imap.notify import SELECTED, Event, Group, Notify, Which

from . import fetch, status
from .answers import Answer, no, ok
from .listing import Tree, parents

if TYPE_CHECKING:
    from .session import ImapSession

_ITEMS = ("MESSAGES", "UIDNEXT", "UIDVALIDITY", "UNSEEN")
_BADEVENT = f"BADEVENT ({' '.join(event.value for event in Event)})"
_OVERFLOW = "NOTIFICATIONOVERFLOW"
_NOTHING = frozenset[Event]()
_NO_ACCESS = "\\NoAccess"


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
    watch.tell_forbidden()
    if verb.status:
        await watch.tell_status()
    return ok("Will be told")


class _Seen(Struct, frozen=True):
    """What the client has been told of, or has asked for, at one moment."""

    folders: dict[str, Folder]
    subscribed: frozenset[str]


class Watch:
    """What one session wants to hear of. `changed` is set when there may be something to `tell`. Close it at the end."""

    def __init__(self, session: "ImapSession", groups: tuple[Group, ...]) -> None:
        self._session = session
        self._groups = [group for group in groups if group.which not in SELECTED]
        self.selected = next((group for group in groups if group.which in SELECTED), None)
        self.changed = Bell()
        self._bus = session.mailboxes.changes
        self._heard: set[int | str] = set()  # folders, and accounts whose lists of folders count
        self._annotated: dict[tuple[int, str], None] = {}
        self._own: set[str] = set()  # names that this client has changed itself
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

    def heard(self, *names: str) -> None:
        """The client has changed these mailboxes' names or subscriptions, and knows (RFC 5465 section 5)."""
        self._own |= {*names, *parents(names)}

    def heard_annotations(self, folder: int, entries: Iterable[str]) -> None:
        """The same of annotations."""
        for entry in entries:
            self._annotated.pop((folder, entry), None)

    # --- what is told

    def tell_forbidden(self) -> None:
        """RFC 5465 section 3.1: mailboxes that the client may know of, but not hear of."""
        for name, folder in self._seen.folders.items():
            if "r" not in folder.rights and self._events(name, folder, self._seen.subscribed):
                self._list(name, [_NO_ACCESS])

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
        """RFC 5465 sections 5.4, 5.5 and 5.9: LIST of what is new, renamed, gone, subscribed to, forbidden or no more so."""
        now, own = self._seen, self._own
        self._own = set()
        names_before = {folder.id: name for name, folder in before.folders.items()}
        names_now = {folder.id: name for name, folder in now.folders.items()}
        affected: dict[str, str] = {}  # with the name before, if it was renamed
        for number, name in names_before.items():
            if number not in names_now:
                affected |= dict.fromkeys(_with_parent(name), "")
        for number, name in names_now.items():
            old = names_before.get(number)
            if old is None:
                affected |= dict.fromkeys(_with_parent(name), "")
            elif old != name and not self._follows(before, number, old, name):
                affected[name] = old
        told = {
            name
            for name, old in affected.items()
            if name not in own and any(Event.NAME in self._events_of(each, before) for each in (name, old) if each)
        }
        subscribed = (before.subscribed ^ now.subscribed) - told - own
        told |= {name for name in subscribed if Event.SUBSCRIPTION in self._events_of(name, before)}
        for name in sorted(told):
            old = affected.get(name)
            self._list(name, [], b' ("OLDNAME" (%b))' % self._session.mailbox(old) if old else b"")
        for name, folder in now.folders.items():
            was = before.folders.get(name)
            if was is not None and ("r" in was.rights) != ("r" in folder.rights) and self._events_now(name):
                self._list(name, [] if "r" in folder.rights else [_NO_ACCESS])

    def _follows(self, before: _Seen, number: int, old: str, name: str) -> bool:
        """Whether it has another name because one above it has."""
        for above in parents([name]):
            folder = self._seen.folders.get(above)
            if folder is not None and folder.id != number:
                rest = name[len(above) :]
                was = before.folders.get(old.removesuffix(rest)) if old.endswith(rest) else None
                if was is not None and was.id == folder.id:
                    return True
        return False

    def _events_of(self, name: str, before: _Seen) -> frozenset[Event]:
        """Of a mailbox that is there, or was."""
        folder = self._seen.folders.get(name) or before.folders.get(name)
        return self._events(name, folder, self._seen.subscribed | before.subscribed)

    def _list(self, name: str, words: list[str], extra: bytes = b"") -> None:
        tree = Tree(self._seen.folders, self._seen.subscribed)
        words = [*tree.attributes(name), *words]
        if name in tree.subscribed:
            words.append("\\Subscribed")
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


def _with_parent(name: str) -> list[str]:
    """A mailbox that comes or goes affects the one above it (RFC 5465 section 5.4)."""
    above = name.rpartition(SEPARATOR)[0]
    return [name, above] if above else [name]


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
