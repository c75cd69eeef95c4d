"""The mailbox service: one for a hub, and the mail of one account."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial

from msgspec.structs import replace

from mailhub.config import schema
from mailhub.message.parts import Part, parse
from mailhub.message.preview import READ
from mailhub.message.shown import Leaf
from mailhub.message.structure import render
from mailhub.model.clock import Clock
from mailhub.model.errors import Denied, Exists, LimitReached, NotFound, OverQuota, Permanent
from mailhub.model.mailbox import SEPARATOR, UNLIMITED, Folder, Glimpse, Limits, Quota, View, settable
from mailhub.model.rights import KNOWING, WRITING, Rights
from mailhub.store.api import Body, BodyWriter, Content, Copied, Filing, MessageFile, NewMessage, Store
from mailhub.trace import Trace

from . import octets
from .annotations import Annotations
from .changes import ChangeBus
from .heavy import SMALL, HeavyLane, quick
from .indexer import Indexer
from .namespaces import Namespaces
from .sharing import Sharing, need
from .snapshot import Snapshot
from .view import Delta, FolderView

__all__ = [
    "AccountMail",
    "Appended",
    "BodyWriter",
    "Copied",
    "Delta",
    "FolderView",
    "Mailboxes",
    "MessageFile",
    "Snapshot",
]

# what a fresh account is given at its first listing, as Thunderbird and mutt expect (RFC 6154)
SPECIAL_USE = (
    ("Drafts", "\\Drafts"),
    ("Sent", "\\Sent"),
    ("Trash", "\\Trash"),
    ("Junk", "\\Junk"),
    ("Archive", "\\Archive"),
)
_USES = dict(SPECIAL_USE)
AppendHook = Callable[[str, str, int, int, tuple[str, ...]], Awaitable[None]]  # raises where it may not be stored
Appended = tuple[Body, int | None, int, Sequence[str]]  # body, INTERNALDATE or None for now, system flags, keywords


class Mailboxes:
    """`close()` ends its thread and its background work; the store is the hub's."""

    def __init__(self, store: Store, config: schema.Mailbox, clock: Clock, trace: Trace | None = None) -> None:
        self._store, self.config, self._clock = store, config, clock
        self.trace = trace or Trace.off(clock)
        self.namespaces = Namespaces(config)
        self.append_hook: AppendHook | None = None
        self.changes = ChangeBus()
        store.mailboxes.limits = Limits(config.quota_storage, config.quota_messages)
        store.mailboxes.subscribe(self.changes.publish)
        self._lane = HeavyLane()
        self.indexer = Indexer(store, self._lane)
        store.mailboxes.subscribe(self.indexer.publish)

    def close(self) -> None:
        self.indexer.close()
        self._lane.close()

    def account(self, name: str) -> "AccountMail":
        """The mail of the account with that name."""
        return AccountMail(self, self._store, name, self._clock)

    @property
    def has_quotas(self) -> bool:
        """Whether anybody has a limit."""
        return self._store.mailboxes.limits != UNLIMITED or self._store.mailboxes.limited

    async def has_room(self, account: str, size: int) -> bool:
        """Whether mail of that size may be delivered: within the quota, or the grace beyond it."""
        if not self.has_quotas:
            return True
        return (await self._store.mailboxes.quota(account)).takes(size, 1, self.config.quota_grace)

    async def stage(self, account: str, folder: str, *, head: bytes, content: Content, file: str, date: int) -> Filing:
        """Write a delivery's file; the Filing that comes back is to be settled. `head` stands before the content. OverQuota is
        temporary: who was told 250 at a time when there was room waits for it."""
        if not await self.has_room(account, content.size):
            raise OverQuota(f"{account} has no room for {content.size} octets")
        if folder in _USES:
            folder = await self.account(account).have(folder)
        body = content.body.data
        if body is not None and quick(body):
            envelope, structure = render(head + content.prefix + body + content.tail)
        else:
            envelope, structure = await self._lane.over(render, len(head) + content.size, octets.behind(head, content))
        size = len(head) + content.size
        filing = Filing(account, folder, file, head, content.id, size, date, envelope, structure)
        await self._store.mailboxes.stage(filing, content)
        return filing

    @property
    def lane(self) -> HeavyLane:
        """For work on messages that would hold the loop."""
        return self._lane

    async def render(self, body: Body) -> tuple[bytes, bytes]:
        """ENVELOPE and BODYSTRUCTURE of a message that is to be appended."""
        if body.data is not None and quick(body.data):
            return render(body.data)
        return await self._lane.over(render, body.size, partial(self._store.queue.read_body, body))

    async def parts(self, file: MessageFile) -> Part:
        """A message's part tree."""
        if file.size <= SMALL and quick(data := await file.read(0, file.size)):
            return parse(data)
        return await self._lane.over(parse, file.size, file.read)

    async def leaves(self, file: MessageFile) -> list[Leaf]:
        """Its parts that have content, with their names."""
        if file.size <= SMALL and quick(data := await file.read(0, file.size)):
            return octets.leaves(data)
        return await self._lane.over(octets.leaves, file.size, file.read)

    async def glimpse(self, file: MessageFile) -> Glimpse:
        """The thread that a message belongs to, and its first words."""
        data = await file.read(0, READ)
        return octets.glimpse(data) if quick(data) else await self._lane.call(octets.glimpse, data)

    def view(
        self, state: View, recent_from: int | None, rights: Callable[[], Awaitable[Rights]] | None = None
    ) -> FolderView:
        """`recent_from`: None for a view that only reads. `rights`: where they may change."""
        return FolderView(
            self._store.mailboxes, self.changes, self._lane, self.indexer, self._clock, state, recent_from, rights
        )


