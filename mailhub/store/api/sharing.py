"""What folders carry besides mail: access control lists (RFC 4314) and annotations (RFC 5464)."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from mailhub.model.mailbox import FlagOp, Folder

Entries = tuple[tuple[str, str], ...]  # (identifier, rights), by identifier


class Place(Struct, frozen=True):
    """Whose annotations, and of what: `folder` 0 is the server; `private`: the holder's own, else everybody's.

    `holder`: the account that the annotation is counted for: whose private one it is, or the owner of the folder.
    """

    holder: str
    folder: int
    private: bool


class AnnotationLimits(Struct, frozen=True):
    """Annotations of one holder for one folder (or for the server), and octets of all that a holder has."""

    count: int
    octets: int


class SharingStore(Protocol):
    """All of it goes with its folder, and stays with it under another name."""

    async def acl(self, folder: int) -> Entries: ...

    async def change_acl(self, folder: int, identifier: str, op: FlagOp, rights: str, limit: int) -> None:
        """An entry without rights is none. LimitReached where a list would have more than `limit` entries."""
        ...

    async def shared_with(self, identifiers: Sequence[str], besides: str) -> list[tuple[Folder, Entries]]:
        """Folders, of others than the account `besides`, whose lists have an entry for one of the identifiers."""
        ...

    async def shared_by(self, account: str) -> list[tuple[Folder, Entries]]:
        """Its folders whose lists have an entry, by name."""
        ...

    async def annotations(self, place: Place) -> list[tuple[str, bytes]]:
        """(entry as it was first written, value), by entry. Entries are the same in any case."""
        ...

    async def annotated(self, folders: Sequence[int]) -> frozenset[int]:
        """Which of the folders have annotations of anybody."""
        ...

    async def annotate(
        self, values: Mapping[Place, Sequence[tuple[str, bytes | None]]], limits: AnnotationLimits
    ) -> None:
        """All or none; None removes. LimitReached where there would be too many, or too much."""
        ...
