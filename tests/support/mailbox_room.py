"""The mailbox room on a real store, and nothing above it."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from mailhub.config import schema
from mailhub.mailbox.service import AccountMail, FolderView, Mailboxes
from mailhub.model.clock import VirtualClock
from mailhub.store.sqlite import SqliteStore

ALICE = "alice@mailhub.test"


@dataclass
class MailboxRoom:
    """`alice`: an account that nobody has used yet."""

    store: SqliteStore
    service: Mailboxes
    clock: VirtualClock
    alice: AccountMail

    async def put(
        self, *texts: bytes, folder: str = "INBOX", flags: int = 0, keywords: Sequence[str] = ()
    ) -> list[int]:
        """Append messages in one go; their UIDs."""
        messages = []
        for text in texts:
            writer = self.alice.body_writer()
            writer.feed(text)
            messages.append((await writer.finish(), None, flags, keywords))
        return (await self.alice.append(await self.alice.find(folder), messages))[1]

    async def remove(self, uids: Sequence[int], folder: str = "INBOX") -> None:
        """Expunge these, whatever their flags."""
        await (await self.alice.snapshot(await self.alice.find(folder))).remove(uids)

    async def view(self, folder: str = "INBOX", *, read_only: bool = False) -> FolderView:
        return await self.alice.open_view(await self.alice.find(folder), read_only=read_only)


@asynccontextmanager
async def mailbox_room(
    data: Path, mailbox: schema.Mailbox | None = None, *, store: schema.Store | None = None
) -> AsyncIterator[MailboxRoom]:
    clock = VirtualClock()
    opened = SqliteStore(data, store or schema.Store(free_space_floor=0), clock, "mx.test")
    await opened.open()
    service = Mailboxes(opened, mailbox or schema.Mailbox(), clock)
    try:
        yield MailboxRoom(opened, service, clock, service.account(ALICE))
    finally:
        service.close()
        await opened.close()
