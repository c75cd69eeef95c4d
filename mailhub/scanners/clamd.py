"""ClamAV's daemon (clamd(8), INSTREAM): octets in counted chunks, a line back."""

from msgspec import Struct

from mailhub.net.stream import ConnectionLost, Stream

from .service import Blocks, Nonsense

_LINE = 4_096  # octets of an answer
_NAME = 200  # characters of a name


class Scanned(Struct, frozen=True):
    """`found`: the name of what it knows, "" for nothing. `partly`: it took no more than a part."""

    found: str = ""
    partly: bool = False


async def scan(stream: Stream, blocks: Blocks) -> Scanned:
    """Nonsense where it says neither yes nor no."""
    stream.write(b"nINSTREAM\n")
    try:
        async for block in blocks:
            if stream.buffered:  # it has heard enough
                break
            stream.write(len(block).to_bytes(4, "big") + block)
            await stream.drain()
        stream.write(b"\0\0\0\0")
        await stream.drain()
    except ConnectionLost:
        if not stream.buffered:
            raise
    return answer(await stream.readline(_LINE))


def answer(line: bytes) -> Scanned:
    """`stream: OK`, `stream: NAME FOUND`, `INSTREAM size limit exceeded. ERROR`"""
    text = line.decode("utf-8", "replace").rstrip("\r\n")
    name, _, word = text.removeprefix("stream: ").rpartition(" ")
    if text == "stream: OK":
        return Scanned()
    if word == "FOUND" and text.startswith("stream: ") and name:
        return Scanned("".join(char if char.isprintable() else "?" for char in name[:_NAME]))
    if "size limit exceeded" in text:
        return Scanned(partly=True)
    raise Nonsense(f"clamd said {text[:_NAME]!r}")
