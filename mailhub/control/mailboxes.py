"""Mailboxes: their files and their index."""

from collections.abc import Callable, Sequence

from mailhub.directory import Directory
from mailhub.model.address import key
from mailhub.store import api
from mailhub.store.api import MailboxStore

from . import words
from .errors import ControlError
from .mailbox_words import TOLD


class Mailboxes:
    """The actions on accounts that exist."""

    def __init__(self, directory: Directory, mailboxes: MailboxStore) -> None:
        self._directory, self._mailboxes = directory, mailboxes

    async def _account(self, address: str) -> str:
        if await self._directory.account(address) is None:
            raise ControlError("not_found", f"no account {address}")
        return key(address)

    async def rebuild(self, request: words.MailboxRebuild, progress: Callable[[int, int], None]) -> words.Done:
        await self._mailboxes.rebuild(await self._account(request.address), progress)
        return words.Done()

    async def check(self, request: words.MailboxCheck) -> words.Disagreements:
        return _told(await self._mailboxes.check(await self._account(request.address)))

    async def repair(self, request: words.MailboxRepair) -> words.Disagreements:
        return _told(await self._mailboxes.repair(await self._account(request.address)))

    async def take(self, request: words.MailboxTake) -> words.MailboxTaken:
        account = await self._account(request.address)
        if not request.folder.isprintable() or "" in request.folder.split("/"):
            raise ControlError("usage", f"not a folder name: {request.folder[:80]!r}")
        found = await self._mailboxes.take(account, request.folder, request.files, request.floor)
        return words.MailboxTaken(seen=found.seen, floor=found.floor, done=found.done)

    async def sync(self, request: words.MailboxSync) -> words.Done:
        await self._mailboxes.sync()
        return words.Done()


def _told(found: Sequence[api.Disagreement]) -> words.Disagreements:
    listed = tuple(
        words.Disagreement(kind=each.kind, folder=each.folder, file=_text(each.file), detail=_text(each.detail))
        for each in found[:TOLD]
    )
    return words.Disagreements(total=len(found), listed=listed)


def _text(name: str) -> str:
    """File names may hold octets that are no UTF-8; JSON may not."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
