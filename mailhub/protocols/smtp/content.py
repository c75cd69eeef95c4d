"""What follows DATA: the message, in blocks, from the net to the policy's transaction (RFC 5321 section 4.1.1.4)."""

import logging
from typing import TYPE_CHECKING, Final

from mailhub.model.errors import MailError
from mailhub.model.reply import Reply
from mailhub.policy import Transaction
from mailhub.wire.smtp import DataReader, Fault

if TYPE_CHECKING:
    from .session import SmtpSession

log = logging.getLogger("mailhub.protocols.smtp")

BACKLOG_LIMIT: Final = 1_048_576  # octets waiting for the disk, above which the net has to wait

HELLO_FIRST = Reply(503, "5.5.1", "Send EHLO first")
MAIL_FIRST = Reply(503, "5.5.1", "Send MAIL first")
RCPT_FIRST = Reply(503, "5.5.1", "Send RCPT first")
NO_RECIPIENTS = Reply(554, "5.5.1", "No valid recipients")
NO_ARGUMENT = Reply(501, "5.5.4", "That command takes no argument")
START = Reply(354, "", "End data with <CR><LF>.<CR><LF>")
REFUSED = {
    Fault.SIZE: Reply(552, "5.3.4", "Message too big for this system"),
    Fault.CUT: Reply(552, "5.3.4", "Message much too big for this system, closing the connection"),
    Fault.LINE: Reply(554, "5.6.0", "The message holds a line over the limit"),
    Fault.NEWLINE: Reply(550, "5.6.0", "The message holds a bare CR or LF (RFC 5321 section 2.3.8)"),
    Fault.NUL: Reply(550, "5.6.0", "The message holds a NUL octet"),
}


async def data(session: "SmtpSession", argument: str) -> None:
    """DATA"""
    if session.transaction is None:
        return session.answer(MAIL_FIRST if session.helo else HELLO_FIRST)
    if argument:
        return session.answer(NO_ARGUMENT)
    if not session.transaction.recipients:
        return session.answer(NO_RECIPIENTS if session.tried else RCPT_FIRST)
    session.reply(START)
    reply = await _receive(session, session.transaction)
    session.end_transaction()
    if reply.ok:
        session.messages += 1
        session.forgive()
    return session.answer(reply)


async def _receive(session: "SmtpSession", transaction: Transaction) -> Reply:
    """Take the message and queue it; the reply for the client. `session.give_up()` where it is not worth going on."""
    settings = session.settings
    reader = DataReader(settings.message_size_limit, settings.text_line_length_limit, settings.bare_newlines)
    intake = transaction.body()
    trouble: Reply | None = None
    while reader.rest is None:
        kept = reader.feed(await session.block())
        if trouble is not None:
            pass
        elif reader.fault is not None:
            trouble = REFUSED[reader.fault]
            transaction.abort()
        elif kept:
            intake.feed(kept)
            if intake.backlog > BACKLOG_LIMIT:
                try:
                    await intake.drain()
                except MailError as error:
                    log.warning("%s: body not stored: %s", session.record, error)
                    trouble = error.reply
                    transaction.abort()
        if reader.fault is Fault.CUT:
            session.give_up()
            return REFUSED[Fault.CUT]
    session.resume(reader.rest)
    if trouble is not None:
        return trouble
    try:
        body = await intake.finish()
    except MailError as error:
        log.warning("%s: body not stored: %s", session.record, error)
        return error.reply
    verdict = await transaction.content(body)
    return await transaction.commit() if verdict.ok else verdict
