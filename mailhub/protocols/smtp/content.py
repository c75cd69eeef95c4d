"""DATA and BDAT: the message, in blocks, from the net to the policy's transaction (RFC 5321 section 4.1.1.4, RFC 3030).

LMTP answers the end of a message once for each recipient that was accepted (RFC 2033 section 4.2).
"""

import logging
from typing import TYPE_CHECKING, Final

from mailhub.model.errors import MailError
from mailhub.model.reply import Reply
from mailhub.policy import Transaction
from mailhub.wire.smtp import ChunkReader, DataReader, Fault, SyntaxRefused, chunk_argument

if TYPE_CHECKING:
    from .session import SmtpSession

log = logging.getLogger("mailhub.protocols.smtp")

BACKLOG_LIMIT: Final = 1_048_576  # octets waiting for the disk, above which the net has to wait
SWALLOW_LIMIT: Final = 16_777_216  # octets of a refused chunk that are still read, so that the session can go on

MAIL_FIRST = Reply(503, "5.5.1", "Send MAIL first")
RCPT_FIRST = Reply(503, "5.5.1", "Send RCPT first")
NO_RECIPIENTS = Reply(554, "5.5.1", "No valid recipients")
NO_ARGUMENT = Reply(501, "5.5.4", "That command takes no argument")
CHUNKS_BEGUN = Reply(503, "5.5.1", "The message has begun with BDAT: go on with BDAT, or send RSET")
NO_BDAT = Reply(502, "5.5.1", "BDAT not available")
BINARY = Reply(503, "5.5.1", "A message declared BINARYMIME is sent with BDAT")
START = Reply(354, "", "End data with <CR><LF>.<CR><LF>")
REFUSED = {
    Fault.SIZE: Reply(552, "5.3.4", "Message too big for this system"),
    Fault.CUT: Reply(552, "5.3.4", "Message much too big for this system, closing the connection"),
    Fault.LINE: Reply(554, "5.6.0", "The message holds a line over the limit"),
    Fault.NEWLINE: Reply(550, "5.6.0", "The message holds a bare CR or LF (RFC 5321 section 2.3.8)"),
    Fault.NUL: Reply(550, "5.6.0", "The message holds a NUL octet"),
}


class Incoming:
    """A message on its way to the store. `trouble`: why it can not be taken; what follows is thrown away."""

    def __init__(self, session: "SmtpSession", transaction: Transaction) -> None:
        self._session, self._transaction = session, transaction
        self._intake = transaction.body()
        self.trouble: Reply | None = None
        settings = session.settings
        self.chunks = ChunkReader(
            settings.message_size_limit,
            settings.text_line_length_limit,
            settings.bare_newlines,
            binary=transaction.parameters.body == "BINARYMIME",
        )

    async def feed(self, octets: bytes, fault: Fault | None) -> None:
        """Octets of the message; the net waits while the disk is slow."""
        if self.trouble is not None:
            return
        if fault is not None:
            self.refuse(REFUSED[fault])
        elif octets:
            self._intake.feed(octets)
            if self._intake.pending or self._intake.backlog > BACKLOG_LIMIT:
                try:
                    await self._intake.drain()
                except MailError as error:
                    self._not_stored(error)

    def refuse(self, reply: Reply) -> None:
        self.trouble = reply
        self._transaction.abort()

    def _not_stored(self, error: MailError) -> None:
        log.warning("%s: body not stored: %s", self._session.record, error)
        self.refuse(error.reply)

    async def finish(self) -> Reply:
        """The message is whole: judge it and queue it."""
        if self.trouble is not None:
            return self.trouble
        try:
            body = await self._intake.finish()
        except MailError as error:
            self._not_stored(error)
            return error.reply
        verdict = await self._transaction.content(body)
        return await self._transaction.commit() if verdict.ok else verdict


async def data(session: "SmtpSession", argument: str) -> None:
    """DATA"""
    if session.incoming is not None:
        return session.answer(CHUNKS_BEGUN)
    refused = _untimely(session)
    if refused is not None:
        return session.answer(refused)
    if argument:
        return session.answer(NO_ARGUMENT)
    transaction = session.transaction
    assert transaction is not None
    if transaction.parameters.body == "BINARYMIME":
        return session.answer(BINARY)
    if (refusal := await transaction.data(pipelined=session.buffered)) is not None:
        return session.answer(refusal)
    session.reply(START)
    settings = session.settings
    reader = DataReader(settings.message_size_limit, settings.text_line_length_limit, settings.bare_newlines)
    incoming = Incoming(session, transaction)
    while reader.rest is None:
        kept = reader.feed(await session.block())
        await incoming.feed(kept, reader.fault)
        if reader.fault is Fault.CUT:
            session.give_up()
            return _end(session, REFUSED[Fault.CUT])
    session.resume(reader.rest)
    return _end(session, await incoming.finish())


async def bdat(session: "SmtpSession", argument: str) -> None:
    """BDAT octets [LAST]"""
    try:
        size, last = chunk_argument(argument)
    except SyntaxRefused as refused:
        return session.leave(refused.reply)  # nobody knows where the next command stands
    limit = session.settings.message_size_limit
    if limit and size > limit + SWALLOW_LIMIT:
        return session.leave(REFUSED[Fault.CUT])
    refusal = None if session.incoming is not None else NO_BDAT if session.discards("CHUNKING") else _untimely(session)
    if refusal is None and session.incoming is None and session.transaction is not None:
        refusal = await session.transaction.data()
    if refusal is not None:
        await _swallow(session, size)
        return session.answer(refusal)
    if session.incoming is None:
        assert session.transaction is not None
        session.incoming = Incoming(session, session.transaction)
    incoming = session.incoming
    left = size
    while left:
        block = await session.block(left)
        left -= len(block)
        await incoming.feed(incoming.chunks.feed(block), incoming.chunks.fault)
    if last:
        await incoming.feed(incoming.chunks.finish(), incoming.chunks.fault)
        return _end(session, await incoming.finish())
    if incoming.trouble is not None:
        return session.answer(incoming.trouble)
    return session.answer(Reply(250, "2.0.0", f"{size} octets received"))


async def _swallow(session: "SmtpSession", size: int) -> None:
    while size:
        size -= len(await session.block(size))


def _untimely(session: "SmtpSession") -> Reply | None:
    """Why a message can not begin now."""
    if session.transaction is None:
        return MAIL_FIRST if session.helo else session.hello_first
    if not session.transaction.accepted:  # RFC 2033 section 4.2 wants 503
        return NO_RECIPIENTS if session.tried and not session.is_lmtp else RCPT_FIRST
    return None


def _end(session: "SmtpSession", reply: Reply) -> None:
    """Tell how it ended, and make room for the next. LMTP: for each RCPT that was welcome (RFC 2033 section 4.2)."""
    told = session.transaction.accepted if session.transaction is not None and session.is_lmtp else 1
    session.end_transaction()
    if reply.ok:
        session.messages += 1
        session.forgive()
    for _ in range(told - 1):
        session.reply(reply)
    session.answer(reply)
    if reply.ok:
        session.flush()
