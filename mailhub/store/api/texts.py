"""Full text: what a search looks through, kept where it can be found quickly. Derived data: it may be thrown away at any time."""

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

from msgspec import Struct

from mailhub.model.mailbox import Folder


class Needle(Struct, frozen=True):
    """A folded text to be found: in the "body", in "any" place, or in the "head" in a field of that (folded) name; or,
    not folded, the THREADID of a "thread"."""

    where: Literal["head", "body", "any", "thread"]
    text: str
    field: str = ""


def in_field(head: str, name: str, text: str) -> bool:
    """Does a folded header, a line "NAME: VALUE" for each field, have that text in a field of that name?"""
    start = f"{name}: "
    return any(line.startswith(start) and text in line[len(start) :] for line in head.split("\n"))


class Looked(Struct, frozen=True):
    """`covered`: messages that the index knows wholly; for those alone `hits` tells which of them have each needle."""

    covered: frozenset[int]
    hits: Mapping[Needle, frozenset[int]]


class Document(Struct, frozen=True):
    """A message as a search sees it, folded (mailbox.readable). `whole` False: too large to be kept; its text is empty."""

    uid: int
    head: str
    body: str
    references: bytes
    thread: str = ""
    whole: bool = True


class TextStore(Protocol):
    """An index for each account that somebody has searched. Messages are named by folder name, UIDVALIDITY and UID, which never
    mean another message (RFC 3501 section 2.3.1.1). Nothing here raises: what is lost or damaged is begun anew."""

    async def look(self, folder: Folder, needles: Sequence[Needle]) -> Looked:
        """All from one state of the index."""
        ...

    async def references(self, folder: Folder) -> Mapping[int, bytes]:
        """Of the messages that it knows wholly."""
        ...

    async def known(self, folder: Folder) -> tuple[frozenset[int], int]:
        """All UIDs it has something of, and the mod-sequence it has caught up with (0: begin)."""
        ...

    async def room(self, account: str) -> bool:
        """Whether more may be added."""
        ...

    async def add(self, folder: Folder, documents: Sequence[Document]) -> None:
        """Begins the account's index where there is none."""
        ...

    async def drop(self, folder: Folder, uids: Sequence[int]) -> None: ...

    async def drop_folder(self, folder: Folder) -> None:
        """All of it: it is gone, or has another name."""
        ...

    async def caught_up(self, folder: Folder) -> None:
        """With `folder.modseq`."""
        ...

    async def keep(self, account: str, folders: Sequence[Folder]) -> None:
        """Nothing of other folders of that account."""
        ...

    async def accounts(self) -> list[str]:
        """Those with an index."""
        ...

    async def forget(self, account: str) -> None:
        """Throw an account's index away."""
        ...
