"""INBOX as POP3 sees it: a fixed list, numbered from 1, with marks of deletion (RFC 1939 sections 4 to 6)."""

from array import array
from collections.abc import Iterator, Sequence

from mailhub.mailbox.service import AccountMail, FolderView, MessageFile
from mailhub.model.errors import NotFound
from mailhub.wire.pop3 import number

_PAGE = 1_000  # rows read at a time at login


class NoSuchMessage(Exception):
    """A number that is not in the list, or marked as deleted, or whose message another session has removed."""


class Maildrop:
    """`count` and `size` leave out what is marked. `uids[n - 1]` and `sizes[n - 1]` belong to message n."""

    def __init__(self, view: FolderView, uids: "array[int]", sizes: "array[int]") -> None:
        self._view, self._uids, self._sizes = view, uids, sizes
        self._deleted: set[int] = set()

    @classmethod
    async def open(cls, account: AccountMail) -> "Maildrop":
        """The list as it is now. No flag changes by being read, and \\Recent stays for IMAP."""
        view = await account.open_view(await account.find("INBOX"), read_only=True)
        uids, sizes = array("I"), array("q")
        try:
            for start in range(0, len(view.uids), _PAGE):
                for row in await view.rows(view.uids[start : start + _PAGE], rendered=False):
                    uids.append(row.uid)
                    sizes.append(row.size)
        except BaseException:
            view.close()
            raise
        return cls(view, uids, sizes)

    def close(self) -> None:
        self._view.close()

    @property
    def count(self) -> int:
        return len(self._sizes) - len(self._deleted)

    @property
    def size(self) -> int:
        return sum(self._sizes) - sum(self._sizes[n - 1] for n in self._deleted)

    def numbers(self) -> Iterator[int]:
        """Those not marked."""
        return (n for n in range(1, len(self._sizes) + 1) if n not in self._deleted)

    def number(self, text: str) -> int:
        """The message number in an argument; NoSuchMessage where it stands for none."""
        n = number(text)
        if not 1 <= n <= len(self._sizes):
            raise NoSuchMessage("No such message")
        if n in self._deleted:
            raise NoSuchMessage("Message is deleted")
        return n

    def top_arguments(self, arguments: Sequence[str]) -> tuple[int, int]:
        """Message number and number of lines."""
        return self.number(arguments[0]), number(arguments[1])

    def octets(self, n: int) -> int:
        return self._sizes[n - 1]

    def scan_listing(self, n: int) -> str:
        return f"{n} {self._sizes[n - 1]}"

    def unique_id(self, n: int) -> str:
        """RFC 1939 section 7; Dovecot's default (%08Xu%08Xv), so that a client which moves here fetches nothing twice."""
        return f"{n} {self._uids[n - 1]:08x}{self._view.folder.uidvalidity:08x}"

    def delete(self, n: int) -> None:
        self._deleted.add(n)

    def reset(self) -> None:
        self._deleted.clear()

    async def update(self) -> None:
        """Remove what is marked."""
        await self._view.remove([self._uids[n - 1] for n in sorted(self._deleted)])

    async def message(self, n: int) -> MessageFile:
        """The message, open. NoSuchMessage where another session removed it."""
        try:
            return await self._view.open(self._uids[n - 1])
        except NotFound:
            raise NoSuchMessage("Message is gone: it was removed by another session") from None
