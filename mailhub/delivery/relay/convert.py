"""Stored content in the form of `message.downgrade`: planned once, whole and in memory, then encoded as it is read again."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import nullcontext
from functools import partial

from mailhub.message.downgrade import Encode, Limit, Piece, encoder, plan
from mailhub.model.errors import Temporary
from mailhub.store.api import Content

_BLOCK = 65_536  # octets read and encoded at one time
_SMALL, _BOUNDARIES = 65_536, 50  # octets, and lines like a boundary, of a message that is planned on the loop


class Converter:
    """One large message is in memory at a time."""

    def __init__(self) -> None:
        self._large = asyncio.Lock()

    async def blocks(self, content: Content, limit: Limit) -> Callable[[], AsyncIterator[bytes]]:
        """The content within `limit`. message.downgrade.Unconvertible; a MailError where it can not be read."""
        async with self._large if content.size > _SMALL else nullcontext():
            pieces = await _planned(await _read(content, 0, content.size), limit)
        return partial(_encoded, content, pieces)


async def _planned(data: bytes, limit: Limit) -> list[Piece]:
    if len(data) <= _SMALL and data.count(b"\n--") <= _BOUNDARIES:
        return plan(data, limit)
    return await asyncio.to_thread(plan, data, limit)


async def _encoded(content: Content, pieces: list[Piece]) -> AsyncIterator[bytes]:
    """In blocks of a fair size: each becomes a write or a chunk."""
    held, size = [], 0
    async for octets in _pieces(content, pieces):
        held.append(octets)
        size += len(octets)
        if size >= _BLOCK:
            yield b"".join(held)
            held, size = [], 0
            await asyncio.sleep(0)  # encoding is work
    if held:
        yield b"".join(held)


async def _pieces(content: Content, pieces: list[Piece]) -> AsyncIterator[bytes]:
    for piece in pieces:
        if isinstance(piece, bytes):
            yield piece
            continue
        made = encoder(piece.encoding) if isinstance(piece, Encode) else None
        for at in range(piece.start, piece.end, _BLOCK):
            block = await _read(content, at, min(_BLOCK, piece.end - at))
            yield made.feed(block) if made else block
        if made:
            yield made.finish()


async def _read(content: Content, start: int, length: int) -> bytes:
    """All of it: a message is never cut short."""
    block = await content.read(start, length)
    if len(block) != length:
        raise Temporary(f"content {content.id} has {len(block)} of {length} octets at {start}")
    return block
