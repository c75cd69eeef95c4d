"""A body on its way to the store: what the checks need is taken from it as it passes."""

from mailhub.store.api import Body, BodyWriter

HEADER_LIMIT = 262_144  # octets of a header that are looked at
_END = b"\r\n\r\n"


class BodyIntake:
    """A `BodyWriter` that also reads the header. Lines must end with CRLF."""

    __slots__ = ("_header", "_reading", "_writer")

    def __init__(self, writer: BodyWriter) -> None:
        self._writer = writer
        self._header = bytearray(b"\r\n")  # so that every field, the first too, stands behind a line end
        self._reading = True

    @property
    def size(self) -> int:
        return self._writer.size

    @property
    def backlog(self) -> int:
        return self._writer.backlog

    @property
    def hops(self) -> int:
        """Received fields seen (RFC 5321 section 6.3)."""
        return self._header.lower().count(b"\r\nreceived:")

    def feed(self, block: bytes) -> None:
        if self._reading:
            self._read(block)
        self._writer.feed(block)

    def _read(self, block: bytes) -> None:
        start = max(0, len(self._header) - 3)
        self._header += block[:HEADER_LIMIT]
        end = self._header.find(_END, start)
        if end >= 0:
            del self._header[end:]
        self._reading = end < 0 and len(self._header) < HEADER_LIMIT

    async def drain(self) -> None:
        await self._writer.drain()

    async def finish(self) -> Body:
        return await self._writer.finish()

    def abort(self) -> None:
        self._writer.abort()
