"""The message as a program gets it: fields before it, line ends, and what else the flags of pipe(8) ask for."""

import time
from collections.abc import AsyncIterator

from mailhub.config import schema
from mailhub.message import stamps

from ..transport import Job, JobRecipient
from .arguments import Arguments, original

_EOL = {"lf": b"\n", "crlf": b"\r\n"}
_LOOK = len(b"\nFrom ")


def head(arguments: Arguments, job: Job, recipient: JobRecipient, now: float) -> bytes:
    """Flags F, R, O and D: what stands before the message, with CRLF."""
    flags, lines = arguments.config.flags, b""
    if "F" in flags:
        sender = _one_word(arguments.sender(job))
        lines += f"From {sender}  {time.asctime(time.gmtime(now))}\r\n".encode()
    if "R" in flags:
        lines += stamps.return_path(job.sender)
    if "O" in flags:
        lines += f"X-Original-To: {original(recipient)}\r\n".encode()
    if "D" in flags:
        lines += stamps.delivered_to(recipient.address)
    return lines


async def rendered(first: bytes, blocks: AsyncIterator[bytes], config: schema.Transport) -> AsyncIterator[bytes]:
    """`first` and the blocks with the program's line ends, quoted as flags "." and ">" say; B: an empty line behind it all."""
    separator, fields = first.split(b"\r\n", 1) if "F" in config.flags else (b"", first)
    if separator:
        yield _lines(separator + b"\r\n", config)
    held, last = b"\r\n" + fields, b""  # a line begins behind a line end, the first one too
    surplus = len(_EOL[config.eol])
    async for block in blocks:
        held += block
        end = _complete(held)
        out, held = _lines(held[:end], config), held[end:]
        if out:
            yield out[surplus:]
            surplus, last = 0, out[-1:]
    out = _lines(held, config)
    yield out[surplus:]
    if (out[-1:] or last) != b"\n":
        yield _lines(b"\r\n", config)
    if "B" in config.flags:
        yield _lines(b"\r\n", config)


def _complete(data: bytes) -> int:
    """How much of it can be rendered: what stands behind a line end decides how that line begins."""
    found = data.find(b"\n", max(0, len(data) - _LOOK))
    if found < 0:
        return len(data) - data.endswith(b"\r")
    return found - (data[found - 1 : found] == b"\r")


def _lines(data: bytes, config: schema.Transport) -> bytes:
    if "." in config.flags:
        data = data.replace(b"\n.", b"\n..")
    if ">" in config.flags:
        data = data.replace(b"\nFrom ", b"\n>From ")
    return data.replace(b"\r\n", _EOL[config.eol])


def _one_word(sender: str) -> str:
    """A blank in it would end it."""
    return "".join("_" if char.isspace() else char for char in sender)
