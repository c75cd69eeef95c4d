"""A folder that holds still: UIDs and sizes at one moment, twelve octets a message, and no news (POP3)."""

from array import array
from collections.abc import Sequence

from mailhub.model.mailbox import Folder
from mailhub.store.api import MailboxStore, MessageFile


class Snapshot:
    """`sizes[i]` are the octets of the message `uids[i]`. No flag changes by being read, and \\Recent stays for IMAP."""

    def __init__(self, store: MailboxStore, folder: Folder, uids: "array[int]", sizes: "array[int]") -> None:
        self._store, self.folder, self.uids, self.sizes = store, folder, uids, sizes

    async def open(self, uid: int) -> MessageFile:
        """NotFound where the message is gone."""
        return await self._store.open(self.folder.id, uid)

    async def former_ids(self) -> dict[int, str]:
        """By UID: unique ids from another server, of messages that came with an adopted Maildir."""
        return await self._store.former_ids(self.folder.id)

    async def remove(self, uids: Sequence[int]) -> list[int]:
        """Expunge these, whatever their flags; those that are gone by this call."""
        return await self._store.expunge(self.folder.id, uids) if uids else []
