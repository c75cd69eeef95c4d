"""INBOX as POP3 sees it: a fixed list, numbered from 1, with marks of deletion (RFC 1939 sections 4 to 6)."""

from collections.abc import Iterator, Sequence

from mailhub.mailbox.service import AccountMail, MessageFile, Snapshot
from mailhub.model.errors import NotFound
from mailhub.wire.pop3 import number


class NoSuchMessage(Exception):
    """A number that is not in the list, or marked as deleted, or whose message another session has removed."""


class Maildrop:
    """`count` and `size` leave out what is marked. Message n is number n - 1 of the snapshot."""

    def __init__(self, inbox: Snapshot) -> None:
        self._inbox = inbox
        self._deleted: set[int] = set()
        self._retrieved: set[int] = set()
        self._former: dict[int, str] | None = None

    @classmethod
    async def open(cls, account: AccountMail) -> "Maildrop":
        """The list as it is now."""
        return cls(await account.snapshot(await account.find("INBOX")))

    @property
    def count(self) -> int:
        return len(self._inbox.sizes) - len(self._deleted)

    @property
    def size(self) -> int:
        return sum(self._inbox.sizes) - sum(self.octets(n) for n in self._deleted)

    def numbers(self) -> Iterator[int]:
        """Those not marked."""
        return (n for n in range(1, len(self._inbox.sizes) + 1) if n not in self._deleted)

    def number(self, text: str) -> int:
        """The message number in an argument; NoSuchMessage where it stands for none."""
        n = number(text)
        if not 1 <= n <= len(self._inbox.sizes):
            raise NoSuchMessage("No such message")
        if n in self._deleted:
            raise NoSuchMessage("Message is deleted")
        return n

    def top_arguments(self, arguments: Sequence[str]) -> tuple[int, int]:
        """Message number and number of lines."""
        return self.number(arguments[0]), number(arguments[1])

    def octets(self, n: int) -> int:
        return self._inbox.sizes[n - 1]

    def scan_listing(self, n: int) -> str:
        return f"{n} {self.octets(n)}"

    async def learn_ids(self) -> None:
        """To be called before `unique_id`."""
        if self._former is None:
            self._former = await self._inbox.former_ids()

    def unique_id(self, n: int) -> str:
        """RFC 1939 section 7; Dovecot's default (what it was before Dovecot, else %08Xu%08Xv), so that a client which moves
        here fetches nothing twice."""
        uid = self._inbox.uids[n - 1]
        former = self._former.get(uid) if self._former else None
        return f"{n} {former or f'{uid:08x}{self._inbox.folder.uidvalidity:08x}'}"

    def delete(self, n: int) -> None:
        self._deleted.add(n)

    def retrieved(self, n: int) -> None:
        """The client has the whole of it."""
        self._retrieved.add(n)

    def reset(self) -> None:
        self._deleted.clear()
        self._retrieved.clear()

    def expire(self) -> None:
        """EXPIRE 0 (RFC 2449 section 6.7): what was retrieved counts as marked."""
        self._deleted |= self._retrieved

    async def update(self) -> None:
        """Remove what is marked."""
        await self._inbox.remove([self._inbox.uids[n - 1] for n in sorted(self._deleted)])

    async def message(self, n: int) -> MessageFile:
        """The message, open. NoSuchMessage where another session removed it."""
        try:
            return await self._inbox.open(self._inbox.uids[n - 1])
        except NotFound:
            raise NoSuchMessage("Message is gone: it was removed by another session") from None
