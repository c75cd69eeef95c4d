"""BODY[...]: which octets of a message a section means, read from its file without holding all of it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailhub.message import headers, parts
from mailhub.message.parts import Part
from mailhub.wire.imap.fetch_items import Section, What

if TYPE_CHECKING:
    from mailhub.mailbox.service import Mailboxes, MessageFile

FIRST = 16_384  # octets in which most headers end
BLOCK = 262_144


@dataclass(frozen=True, slots=True)
class Octets:
    """A stretch of the file."""

    start: int
    end: int


Piece = bytes | Octets | None  # made octets, octets of the file, or a section that is not there


@dataclass(slots=True)
class LastTree:
    """The parts of the message asked for last: clients fetch part after part of one message."""

    key: tuple[int, int] = (0, 0)  # folder and UID
    root: Part | None = None


class OpenMessage:
    """One message while its sections are read. What was read of its beginning is kept for the next section."""

    def __init__(self, mailboxes: "Mailboxes", file: "MessageFile", key: tuple[int, int], last: LastTree) -> None:
        self._mailboxes, self._file, self._key, self._last = mailboxes, file, key, last
        self._head = b""
        self._header: bytes | None = None

    async def find(self, section: Section) -> Piece:
        """What `section` means here, its partial range applied."""
        piece = await self._whole(section)
        if piece is None or section.partial is None:
            return piece
        origin, most = section.partial
        if isinstance(piece, bytes):
            return piece[origin : origin + most]
        start = min(piece.start + origin, piece.end)
        return Octets(start, min(start + most, piece.end))

    async def _whole(self, section: Section) -> Piece:
        if section.path:
            return await self._of_part(section)
        match section.what:
            case What.ALL:
                return Octets(0, self._file.size)
            case What.HEADER:
                return Octets(0, len(await self._read_header()))
            case What.TEXT:
                return Octets(len(await self._read_header()), self._file.size)
            case _:
                return pick(await self._read_header(), section)

    async def _of_part(self, section: Section) -> Piece:
        part = parts.find(await self._tree(), section.path)
        if part is None:
            return None
        if section.what is What.ALL:
            return Octets(part.body, part.end)
        if section.what is What.MIME:
            return Octets(part.start, part.body)
        if not part.message:
            return None
        inner = part.parts[0]
        if section.what is What.TEXT:
            return Octets(inner.body, inner.end)
        if section.what is What.HEADER:
            return Octets(inner.start, inner.body)
        return pick(await self._read(inner.start, inner.body), section)

    async def _read_header(self) -> bytes:
        """The header with its blank line; all there is where no blank line is."""
        size = FIRST
        while self._header is None:
            self._head = await self._read(0, min(size, self._file.size))
            end = headers.header_end(self._head)
            if end < len(self._head) or len(self._head) >= self._file.size:
                self._header = self._head[:end]
            size *= 8
        return self._header

    async def _tree(self) -> Part:
        if self._last.root is None or self._last.key != self._key:
            self._last.root, self._last.key = await self._mailboxes.parts(self._file), self._key
        return self._last.root

    async def _read(self, start: int, end: int) -> bytes:
        blocks = [block async for block in self.blocks(Octets(start, end))]
        return blocks[0] if len(blocks) == 1 else b"".join(blocks)

    async def blocks(self, octets: Octets) -> AsyncIterator[bytes]:
        """The octets, block by block. Should the file be shorter than it said, EOFError."""
        at = octets.start
        if octets.end <= len(self._head):
            yield self._head[at : octets.end]
            return
        while at < octets.end:
            block = await self._file.read(at, min(BLOCK, octets.end - at))
            if not block:
                raise EOFError("message file is shorter than its size")
            at += len(block)
            yield block


def pick(header: bytes, section: Section) -> bytes:
    """The fields that HEADER.FIELDS or HEADER.FIELDS.NOT asks for as they stand, and the blank line."""
    wanted = {name.lower() for name in section.fields}
    keep = section.what is What.FIELDS
    out: list[bytes] = []
    taken = False
    for line in header.removesuffix(b"\n").split(b"\n"):
        if line in (b"\r", b""):
            break
        if line[:1] not in (b" ", b"\t"):
            name = line.partition(b":")[0].rstrip(b" \t").lower()
            taken = (name in wanted) == keep
        if taken:
            out.append(line + b"\n")
    return b"".join([*out, b"\r\n"])