class AccountMail:
    """What an account can do with its own folders, and with those of others that it has rights on. Folder names are Unicode with
    "." between levels; INBOX in any case; those of others as `namespaces` has them. Denied where a right is missing, NotFound
    where that would tell of a folder that the account may not know of (RFC 4314 section 6)."""

    def __init__(self, service: Mailboxes, store: Store, name: str, clock: Clock) -> None:
        self._service, self._whole, self._store, self.name = service, store, store.mailboxes, name
        self._clock = clock
        self.namespaces = service.namespaces
        self.sharing = Sharing(store.sharing, service.config, name)
        self.annotations = Annotations(store.sharing, service.changes, service.config, name)

    async def folders(self) -> list[Folder]:
        """All of its own, INBOX first. A fresh account gets its special-use folders here, or with its first folder or subscription: one with
        INBOX alone, that subscribes to nothing else (names of folders deleted later stay subscribed, so they do not come back)."""
        found = await self._store.folders(self.name)
        if await self._is_fresh(found):
            await self._furnish()
            found = await self._store.folders(self.name)
        return found

    async def _is_fresh(self, found: list[Folder]) -> bool:
        return len(found) == 1 and not set(await self._store.subscriptions(self.name)) - {"INBOX"}

    async def _furnish(self) -> None:
        for folder, use in SPECIAL_USE:
            with suppress(Exists):
                await self._store.create(self.name, folder, use)

    async def existing(self) -> list[Folder]:
        """Its own folders as they are, INBOX first; none are made."""
        return await self._store.folders(self.name)

    async def listing(self) -> dict[str, Folder]:
        """All folders that the account may know of, by the names it has for them."""
        found: dict[str, Folder] = {}
        for folder, rights in await self.sharing.seen():
            name = self.namespaces.name_of(folder.account, folder.name)
            if name is not None:
                found[name] = replace(folder, rights=rights)
        return found | {folder.name: folder for folder in await self.folders()}

    async def find(self, name: str, rights: str = "") -> Folder:
        """NotFound where there is none of that name, or none that the account may know of; Denied where it may know of it
        (right "l") and one of `rights` is missing."""
        folder = await self._find(_canonical(name))
        if folder is not None and rights and folder.rights.issuperset(rights):
            return folder
        if folder is None or "l" not in folder.rights:
            raise NotFound(f"no folder {name[:80]!r}")
        need(folder.rights, rights)
        return folder

    async def by_id(self, wanted: str, rights: str = "") -> Folder:
        """The same by its object id, which it keeps when it is renamed, or by its name."""
        for name, folder in (await self.listing()).items():
            if folder.object_id == wanted:
                return await self.find(name, rights)
        return await self.find(wanted, rights)

    async def known(self, name: str) -> Folder:
        """One on which the account has any right that lets it see which ones it has (RFC 4314 section 4); NotFound for others."""
        folder = await self._find(_canonical(name))
        if folder is None or folder.rights.isdisjoint(KNOWING):
            raise NotFound(f"no folder {name[:80]!r}")
        return folder

    async def _find(self, wanted: str) -> Folder | None:
        """Also where the account may not know of it."""
        own = await (self._store.folders(self.name) if wanted == "INBOX" else self.folders())
        owner, name = self._owner(wanted)
        for folder in own:
            if folder.name == wanted or (folder.name == name and owner == self.name):
                return folder
        if owner == self.name or not await self.sharing.any_of(owner):
            return None
        for folder in await self._store.folders(owner):
            if folder.name == name:
                return replace(folder, rights=await self.sharing.rights(folder))
        return None

    def _owner(self, name: str) -> tuple[str, str]:
        """Whose folder a name stands for, and what the owner calls it."""
        owner, theirs = self.namespaces.owner_of(name) or (self.name, name)
        return owner, _canonical(theirs)

    async def create(self, name: str, special_use: str = "") -> Folder:
        """Exists where there is one; LimitReached where it would be one too many. Another's needs the right "k" above it."""
        name = self._checked(name)
        owner, theirs = self._owner(name)
        if owner != self.name:
            await self._may_create(name, theirs)
        folders = await self._store.folders(owner)
        use = _USES.get(name, "")
        if not special_use and all(folder.special_use != use for folder in folders):
            special_use = use
        known = {folder.name for folder in folders}
        levels = theirs.split(SEPARATOR)
        new = {SEPARATOR.join(levels[:n]) for n in range(1, len(levels) + 1)}
        if len(known | new) > self._service.config.folder_limit:
            raise LimitReached("mailbox.folder_limit")
        fresh = owner == self.name and await self._is_fresh(folders)
        made = await self._store.create(owner, theirs, special_use)
        if fresh:
            await self._furnish()
        return made

    async def _may_create(self, name: str, theirs: str) -> None:
        """The nearest folder above it that is there decides (RFC 4314 section 4). Nothing is told of what may not be known."""
        for n in range(theirs.count(SEPARATOR)):
            above = await self._find(name.rsplit(SEPARATOR, n + 1)[0])
            if above is not None:
                there = await self._find(name)
                if "k" in above.rights and (there is None or "l" in there.rights):
                    return
                break
        raise Denied("no right to make a folder of another's")

    async def delete(self, name: str) -> Folder:
        """The folder that was."""
        folder = await self.find(name, "x")
        if folder.name == "INBOX":
            raise Permanent("INBOX cannot be deleted")
        await self._store.delete(folder.id)
        return folder

    async def rename(self, name: str, new_name: str) -> None:
        """INBOX: its messages are moved, and it stays. A folder stays its owner's."""
        new_name = self._checked(new_name)
        folder = await self.find(name, "x")
        owner, theirs = self._owner(new_name)
        if owner != self.name:
            await self._may_create(new_name, theirs)
        if owner != folder.account or (folder.name == "INBOX" and owner != self.name):
            raise Permanent("a folder stays its owner's")
        await self._store.rename(folder.id, theirs)

    async def deleted(self, folder: Folder) -> tuple[int, int]:
        """How many messages have \\Deleted, and their octets."""
        return await self._store.deleted(folder.id)

    async def subscribe(self, name: str) -> None:
        """To a folder that is there or is not (RFC 3501 section 6.3.6)."""
        name = self._checked(name)
        if len(await self._store.subscriptions(self.name)) >= self._service.config.folder_limit:
            raise LimitReached("mailbox.folder_limit")
        if await self._is_fresh(await self._store.folders(self.name)):
            await self._furnish()
        await self._store.set_subscribed(self.name, name, True)

    async def unsubscribe(self, name: str) -> None:
        await self._store.set_subscribed(self.name, _canonical(name), False)

    async def subscriptions(self) -> list[str]:
        return await self._store.subscriptions(self.name)

    def body_writer(self) -> BodyWriter:
        """Where a message to be appended is fed. LimitReached where the disk is nearly full."""
        self._whole.queue.check_space()
        return self._whole.queue.body_writer()

    async def have(self, name: str) -> str:
        """The folder for the use that one of that name (of SPECIAL_USE) has: that one, or whichever the owner uses; made on
        first use."""
        folders, use = await self.folders(), _USES[name]
        if any(folder.name == name for folder in folders):
            return name
        for folder in folders:
            if folder.special_use == use:
                return folder.name
        with suppress(Exists):
            await self._store.create(self.name, name, use)
        return name

    async def append(
        self, folder: Folder, messages: Sequence[Appended], replaces: tuple[FolderView, int] | None = None
    ) -> tuple[Folder, list[int]]:
        """Their UIDs, when they are on disk. `replaces`: a message (UID) of a view that goes in the same moment. Flags that may
        not be set are left out (RFC 4314 section 4)."""
        need(folder.rights, "i")
        gone: tuple[int, int] | None = None
        if replaces is not None:
            view, uid = replaces
            need(view.rights, "te")
            gone = view.folder.id, uid
        now, may = int(self._clock.now()), settable(folder.rights)
        new = []
        for body, date, flags, keywords in messages:
            names = tuple(keywords) if "w" in folder.rights else ()
            if self._service.append_hook is not None:
                await self._service.append_hook(self.name, folder.name, body.size, flags & may, names)
            rendered = await self._service.render(body)
            new.append(NewMessage(body, now if date is None else date, *rendered, flags & may, names))
        uids = await self._store.append(folder.id, new, gone)
        return await self._store.folder(folder.id), uids

    async def quota(self) -> Quota:
        """What the account holds and may hold."""
        return await self._store.quota(self.name)

    async def remove(self, folder: Folder, uids: Sequence[int]) -> int:
        """Take back what the command under way has put there: that needs no right. How many there were."""
        return len(await self._store.expunge(folder.id, uids)) if uids else 0

    async def open_view(self, folder: Folder, *, read_only: bool) -> FolderView:
        """The folder as a session sees it. A view that may write takes the \\Recent messages for itself."""
        need(folder.rights, "r")
        read_only = read_only or folder.rights.isdisjoint(WRITING)
        recent = None if read_only else await self._store.take_recent(folder.id)
        state = await self._store.view(folder.id)
        rights = None if folder.account == self.name else partial(self.sharing.rights, folder)
        return self._service.view(replace(state, folder=replace(state.folder, rights=folder.rights)), recent, rights)

    async def snapshot(self, folder: Folder) -> Snapshot:
        """The folder as it is now, for who wants no news of it, and may take messages out of it."""
        need(folder.rights, "rte")
        return Snapshot(self._store, *await self._store.sizes(folder.id))

    async def open(self, folder: Folder, uid: int) -> MessageFile:
        """NotFound where there is no such message."""
        need(folder.rights, "r")
        return await self._store.open(folder.id, uid)

    async def url_key(self, folder: Folder) -> bytes:
        """What signs URLs of the folder's messages (RFC 4467)."""
        return await self._store.url_key(folder.id)

    async def known_url_key(self, name: str) -> tuple[Folder, bytes]:
        """The same of a folder by its name, where URLs of it were ever signed: else NotFound. Nothing is made."""
        return await self._store.known_url_key(self.name, _canonical(name))

    async def forget_url_key(self, folder: Folder) -> None:
        """URLs signed before are worth nothing any more."""
        await self._store.forget_url_key(folder.id)

    def _checked(self, name: str) -> str:
        name = _canonical(name)
        if len(name.encode()) > self._service.config.name_limit:
            raise Permanent("folder name longer than mailbox.name_limit")
        return name


def _canonical(name: str) -> str:
    head, dot, rest = name.partition(".")
    return "INBOX" + dot + rest if head.upper() == "INBOX" else name
