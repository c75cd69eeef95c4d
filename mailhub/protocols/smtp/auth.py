"""AUTH (RFC 4954): the dialogue around a SASL mechanism."""

import logging
from typing import TYPE_CHECKING

from mailhub.directory import Refused
from mailhub.model.errors import MailError
from mailhub.model.reply import Reply
from mailhub.wire.sasl import Challenge, SaslError, decode, encode
from mailhub.wire.smtp import SyntaxRefused

if TYPE_CHECKING:
    from .session import SmtpSession

log = logging.getLogger("mailhub.protocols.smtp")

SUCCESS = Reply(235, "2.7.0", "Authentication successful")
WRONG = Reply(535, "5.7.8", "Authentication credentials invalid")
CANCELLED = Reply(501, "5.7.0", "Authentication cancelled")
MALFORMED = Reply(501, "5.5.2", "Cannot decode that response")
UNKNOWN_MECHANISM = Reply(504, "5.5.4", "Mechanism not supported")
NO_PLAINTEXT = Reply(538, "5.7.11", "Encryption required for authentication")
NO_AUTH = Reply(502, "5.5.1", "Authentication not available")
AUTH_TWICE = Reply(503, "5.5.1", "Already authenticated")
AUTH_LATE = Reply(503, "5.5.1", "Not during a mail transaction")
AUTH_SYNTAX = Reply(501, "5.5.4", "Syntax: AUTH mechanism [initial-response]")
TOO_MANY_FAILURES = Reply(421, "4.7.0", "Too many authentication failures")
UNAVAILABLE = Reply(454, "4.7.0", "Temporary authentication failure")

LINE_LIMIT = 12_288  # octets of a response, RFC 4954 section 4.3


async def auth(session: "SmtpSession", argument: str) -> None:
    """AUTH mechanism [initial-response]"""
    if not session.helo:
        return session.answer(session.hello_first)
    if not session.may_auth:
        return session.answer(NO_PLAINTEXT if session.may_start_tls else NO_AUTH)
    if session.record.login:
        return session.answer(AUTH_TWICE)
    if session.transaction is not None:
        return session.answer(AUTH_LATE)
    if not argument:
        return session.answer(AUTH_SYNTAX)
    reply = await _authenticate(session, argument)
    session.answer(reply)
    if reply is WRONG:
        session.auth_failures += 1
        if session.auth_failures >= session.context.auth.failure_limit:
            session.leave(TOO_MANY_FAILURES)
    return None


async def _authenticate(session: "SmtpSession", argument: str) -> Reply:
    """Lead the dialogue that `AUTH argument` opens. On success the record's `login` names the account."""
    name, _, initial = argument.partition(" ")
    exchange = session.authenticator.begin(name, session.peer)
    if exchange is None:
        return UNKNOWN_MECHANISM if session.tls is not None or not session.may_start_tls else NO_PLAINTEXT
    try:
        step = await exchange.step(decode(initial.encode()) if initial else None)
        while isinstance(step, Challenge):
            line = await session.ask(b"334 " + encode(step.text) + b"\r\n", LINE_LIMIT)
            if line == b"*":
                return CANCELLED
            step = await exchange.step(decode(line))
    except (SaslError, SyntaxRefused):
        return MALFORMED
    except MailError as error:
        log.warning("%s: login undecided: %s", session.record, error)
        return UNAVAILABLE
    if isinstance(step, Refused):
        return WRONG
    session.record.login, session.caller.mechanism = step.account.name, name.upper()
    return SUCCESS
