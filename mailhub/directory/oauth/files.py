"""Small files of the operator's that concern issuers: their keys, our credentials with them."""

import asyncio

from mailhub.model.errors import Temporary

FILE_LIMIT = 262_144  # octets


async def read(path: str) -> bytes:
    """In a thread. Temporary where it can not be read."""
    try:
        octets = await asyncio.to_thread(_read, path)
    except OSError as error:
        raise Temporary(f"{path}: {error.strerror or error}") from error
    if len(octets) > FILE_LIMIT:
        raise Temporary(f"{path}: more than {FILE_LIMIT} octets")
    return octets


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read(FILE_LIMIT + 1)
