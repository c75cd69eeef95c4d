"""Stored content in the form of `message.downgrade`: planned once, a large one with a few blocks of it in memory, then encoded as it
is read again."""

import asyncio
from collections.abc import AsyncIterator, Callable
from functools import partial

from mailhub.mailbox.heavy import SMALL, HeavyLane, quick
from mailhub.message.downgrade import Encode, Limit, Piece, encoder, plan
from mailhub.model.errors import Temporary
from mailhub.store.api import Content

_BLOCK = 65_536  # octets read and encoded at one time


class Converter:
    """`close()` it when nothing uses it any more."""

    def __init__(self) -> None:
        self._lane = HeavyLane()

    def close(self) -> None:
        self._lane.close()

    async def blocks(self, content: Content, limit: Limit) -> Callable[[], AsyncIterator[bytes]]:
        """The content within `limit`. message.downgrade.Unconvertible; a MailError where it can not be read."""
        return partial(_encoded, content, await self._planned(content, limit))

    async def _planned(self, content: Content, limit: Limit) -> list[Piece]:
        if content.size <= SMALL and quick(data := await _read(content, 0, content.size)):
            return plan(data, limit)
        async with self._lane.room(content.size):
            return await self._lane.over(lambda seen: plan(seen, limit), content.size, content.read)


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
