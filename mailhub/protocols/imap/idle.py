"""IDLE (RFC 2177): updates as they happen, until the client says DONE."""

import asyncio
from typing import TYPE_CHECKING, Any

from mailhub.wire.imap import commands, responses

from . import updates
from .answers import Answer, bad, ok

if TYPE_CHECKING:
    from .session import ImapSession


async def idle(session: "ImapSession", verb: commands.Idle) -> Answer:
    """Anything but DONE ends it as well, with BAD."""
    session.write(responses.continuation(b"idling"))
    await session.flush()
    line = asyncio.ensure_future(session.reader.line())
    try:
        while not line.done():
            with session.interruptible():
                await _either(session, line)
            if not line.done():
                await updates.tell(session, expunges=True)
        said = line.result()
    finally:
        line.cancel()
    return ok("Idle ended") if said.upper() == b"DONE" else bad("Expected DONE")


async def _either(session: "ImapSession", line: "asyncio.Future[bytes]") -> None:
    """Wait for the client's line or for a change of the selected mailbox."""
    if session.selected is None:
        await asyncio.wait([line])
        return
    changed = asyncio.ensure_future(session.selected.changed.wait())
    try:
        either: list[asyncio.Future[Any]] = [line, changed]
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    finally:
        changed.cancel()
