"""MAIL and RCPT: the envelope (RFC 5321 sections 4.1.1.2 and 4.1.1.3)."""

import logging
from typing import TYPE_CHECKING

from mailhub.model.envelope import Recipient
from mailhub.model.reply import Reply
from mailhub.wire.smtp import SyntaxRefused, mail_parameters, parse_path, recipient_parameters

if TYPE_CHECKING:
    from .session import SmtpSession

log = logging.getLogger("mailhub.protocols.smtp")

MAIL_FIRST = Reply(503, "5.5.1", "Send MAIL first")
CHUNKS_BEGUN = Reply(503, "5.5.1", "The message has begun with BDAT")
NESTED = Reply(503, "5.5.1", "MAIL was given already")
MAIL_SYNTAX = Reply(501, "5.5.4", "Syntax: MAIL FROM:<address>")
RCPT_SYNTAX = Reply(501, "5.5.4", "Syntax: RCPT TO:<address>")
BAD_SENDER = Reply(501, "5.1.7", "Bad sender address syntax")
TLS_FIRST = Reply(530, "5.7.0", "Send STARTTLS first")
AUTH_FIRST = Reply(530, "5.7.0", "Authentication required")
TOO_MANY_MESSAGES = Reply(421, "4.7.0", "Too many messages in one session")


async def mail(session: "SmtpSession", argument: str) -> None:
    """MAIL FROM:<address> [SIZE=] [BODY=] [SMTPUTF8] [AUTH=] [RET=] [ENVID=] [BY=] [MT-PRIORITY=] [REQUIRETLS] [HOLDFOR=]"""
    if not session.helo:
        return session.answer(session.hello_first)
    if session.context.service == "submission" and not session.record.login:
        return session.answer(AUTH_FIRST if session.may_auth else TLS_FIRST)
    if session.transaction is not None:
        return session.answer(NESTED)
    if argument[:5].upper() != "FROM:":
        return session.answer(MAIL_SYNTAX)
    if session.messages >= session.settings.message_limit:
        return session.leave(TOO_MANY_MESSAGES)
    try:
        path, rest = parse_path(argument[5:])
    except SyntaxRefused:
        return session.answer(BAD_SENDER)
    parameters = mail_parameters(rest, session.context.clock.now(), session.offered)
    transaction = session.policy.begin(session.origin(parameters.smtputf8), session.context.service, session.caller)
    reply = await transaction.sender(path.address, parameters)
    if reply.ok:
        session.transaction = transaction
    return session.answer(reply)


async def rcpt(session: "SmtpSession", argument: str) -> None:
    """RCPT TO:<address> [NOTIFY=] [ORCPT=]"""
    if session.transaction is None:
        return session.answer(MAIL_FIRST if session.helo else session.hello_first)
    if session.incoming is not None:
        return session.answer(CHUNKS_BEGUN)
    if argument[:3].upper() != "TO:":
        return session.answer(RCPT_SYNTAX)
    session.tried = True
    path, rest = parse_path(argument[3:])
    parameters = recipient_parameters(rest, session.offered)
    if not path.address:
        return session.answer(RCPT_SYNTAX)
    reply = await session.transaction.recipient(
        Recipient(path.address, parameters.notify, parameters.orcpt), route=path.route
    )
    if not reply.ok:
        log.info("%s: recipient %r refused: %s", session.record, path.address, reply)
        if session.record.login:  # an honest client's list may hold many that are gone
            return session.reply(reply)
    return session.answer(reply)
