"""Stored content in the form of `message.downgrade`: planned once, whole and in memory, then encoded as it is read again."""

import asyncio
from collections.abc import AsyncIterator, Callable
from functools import partial

from mailhub.message.downgrade import Encode, Keep, Limit, Piece, encoder, plan
from mailhub.store.api import Content

_BLOCK = 65_536  # octets read and encoded at one time
_SMALL = 65_536  # octets of a message that is planned on the loop


class Converter:
    """One large message is in memory at a time."""

    def __init__(self) -> None:
        self._large = asyncio.Lock()

    async def blocks(self, content: Content, limit: Limit) -> Callable[[], AsyncIterator[bytes]]:
        """The content within `limit`. message.downgrade.Unconvertible; a MailError where it can not be read."""
        if content.size <= _SMALL:
            pieces = plan(await content.read(0, content.size), limit)
        else:
            async with self._large:
                data = b"".join([block async for block in content.blocks()])
                pieces = await asyncio.to_thread(plan, data, limit)
        return partial(_encoded, content, pieces)


async def _encoded(content: Content, pieces: list[Piece]) -> AsyncIterator[bytes]:
    for piece in pieces:
        if isinstance(piece, bytes):
            yield piece
        elif isinstance(piece, Keep):
            async for block in _read(content, piece):
                yield block
        else:
            made = encoder(piece.encoding)
            async for block in _read(content, piece):
                yield made.feed(block)
            yield made.finish()


async def _read(content: Content, piece: Keep | Encode) -> AsyncIterator[bytes]:
    """A turn of the loop for each block: encoding is work."""
    for at in range(piece.start, piece.end, _BLOCK):
        yield await content.read(at, min(_BLOCK, piece.end - at))
        await asyncio.sleep(0)
