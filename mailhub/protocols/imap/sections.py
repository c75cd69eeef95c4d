"""BODY[...], BINARY[...] and what else is found in a message: read from its file without holding all of it."""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from msgspec import Struct

from mailhub.message import decoding, headers, parts
from mailhub.message.parts import HEADER_LIMIT, Part
from mailhub.wire.imap.fetch_items import Binary, BinarySize, Section, What

from .answers import Refused, no

if TYPE_CHECKING:
    from mailhub.mailbox.service import Mailboxes, MessageFile

FIRST = 16_384  # octets in which most headers end
BLOCK = 262_144


class Octets(Struct, frozen=True):
    """A stretch of the file."""

    start: int
    end: int

    @property
    def size(self) -> int:
        return self.end - self.start


class Decoded(Struct, frozen=True):
    """A stretch of the file without its transfer encoding: `size` octets of it from `origin` on. `nul`: there is a NUL in it."""

    octets: Octets
    encoding: bytes
    origin: int
    size: int
    nul: bool


class Value(Struct, frozen=True):
    """An answer that is no string of octets, as it is written."""

    text: bytes


Piece = (
    bytes | Octets | Decoded | Value | None
)  # made octets, octets of the file, ..., None: a section that is not there
FromFile = Section | Binary | BinarySize


class LastTree(Struct):
    """The parts of the message asked for last: clients fetch part after part of one message."""

    key: tuple[int, int] = (0, 0)  # folder and UID
    root: Part | None = None


class OpenMessage:
    """One message while its sections are read. What was read of its beginning is kept for the next section."""

    def __init__(self, mailboxes: "Mailboxes", file: "MessageFile", key: tuple[int, int], last: LastTree) -> None:
        self._mailboxes, self._file, self._key, self._last = mailboxes, file, key, last
        self._head = b""
        self._header_size: int | None = None

    async def find(self, item: FromFile) -> Piece:
        """What `item` means here, its partial range applied. Refused where a part's transfer encoding is not known."""
        match item:
            case Section():
                return await self.section(item)
            case Binary(path, partial):
                return await self._binary(path, partial)
            case BinarySize(path):
                piece = await self._binary(path, None)
                return Value(b"%d" % (piece.size if piece else 0))

    async def section(self, section: Section) -> bytes | Octets | None:
        """What a section means."""
        piece = await self._whole(section)
        if piece is None or section.partial is None:
            return piece
        origin, most = section.partial
        if isinstance(piece, bytes):
            return piece[origin : origin + most]
        start = min(piece.start + origin, piece.end)
        return Octets(start, min(start + most, piece.end))

    async def _binary(self, path: tuple[int, ...], partial: tuple[int, int] | None) -> Decoded | None:
        """RFC 3516 section 4.3; it is decoded once to be counted, and once more to be sent."""
        octets, encoding = Octets(0, self._file.size), b"7bit"
        if path:
            part = parts.find(await self._tree(), path)
            if part is None:
                return None
            octets = Octets(part.body, part.end)
            if not (part.multipart or part.message):
                encoding = part.encoding
        if encoding not in decoding.KNOWN:
            raise Refused(no("The part has a transfer encoding that is not known", "UNKNOWN-CTE"))
        origin, most = partial or (0, 1 << 63)
        size, nul = 0, False
        async for block in self.blocks(Decoded(octets, encoding, origin, most, nul=False)):
            size += len(block)
            nul = nul or b"\0" in block
        return Decoded(octets, encoding, origin, size, nul)

    async def _whole(self, section: Section) -> bytes | Octets | None:
        if section.path:
            return await self._of_part(section)
        match section.what:
            case What.ALL:
                return Octets(0, self._file.size)
            case What.HEADER:
                return Octets(0, await self._header_end())
            case What.TEXT:
                return Octets(await self._header_end(), self._file.size)
            case _:
                return pick(await self._read_header(), section)

    async def _of_part(self, section: Section) -> bytes | Octets | None:
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
        return pick(await self._read(inner.start, min(inner.body, inner.start + HEADER_LIMIT)), section)

    async def _read_header(self) -> bytes:
        """The header with its blank line, as far as it is read for fields."""
        return await self._read(0, min(await self._header_end(), HEADER_LIMIT))

    async def _header_end(self) -> int:
        """Where the header and its blank line end; the size of the message where no blank line is."""
        if self._header_size is None:
            self._head = await self._read(0, min(FIRST, self._file.size))
            end = headers.header_end(self._head)
            self._header_size = end if end < len(self._head) else await self._blank_line()
        return self._header_size

    async def _blank_line(self) -> int:
        """Behind the first one that ends at FIRST or later."""
        at, seam = len(self._head), self._head[-3:]
        async for block in self._blocks(Octets(at, self._file.size)):
            window = seam + block
            ends = [n + len(line) for line in (b"\n\n", b"\n\r\n") if (n := window.find(line)) >= 0]
            if ends:
                return at - len(seam) + min(ends)
            at += len(block)
            seam = window[-3:]
        return self._file.size

    async def _tree(self) -> Part:
        if self._last.root is None or self._last.key != self._key:
            self._last.root, self._last.key = await self._mailboxes.parts(self._file), self._key
        return self._last.root

    async def _read(self, start: int, end: int) -> bytes:
        blocks = [block async for block in self.blocks(Octets(start, end))]
        return blocks[0] if len(blocks) == 1 else b"".join(blocks)

    async def blocks(self, piece: Octets | Decoded) -> AsyncIterator[bytes]:
        """The octets, block by block. Should the file be shorter than it said, EOFError."""
        if isinstance(piece, Octets):
            async for block in self._blocks(piece):
                yield block
            return
        decoder = decoding.Decoder(piece.encoding)
        skip, left = piece.origin, piece.size
        async for block in self._blocks(piece.octets):
            plain = decoder.feed(block)
            yield plain[skip : skip + left]
            left -= max(0, min(len(plain) - skip, left))
            skip = max(0, skip - len(plain))
            if not left:
                return
        yield decoder.finish()[skip : skip + left]

    async def _blocks(self, octets: Octets) -> AsyncIterator[bytes]:
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
    """The fields that HEADER.FIELDS or HEADER.FIELDS.NOT asks for as they stand, and the blank line where the message has
    one (RFC 9051 section 6.4.5.1)."""
    wanted = {name.lower() for name in section.fields}
    keep = section.what is What.FIELDS
    out: list[bytes] = []
    taken, blank = False, b""
    for line in header.removesuffix(b"\n").split(b"\n"):
        if line in (b"\r", b""):
            blank = b"\r\n"
            break
        if line[:1] not in (b" ", b"\t"):
            name = line.partition(b":")[0].rstrip(b" \t").lower()
            taken = (name in wanted) == keep
        if taken:
            out.append(line.removesuffix(b"\r") + b"\r\n")
    return b"".join([*out, blank])
