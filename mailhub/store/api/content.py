"""What a message consists of, whoever keeps it."""

from collections.abc import AsyncIterator
from typing import Protocol

from msgspec import Struct


class Body(Struct, frozen=True):
    """A finished body of `size` octets: `data` where it is small, else `spool`, the name of a synced file."""

    size: int
    data: bytes | None = None
    spool: str | None = None


class BodyWriter(Protocol):
    """Takes a body in blocks as they come from the net. `feed` never blocks; large bodies go to a spool file.

    The caller stops reading from the net while `backlog` is large, and awaits `drain()`.
    """

    size: int

    @property
    def backlog(self) -> int:
        """Octets taken and not yet handed to the disk."""
        ...

    def feed(self, block: bytes) -> None: ...

    async def drain(self) -> None:
        """Wait until the backlog is gone; raises Temporary where the disk refused."""
        ...

    async def finish(self) -> Body:
        """The body, synced if it lies in a file. Nothing may be fed afterwards."""
        ...

    def abort(self) -> None:
        """Throw it away; may be called at any time, also after `finish` when the body was not put."""
        ...


class Content(Protocol):
    """A stored message that can be read: prefix + body + tail. `size` counts all three."""

    id: int
    size: int
    prefix: bytes
    body: Body
    tail: bytes

    async def read(self, offset: int, length: int) -> bytes:
        """Octets of the whole from `offset`; shorter only at the end."""
        ...

    def blocks(self, size: int = 262_144) -> AsyncIterator[bytes]:
        """All of it, in blocks."""
        ...


class NewContent(Struct, frozen=True):
    """Content to be stored. `id`: that of the queue item or message it is first stored for (`new_id()`).

    `body` may be that of stored content, a report that returns it for one: a spool file is then shared, never copied. `tail`
    stands behind it.
    """

    id: int
    prefix: bytes
    body: Body
    tail: bytes = b""
