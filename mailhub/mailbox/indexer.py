"""Keeps the full-text index of the accounts that somebody searches: behind the changes of the store, a slice at a time.

An account's index begins with its first search of text, and from then on follows every change. A search never waits for it:
what the index does not know yet is read from the messages.
"""

import asyncio
import contextlib
import logging
from collections.abc import Iterator, Mapping, Sequence

from mailhub.model.errors import MailError, NotFound
from mailhub.model.mailbox import Changed, Folder
from mailhub.store.api import Document, Looked, Needle, Store

from . import readable
from .heavy import HeavyLane

log = logging.getLogger("mailhub.mailbox")

TEXT_LIMIT = 1 << 20  # characters of one message that are kept; a larger one is read at each search
_FILE_LIMIT = 1 << 23  # octets of a message that is looked at at all
_SLICE = 50  # messages of one commit
_SLICE_TEXT = 1 << 20  # characters of one commit, about
_WAITING = 10_000  # folders that may wait; others wait for their next change or search
_BEGIN = 0  # in place of a folder's id: all folders, after a start


class Indexer:
    """One task, which lives while there is something to do. `close()` it before the store."""

    def __init__(self, store: Store, lane: HeavyLane) -> None:
        self._store, self._texts, self._lane = store.mailboxes, store.texts, lane
        self._waiting: dict[tuple[str, int | None], None] = {}
        self._accounts: set[str] = set()  # known to have an index
        self._task: asyncio.Task[None] | None = None
        self._folders: dict[int, Folder] = {}  # as they were indexed

    def close(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def catch_up(self) -> None:
        """After a start: what came meanwhile for accounts that have an index."""
        for account in await self._texts.accounts():
            self._want(account, _BEGIN)

    async def settled(self) -> None:
        """Until nothing waits."""
        while self._task is not None:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.shield(self._task)

    # --- asked

    async def look(self, folder: Folder, needles: Sequence[Needle]) -> Looked:
        self._want(folder.account, folder.id)
        return await self._texts.look(folder, needles)

    async def references(self, folder: Folder) -> Mapping[int, bytes]:
        self._want(folder.account, folder.id)
        return await self._texts.references(folder)

    def publish(self, changed: Sequence[Changed]) -> None:
        """Called by the store after each commit."""
        for change in changed:
            if change.account in self._accounts:
                self._want(change.account, change.folder)

    def _want(self, account: str, folder: int | None) -> None:
        self._accounts.add(account)
        if len(self._waiting) >= _WAITING:
            return
        self._waiting[account, folder] = None
        if self._task is None:
            self._task = asyncio.ensure_future(self._run())

    # --- done

    async def _run(self) -> None:
        try:
            while self._waiting:
                account, folder = next(iter(self._waiting))
                del self._waiting[account, folder]
                try:
                    await self._do(account, folder)
                except MailError as error:
                    log.warning("search index of %s is behind: %s", account, error)
        except Exception:
            log.exception("the search indexes stand still; searches read the messages")
        finally:
            self._task = None

    async def _do(self, account: str, folder: int | None) -> None:
        if folder is None:
            await self._look_over(account)
        elif folder == _BEGIN:
            folders = await self._store.folders(account)
            await self._texts.keep(account, folders)
            for one in folders:
                self._want(account, one.id)
        else:
            await self._folder(folder)

    async def _look_over(self, account: str) -> None:
        """Its list of folders has changed: what is gone or has another name goes."""
        for folder in [folder for folder in self._folders.values() if folder.account == account]:
            try:
                now = await self._store.folder(folder.id)
            except NotFound:
                now = None
            if now is None or (now.name, now.uidvalidity) != (folder.name, folder.uidvalidity):
                del self._folders[folder.id]
                await self._texts.drop_folder(folder)
            if now is not None:
                self._want(account, now.id)

    async def _folder(self, folder_id: int) -> None:
        try:
            folder = await self._store.folder(folder_id)
        except NotFound:
            return
        self._folders[folder_id] = folder
        while len(self._folders) > _WAITING:
            del self._folders[next(iter(self._folders))]
        known, since = await self._texts.known(folder)
        if since == 0 or since > folder.modseq:
            view = await self._store.view(folder_id)
            folder, present = view.folder, frozenset(view.uids)
            gone = known - present
        else:
            changes = await self._store.changes(folder_id, since)
            folder, present = changes.folder, frozenset([uid for uid, _, _ in changes.rows])
            gone = known & frozenset(changes.expunged)
        if gone:
            await self._texts.drop(folder, sorted(gone))
        for uids in _slices(sorted(present - known, reverse=True)):
            if not await self._texts.room(folder.account):
                log.info("search index of %s is full: store.search_index_limit", folder.account)
                return
            await self._add(folder, uids)
        await self._texts.caught_up(folder)

    async def _add(self, folder: Folder, uids: Sequence[int]) -> None:
        documents: list[Document] = []
        size = 0
        for uid in uids:
            try:
                document = await self._document(folder, uid)
            except NotFound:
                continue
            documents.append(document)
            size += len(document.body)
            if size >= _SLICE_TEXT:
                await self._texts.add(folder, documents)
                documents, size = [], 0
        if documents:
            await self._texts.add(folder, documents)

    async def _document(self, folder: Folder, uid: int) -> Document:
        async with await self._store.open(folder.id, uid) as file:
            if file.size > _FILE_LIMIT:
                return Document(uid, "", "", b"", whole=False)
            text = await readable.read(self._lane, file, whole=True)
        if len(text.head) + len(text.body) > TEXT_LIMIT:
            return Document(uid, "", "", b"", whole=False)
        return Document(uid, text.head, text.body, text.references, text.thread)


def _slices(uids: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(uids), _SLICE):
        yield uids[start : start + _SLICE]
