"""IDLE (RFC 2177): updates as they happen, until the client says DONE."""

from typing import TYPE_CHECKING

from mailhub.wire.imap import commands, responses

from . import telling
from .answers import Answer, bad, ok

if TYPE_CHECKING:
    from .session import ImapSession


async def idle(session: "ImapSession", verb: commands.Idle) -> Answer:
    """Anything but DONE ends it as well, with BAD."""
    session.write(responses.continuation(b"idling"))
    await session.flush()
    said = (await telling.until_said(session, idle=True)).rstrip(b"\r\n")
    return ok("Idle ended") if said.upper() == b"DONE" else bad("Expected DONE")
