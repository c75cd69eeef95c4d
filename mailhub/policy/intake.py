"""A body on its way to the store: the header is read, and for submission mended, as it passes."""

from collections.abc import Awaitable, Callable

from mailhub.message import headers
from mailhub.store.api import Body, BodyWriter

_END = b"\r\n\r\n"

Repair = Callable[[bytes], Awaitable[bytes]]


class BodyIntake:
    """A `BodyWriter` that also reads the header: the lines up to the blank one, at most `limit` octets of them.

    `repair`: what the header becomes (lines with CRLF, without the blank line); then nothing is stored before the header is
    whole, and `pending` tells that `drain` has to be called for it. `stored`: octets of the header as it is stored. `header` is there after `finish`, or when `too_long` tells that the header had no end within the limit. A body
    without any header (a blank line first, or no blank line at all) has the header it seems to have.
    """

    __slots__ = ("_buffer", "_limit", "_reading", "_repair", "_writer", "header", "pending", "stored", "too_long")

    def __init__(self, writer: BodyWriter, limit: int = 262_144, repair: Repair | None = None) -> None:
        self._writer, self._limit, self._repair = writer, limit, repair
        self._buffer = bytearray()
        self._reading = True
        self.pending = False
        self.header = b""
        self.stored = 0
        self.too_long = False

    @property
    def size(self) -> int:
        return self._writer.size

    @property
    def backlog(self) -> int:
        return self._writer.backlog

    @property
    def hops(self) -> int:
        """Received fields seen (RFC 5321 section 6.3)."""
        return headers.count(self.header, b"received")

    def feed(self, block: bytes) -> None:
        if self.pending:
            self._buffer += block
            return None
        if not self._reading:
            return self._writer.feed(block)
        if self._repair is None:
            self._writer.feed(block)
            self._read(block[: self._limit + 4])
            return None
        self._read(block)
        self.pending = not self._reading
        return None

    def _read(self, block: bytes) -> None:
        """Look for the blank line in what has come, which stays in the buffer."""
        start = max(0, len(self._buffer) - 3)
        self._buffer += block
        end = 0 if self._buffer.startswith(b"\r\n") else self._buffer.find(_END, start) + 2
        if end >= 2 or self._buffer.startswith(b"\r\n"):
            self.too_long = end > self._limit
            self._ended(end)
        elif len(self._buffer) > self._limit:
            self.too_long = True
            self._ended(self._limit)

    def _ended(self, end: int) -> None:
        self.header, self._reading, self.stored = bytes(self._buffer[:end]), False, end

    async def _give(self) -> None:
        """Hand on what was held back, the header mended."""
        if self._repair is not None:
            rest = bytes(self._buffer[len(self.header) :])
            header = await self._repair(self.header)
            self.stored = len(header)
            self._writer.feed(header + rest)
        self._buffer.clear()
        self.pending = False

    async def drain(self) -> None:
        if self.pending:
            await self._give()
        await self._writer.drain()

    async def finish(self) -> Body:
        if self._reading:  # no blank line came: all of it is header
            self._ended(len(self._buffer))
            await self._give()
        elif self.pending:
            await self._give()
        self._buffer.clear()
        return await self._writer.finish()

    def replace(self, writer: BodyWriter) -> None:
        """Another body stands in place of the finished one, which is thrown away."""
        self._writer.abort()
        self._writer = writer

    def abort(self) -> None:
        self._writer.abort()
