"""The message in a file without a name, rendered as its reader wants it: what the deputy is handed, to be read and not written."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import IO

_SMALL = 1_048_576  # octets that stay in memory


@asynccontextmanager
async def spooled(blocks: AsyncIterator[bytes], folder: str) -> AsyncIterator[int]:
    """A descriptor that reads it from the beginning. OSError where there is no room."""
    memory = os.memfd_create("message", os.MFD_CLOEXEC)
    file: IO[bytes] | None = None
    reader: int | None = None
    size = 0
    try:
        async for block in blocks:
            if file is None and size + len(block) > _SMALL:
                import tempfile

                file = await asyncio.to_thread(tempfile.TemporaryFile, "w+b", 0, dir=folder)
                await asyncio.to_thread(_moved, memory, file.fileno(), size)
            if file is None:
                _all(memory, block)
            else:
                await asyncio.to_thread(_all, file.fileno(), block)
            size += len(block)
        number = memory if file is None else file.fileno()
        os.fchmod(number, 0o644)  # a user's program may open /dev/stdin
        reader = os.open(f"/proc/self/fd/{number}", os.O_RDONLY | os.O_CLOEXEC)
        yield reader
    finally:
        if reader is not None:
            os.close(reader)
        os.close(memory)
        if file is not None:
            with suppress(OSError):
                await asyncio.shield(asyncio.to_thread(file.close))


def _moved(memory: int, file: int, size: int) -> None:
    _all(file, os.pread(memory, size, 0))


def _all(file: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]
