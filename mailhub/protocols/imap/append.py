"""APPEND (RFC 3501 section 6.3.11): the message goes in blocks from the stream to the store."""

from typing import TYPE_CHECKING

from mailhub.model.errors import MailError
from mailhub.model.mailbox import Folder
from mailhub.wire.imap import commands
from mailhub.wire.imap.framing import Literal

from . import answers
from .answers import Answer, Refused, bad, no, ok
from .copying import find_target
from .store import split_flags

if TYPE_CHECKING:
    from .session import ImapSession

BACKLOG = 1_048_576  # octets that may wait for the disk


async def append(session: "ImapSession", verb: commands.Append) -> Answer:
    """What can be refused is refused before the message is sent, where the client waits for that."""
    literal = session.literal
    assert literal is not None  # by the parser
    try:
        target, bits, keywords = await _check(session, verb, literal)
        writer = session.account.body_writer()
    except (MailError, Refused) as error:
        await session.reader.skip(literal)
        return error.answer if isinstance(error, Refused) else answers.of_error(error)
    finished = False
    try:
        await session.reader.invite(literal)
        left = literal.size
        while left:
            block = await session.reader.block(left)
            left -= len(block)
            writer.feed(block)
            if writer.backlog > BACKLOG:
                await writer.drain()
        if not await session.reader.end():
            return bad("APPEND takes one message")
        body = await writer.finish()
        folder, uids = await session.account.append(target, [(body, verb.date, bits, keywords)])
        finished = True
    finally:
        if not finished:
            writer.abort()
    return ok("Appended", f"APPENDUID {folder.uidvalidity} {uids[0]}")


async def _check(
    session: "ImapSession", verb: commands.Append, literal: Literal
) -> tuple[Folder, int, tuple[str, ...]]:
    bits, keywords = split_flags(verb.flags)
    if literal.size > session.config.append_limit:
        raise Refused(no("Message too big", "TOOBIG"))
    if not literal.size:
        raise Refused(no("Message is empty", "CANNOT"))
    return await find_target(session, verb.mailbox), bits, keywords
