"""INBOX as POP3 sees it: a fixed list, numbered from 1, with marks of deletion (RFC 1939 sections 4 to 6)."""

from array import array
from collections.abc import AsyncIterator, Iterator, Sequence

from mailhub.mailbox.service import AccountMail, FolderView, MessageFile
from mailhub.wire.pop3 import Stuffer, Top, number

_BLOCK = 65_536


class NoSuchMessage(Exception):
    """A number that is not in the list, or marked as deleted, or whose message another session has removed."""


class Maildrop:
    """`count` and `size` leave out what is marked."""

    def __init__(self, view: FolderView, sizes: "array[int]") -> None:
        self._view, self._sizes = view, sizes
        self._deleted: set[int] = set()

    @classmethod
    async def open(cls, account: AccountMail) -> "Maildrop":
        view = await account.open_view(await account.find("INBOX"), read_only=True)
        rows = await view.rows(list(view.uids), rendered=False)
        sizes = {row.uid: row.size for row in rows}
        return cls(view, array("q", [sizes.get(uid, 0) for uid in view.uids]))

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
        if not 1 <= n <= len(self._sizes) or n in self._deleted:
            raise NoSuchMessage("No such message")
        return n

    def top_arguments(self, arguments: Sequence[str]) -> tuple[int, int]:
        return self.number(arguments[0]), number(arguments[1])

    def octets(self, n: int) -> int:
        return self._sizes[n - 1]

    def scan_listing(self, n: int) -> str:
        return f"{n} {self._sizes[n - 1]}"

    def unique_id(self, n: int) -> str:
        """RFC 1939 section 7; Dovecot's default (%08Xu%08Xv), so that a client which moves here fetches nothing twice."""
        return f"{n} {self._view.uids[n - 1]:08x}{self._view.folder.uidvalidity:08x}"

    def delete(self, n: int) -> None:
        self._deleted.add(n)

    def reset(self) -> None:
        self._deleted.clear()

    async def update(self) -> None:
        """Remove what is marked."""
        await self._view.remove([self._view.uids[n - 1] for n in sorted(self._deleted)])

    async def blocks(self, n: int, lines: int | None) -> AsyncIterator[bytes]:
        """The message, dot-stuffed and ended. NotFound, before anything is sent, where another session removed it."""
        return _stuffed(await self._view.open(self._view.uids[n - 1]), lines)


async def _stuffed(file: MessageFile, lines: int | None) -> AsyncIterator[bytes]:
    stuffer, offset = Stuffer(), 0
    top = None if lines is None else Top(lines)
    async with file:
        while offset < file.size and (top is None or not top.full):
            block = await file.read(offset, _BLOCK)
            if not block:
                break
            offset += len(block)
            yield stuffer.feed(block if top is None else top.cut(block))
    yield stuffer.end()
