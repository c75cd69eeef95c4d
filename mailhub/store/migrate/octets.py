"""Octets on their way from one store to the other, in blocks."""

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable

from mailhub.model.errors import Temporary

from ..api import Body, BodyWriter

Read = Callable[[int, int], Awaitable[bytes]]
BLOCK = 262_144


async def blocks(read: Read, size: int) -> AsyncIterator[bytes]:
    """All `size` octets; Temporary where they end before."""
    offset = 0
    while offset < size:
        block = await read(offset, min(BLOCK, size - offset))
        if not block:
            raise Temporary(f"it ends at {offset} of {size} octets")
        yield block
        offset += len(block)


async def copied(read: Read, size: int, writer: BodyWriter) -> Body:
    """A body made of them by the target's writer, safe when this returns."""
    try:
        async for block in blocks(read, size):
            writer.feed(block)
            await writer.drain()
        return await writer.finish()
    except BaseException:
        writer.abort()
        raise


async def digest(read: Read, size: int) -> bytes:
    found = hashlib.sha256()
    async for block in blocks(read, size):
        found.update(block)
    return found.digest()
