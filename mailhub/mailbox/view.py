"""A session's view of a folder: what it has been told of, by message number, until it is told more."""

import asyncio
from array import array
from bisect import bisect_left
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import cast

from msgspec import Struct
from msgspec.structs import replace

from mailhub.model import search as query
from mailhub.model.clock import Clock
from mailhub.model.errors import Denied, NotFound
from mailhub.model.mailbox import DELETED, Changes, FlagOp, Folder, Glimpse, MessageRow, View, settable
from mailhub.model.rights import Rights
from mailhub.model.sorting import Algorithm, Criterion, Node
from mailhub.store.api import Copied, Looked, MailboxStore, MessageFile, Needle

from . import search as keys
from . import searching, sorting, threads
from .changes import Bell, ChangeBus
from .heavy import HeavyLane
from .indexer import Indexer
from .resync import Known, agreed, common, gaps, runs
from .sharing import need

_ROWS = 1_000  # rows of one call to the store
_PAGE = 50  # messages that are sorted or threaded between two pauses
_NEVER = 1 << 32  # above every UID
_NOBODY = cast("set[int]", frozenset())  # for all views: an empty set of its own is 216 octets


class Delta(Struct, frozen=True):
    """What a session has to tell, in this order: message numbers expunged (each as it is when the ones before it are
    gone), how many exist and are recent (None: as before), (number, UID, flags) changed; `keywords`: there are new ones,
    or other flags may be set now. `vanished`: the UIDs of those expunged, ascending."""

    expunged: tuple[int, ...] = ()
    vanished: tuple[int, ...] = ()
    exists: int | None = None
    recent: int | None = None
    flags: tuple[tuple[int, int, int], ...] = ()
    keywords: bool = False


