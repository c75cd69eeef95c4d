"""A message as a peer gets it: what MAIL says of it, and its octets for DATA or BDAT. Of text, never a bare CR or LF leaves."""

from collections.abc import AsyncIterator, Callable
from typing import Literal

from msgspec import Struct


class Message(Struct, frozen=True):
    """`size`: octets, None where nobody has counted them; `word`: BODY's (RFC 6152, RFC 3030)."""

    blocks: Callable[[], AsyncIterator[bytes]]
    size: int | None
    word: Literal["7BIT", "8BITMIME", "BINARYMIME"] = "7BIT"


async def chunks(message: Message) -> AsyncIterator[tuple[bytes, bool]]:
    """For BDAT, each with whether it is the last (RFC 3030 section 2). Binary content goes as it is."""
    held = None
    async for block in message.blocks() if message.word == "BINARYMIME" else lines(message.blocks()):
        if held is not None:
            yield held, False
        held = block
    yield held or b"", True


async def stuffed(blocks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """For DATA: lines with doubled dots, then the final dot, in one block with what is before it (RFC 5321 section 4.5.2)."""
    held, at_start = b"", True
    async for block in lines(blocks):
        if held:
            yield held
        first = b"." if at_start and block.startswith(b".") else b""
        at_start = block.endswith(b"\n")
        held = first + block.replace(b"\r\n.", b"\r\n..")
    yield held + b".\r\n"


async def lines(blocks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The blocks with CRLF line ends, one behind the last line too; none of them is empty."""
    held, whole = b"", True
    async for block in blocks:
        data = held + block
        held = b"\r" if data.endswith(b"\r") else b""  # its LF may come with the next block
        out = _canonical(data[: len(data) - len(held)])
        if out:
            whole = out.endswith(b"\n")
            yield out
    if held or not whole:
        yield b"\r\n"


def _canonical(data: bytes) -> bytes:
    pairs = data.count(b"\r\n")
    if data.count(b"\n") == pairs == data.count(b"\r"):
        return data
    return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")
