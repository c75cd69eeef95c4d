"""A message as DATA carries it (RFC 5321 section 4.5.2). Never a bare CR or LF, whatever the content holds."""

from collections.abc import AsyncIterator


async def stuffed(blocks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The blocks with CRLF line ends and doubled dots, then the final dot."""
    held, at_start = b"", True
    async for block in blocks:
        data = held + block
        held = b"\r" if data.endswith(b"\r") else b""  # its LF may come with the next block
        out = _canonical(data[: len(data) - len(held)])
        if not out:
            continue
        first = b"." if at_start and out.startswith(b".") else b""
        at_start = out.endswith(b"\n")
        yield first + out.replace(b"\r\n.", b"\r\n..")
    if held:
        at_start = True
        yield b"\r\n"
    yield b".\r\n" if at_start else b"\r\n.\r\n"


def _canonical(data: bytes) -> bytes:
    pairs = data.count(b"\r\n")
    if data.count(b"\n") == pairs == data.count(b"\r"):
        return data
    return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")