class FolderView:
    """`uids`, `flags` and `modseqs` are arrays in the order of message numbers; `recent` is a set of UIDs.

    `changed` is set when there may be something to `sync`. Close the view when the session leaves the folder.
    """

    def __init__(
        self, store: MailboxStore, bus: ChangeBus, lane: HeavyLane, index: Indexer, clock: Clock, state: View,
        recent_from: int | None, rights: Callable[[], Awaitable[Rights]] | None = None,
    ) -> None:  # fmt: skip
        self._store, self._bus, self.lane, self._index, self._clock = store, bus, lane, index, clock
        self._ask_rights = rights
        self.folder: Folder = state.folder
        self.rights = state.folder.rights
        self._told_rights = self.rights
        self.uids: array[int] = state.uids
        self.flags: array[int] = state.flags
        self.modseqs: array[int] = state.modseqs
        self.read_only = recent_from is None
        self.recent: set[int] = _NOBODY
        if recent_from is not None:
            self.recent = set(self.uids[bisect_left(self.uids, recent_from) :]) or _NOBODY
        self.saved: query.Ranges = ()
        self.changed = Bell()
        self._gone: set[int] = _NOBODY
        self.told = self.folder.modseq  # the mod-sequence up to which nothing is untold, expunges neither
        self._told_keywords = self.folder.keywords
        bus.listen(self.folder.id, self.changed)

    def close(self) -> None:
        self._bus.forget(self.folder.id, self.changed)

    def place(self, uid: int) -> int | None:
        """The index of a UID in the arrays, None where it is not in the view."""
        at = bisect_left(self.uids, uid)
        return at if at < len(self.uids) and self.uids[at] == uid else None

    async def check_rights(self) -> None:
        """What others granted may have been taken away: NotFound where the folder may not be read any more."""
        if self._ask_rights is not None and self.changed.is_set():
            self.rights = await self._ask_rights()
            if "r" not in self.rights:
                raise NotFound("no right to read it any more")

    async def sync(self, *, expunges: bool) -> Delta:
        """Catch up with the store. With `expunges=False` no number shifts: what is gone is told later.
        NotFound where the folder itself is gone. After an error the view is as it was, and nothing is lost."""
        if not self.changed.is_set() and not (expunges and self._gone):
            return Delta()
        await self.check_rights()
        self.changed.clear()
        try:
            changes, recent_from = await self._ask()
        except BaseException:
            self.changed.set()
            raise
        # nothing is awaited from here on: what is taken in is told
        self.folder = changes.folder
        self._gone = _with(self._gone, {uid for uid in changes.expunged if self.place(uid) is not None})
        expunged, vanished = self._remove() if expunges else ((), ())
        if not self._gone:
            self.told = self.folder.modseq
        flags, fresh = self._apply(changes.rows)
        self.recent = _with(self.recent, {uid for uid in fresh if uid >= recent_from})
        keywords = (self.folder.keywords, self.rights) != (self._told_keywords, self._told_rights)
        self._told_keywords, self._told_rights = self.folder.keywords, self.rights
        counts = bool(fresh)
        return Delta(
            expunged,
            vanished,
            len(self.uids) if counts else None,
            len(self.recent) if counts else None,
            flags,
            keywords,
        )

    async def _ask(self) -> tuple[Changes, int]:
        """What happened since, and the first UID of those that are \\Recent for this view."""
        changes = await self._changes()
        last = self.uids[-1] if self.uids else 0
        if self.read_only or not changes.rows or changes.rows[-1][0] <= last:
            return changes, _NEVER
        recent_from = await self._store.take_recent(self.folder.id)
        # asked again: what came in between is taken too, and nobody else will show it as \\Recent
        return await self._changes(), recent_from

    async def _changes(self) -> Changes:
        """All since the view's mod-sequence; from the whole folder, where the store does not remember that long."""
        changes = await self._store.changes(self.folder.id, self.folder.modseq)
        if changes.forgotten <= self.folder.modseq:
            return changes
        now = await self._store.view(self.folder.id)
        rows = [row for row in zip(now.uids, now.flags, now.modseqs, strict=True) if row[2] > self.folder.modseq]
        return Changes(now.folder, tuple(rows), tuple(sorted(set(self.uids).difference(now.uids))))

    def _apply(self, rows: Sequence[tuple[int, int, int]]) -> tuple[tuple[tuple[int, int, int], ...], list[int]]:
        last = self.uids[-1] if self.uids else 0
        changed: list[tuple[int, int, int]] = []
        fresh: list[int] = []
        for uid, flags, modseq in rows:
            at = self.place(uid)
            if at is not None:
                if self.modseqs[at] != modseq:
                    self.flags[at], self.modseqs[at] = flags, modseq
                    changed.append((at + 1, uid, flags))
            elif uid > last:
                self.uids.append(uid)
                self.flags.append(flags)
                self.modseqs.append(modseq)
                fresh.append(uid)
        return tuple(changed), fresh

    def _remove(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Take out what is gone; from the highest number down, so that each is told as it stands."""
        places = sorted((at for uid in self._gone if (at := self.place(uid)) is not None), reverse=True)
        self._gone = _NOBODY
        if not places:
            return (), ()
        out = frozenset(places)
        vanished = tuple([self.uids[at] for at in reversed(places)])
        self.recent -= frozenset(vanished)
        self.uids = array("I", [uid for at, uid in enumerate(self.uids) if at not in out])
        self.flags = array("q", [flags for at, flags in enumerate(self.flags) if at not in out])
        self.modseqs = array("q", [modseq for at, modseq in enumerate(self.modseqs) if at not in out])
        return tuple([at + 1 for at in places]), vanished

    async def missed(self, known: Known) -> query.Ranges:
        """UIDs that are gone since the client was here. What is gone, but is in the view still, `sync` will tell."""
        changes = await self._store.changes(self.folder.id, known.modseq)
        last = self.folder.uidnext - 1
        if changes.forgotten > known.modseq:
            gone = gaps(self.uids, 1 if known.match is None else agreed(self.uids, known.match) + 1, last)
        else:
            gone = runs(uid for uid in changes.expunged if uid <= last and self.place(uid) is None)
        return gone if known.uids is None else common(gone, keys.merged(known.uids, last))

    async def rows(self, uids: Sequence[int], *, rendered: bool) -> list[MessageRow]:
        """Rows of those that still exist, ascending."""
        out: list[MessageRow] = []
        for start in range(0, len(uids), _ROWS):
            out += await self._store.rows(self.folder.id, uids[start : start + _ROWS], rendered)
        return out

    async def measured(self, key: query.Key) -> Sequence[int]:
        """UIDs of the folder, ascending, that a key of search.Plan.measured matches; or, for an Envelope, may match."""
        if not isinstance(key, query.Envelope):
            return await self._store.measured(self.folder.id, *keys.measure(cast(keys.Measured, key)))
        found, last = await self._store.mentioning(self.folder.id, key.text, 0)
        while last:
            more, last = await self._store.mentioning(self.folder.id, key.text, last)
            found += more
        return found

    async def glimpses(self, uids: Sequence[int]) -> dict[int, Glimpse]:
        """THREADID and PREVIEW by UID, as far as they are kept."""
        return await self._store.glimpses(self.folder.id, uids)

    async def keep_glimpses(self, found: Mapping[int, Glimpse]) -> None:
        await self._store.keep_glimpses(self.folder.id, found)

    async def open(self, uid: int) -> MessageFile:
        """NotFound where the message is gone."""
        return await self._store.open(self.folder.id, uid)

    async def set_flags(
        self,
        uids: Sequence[int],
        op: FlagOp,
        flags: int,
        keywords: Sequence[str] = (),
        unchanged_since: int | None = None,
    ) -> tuple[list[tuple[int, int, int]], list[int]]:
        """Rows (uid, flags, mod-sequence) as they are now, which the view knows already and `sync` will not repeat; and UIDs left
        alone because they have changed after `unchanged_since`. Flags that may not be changed are passed over; Denied where none
        of those named may (RFC 4314 section 4)."""
        may = settable(self.rights)
        named = bool(flags or keywords)
        keywords = keywords if "w" in self.rights else ()
        if not may or (named and not flags & may and not keywords):
            raise Denied("may set none of these flags")
        folder, rows, refused = await self._store.set_flags(
            self.folder.id, uids, op, flags & may, keywords, may, unchanged_since
        )
        self.folder = replace(self.folder, keywords=folder.keywords)
        self._told_keywords = folder.keywords
        for uid, now, modseq in rows:
            at = self.place(uid)
            if at is not None:
                self.flags[at], self.modseqs[at] = now, modseq
        return rows, refused

    async def copy(self, uids: Sequence[int], target: Folder) -> Copied:
        """Flags that may not be set in the target are left out (RFC 4314 section 4)."""
        need(target.rights, "i")
        copied = await self._store.copy(self.folder.id, uids, target.id, settable(target.rights))
        self._bus.moved(self.folder, copied)
        return copied

    async def move(self, uids: Sequence[int], target: Folder) -> Copied:
        """Removes them here, and needs the rights for that too (RFC 6851 section 4.4)."""
        need(self.rights, "te")
        need(target.rights, "i")
        copied = await self._store.move(self.folder.id, uids, target.id, settable(target.rights))
        self._bus.moved(self.folder, copied)
        return copied

    async def expunge(self, ranges: query.Ranges | None = None) -> list[int]:
        """Remove messages with \\Deleted; `ranges`: only among these UIDs. UIDs that are gone by this call."""
        need(self.rights, "e")
        among = None if ranges is None else keys.merged(ranges, self.uids[-1] if self.uids else 0)
        chosen = [
            uid
            for uid, flags in zip(self.uids, self.flags, strict=True)
            if flags & DELETED and (among is None or keys.within(uid, among))
        ]
        return await self._store.expunge(self.folder.id, chosen) if chosen else []

    # --- searching

    @property
    def _moment(self) -> keys.Moment:
        return keys.Moment(self.folder, self.uids[:], self.modseqs[:], self._clock.now(), self.saved)

    def pinned(self, key: query.Key) -> query.Key:
        """The query without message numbers and "$": it means the same when the view has moved on."""
        return keys.pinned(key, self._moment)

    async def search(
        self, key: query.Key, *, among: Sequence[int] | None = None, progress: searching.Progress | None = None
    ) -> list[int]:
        """UIDs that match, ascending; `among`: only of these, which are in the view. The loop is given back between pages."""
        moment, flags = self._moment, self.flags[:]
        uids: Sequence[int] = moment.uids
        if among is not None:
            flags = array("q", [flags[bisect_left(uids, uid)] for uid in among])
            uids = among
        return await searching.search(self, keys.prepared(key, moment), uids, flags, progress)

    def save(self, uids: Sequence[int]) -> None:
        """What "$" stands for from now on (RFC 5182)."""
        self.saved = runs(sorted(uids))

    async def order(
        self, uids: Sequence[int], criteria: Sequence[Criterion]
    ) -> list[tuple[int, tuple[sorting.Value, ...]]]:
        """Those of these UIDs that still exist, each with what it is compared by."""
        found: list[tuple[int, tuple[sorting.Value, ...]]] = []
        envelopes = sorting.needs_envelope(criteria)
        for start in range(0, len(uids), _PAGE):
            rows = await self.rows(uids[start : start + _PAGE], rendered=envelopes)
            size = sum([len(row.envelope) for row in rows])
            found += await self.lane.by_size(size, sorting.valued, rows, criteria)
            await asyncio.sleep(0)
        return found

    async def sort(self, uids: Sequence[int], criteria: Sequence[Criterion]) -> list[int]:
        """The same ascending UIDs in that order, without those that are gone."""
        return await self.lane.call(sorting.ordered, await self.order(uids, criteria), criteria)

    async def threads(self, uids: Sequence[int], algorithm: Algorithm) -> list[Node]:
        """Those messages in threads."""
        references = {} if algorithm is Algorithm.ORDEREDSUBJECT else await searching.references(self, uids)
        found: list[threads.Message] = []
        for start in range(0, len(uids), _PAGE):
            rows = await self.rows(uids[start : start + _PAGE], rendered=True)
            found += [threads.message(row, references.get(row.uid, b"")) for row in rows]
            await asyncio.sleep(0)
        return await self.lane.call(threads.threads, found, algorithm)

    async def look(self, needles: Sequence[Needle]) -> Looked:
        """What the full-text index knows; it is told that somebody wants it."""
        return await self._index.look(self.folder, needles)

    async def known_references(self) -> Mapping[int, bytes]:
        return await self._index.references(self.folder)


def _with(some: set[int], more: set[int]) -> set[int]:
    """Both; in the time of the latter."""
    if not some:
        return more or _NOBODY
    some |= more
    return some
