"""Commands about the session itself: EHLO, STARTTLS, RSET, NOOP, QUIT, HELP, VRFY, EXPN (RFC 5321 section 4.1.1)."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from mailhub.model.reply import Reply
from mailhub.wire.smtp import SyntaxRefused, greeting, parse_path

from . import commands
from .extensions import offered

if TYPE_CHECKING:
    from .session import SmtpSession

OK = Reply(250, "2.0.0", "Ok")
BYE = Reply(221, "2.0.0", "Bye")
NO_ARGUMENT = Reply(501, "5.5.4", "That command takes no argument")
LHLO_ONLY = Reply(500, "5.5.1", "This is LMTP: send LHLO")
NOT_LMTP = Reply(500, "5.5.1", "This is not LMTP: send EHLO")
NO_TLS = Reply(502, "5.5.1", "TLS not available")
TLS_READY = Reply(220, "2.0.0", "Ready to start TLS")
INJECTED = Reply(501, "5.5.1", "STARTTLS must be the last command of a group, goodbye")
VRFY_SYNTAX = Reply(501, "5.5.4", "Syntax: VRFY address")
CANNOT_VERIFY = Reply(252, "2.5.0", "Cannot verify, but will take a message and try to deliver it")
EXPN_SYNTAX = Reply(501, "5.5.4", "Syntax: EXPN address")
ETRN_SYNTAX = Reply(501, "5.5.4", "Syntax: ETRN domain")
ETRN_LATE = Reply(503, "5.5.1", "Not during a mail transaction")
NO_ETRN = Reply(502, "5.5.1", "ETRN not available")
NO_EXPN = Reply(502, "5.5.1", "EXPN not available")
NO_HELP = Reply(504, "5.5.4", "No help for that")


async def ehlo(session: "SmtpSession", hostname: str) -> None:
    """EHLO hostname"""
    if session.is_lmtp:
        return session.answer(LHLO_ONLY)
    return await _hello(session, hostname, True)


async def lhlo(session: "SmtpSession", hostname: str) -> None:
    """LHLO hostname"""
    if not session.is_lmtp:
        return session.answer(NOT_LMTP)
    return await _hello(session, hostname, True)


async def helo(session: "SmtpSession", hostname: str) -> None:
    """HELO hostname"""
    if session.is_lmtp:
        return session.answer(LHLO_ONLY)
    return await _hello(session, hostname, False)


async def _hello(session: "SmtpSession", hostname: str, extended: bool) -> None:
    if not hostname or len(hostname) > 255 or not hostname.isascii() or " " in hostname:
        return session.answer(Reply(501, "5.5.4", f"Syntax: {session.record.doing} hostname"))
    if (refusal := await session.introduce(hostname, extended)) is not None:
        return session.answer(refusal)
    session.end_transaction()
    session.offered = offered(session)  # who says HELO may use what it does not ask for
    return session.say(greeting(session.hostname, tuple(_shown(session)) if extended else ()))


def _shown(session: "SmtpSession") -> Iterator[str]:
    for line in session.offered.values():
        yield line
        if line.startswith("AUTH ") and session.settings.broken_sasl_auth_clients:
            yield line.replace(" ", "=", 1)  # as in the drafts of RFC 2554, from before AUTH was what it is


async def starttls(session: "SmtpSession", argument: str) -> None:
    """STARTTLS"""
    if argument:
        return session.answer(NO_ARGUMENT)
    if not session.may_start_tls or session.context.tls_context is None:
        return session.answer(NO_TLS)
    if session.buffered:
        return session.leave(INJECTED)
    session.reply(TLS_READY)
    return await session.start_tls(session.context.tls_context())


async def rset(session: "SmtpSession", argument: str) -> None:
    """RSET"""
    if argument:
        return session.answer(NO_ARGUMENT)
    session.end_transaction()
    return session.answer(OK)


async def noop(session: "SmtpSession", argument: str) -> None:
    """NOOP [ignored]"""
    session.answer(OK)


async def quit_(session: "SmtpSession", argument: str) -> None:
    """QUIT"""
    if argument:
        return session.answer(NO_ARGUMENT)
    session.finish()
    return session.reply(BYE)


async def vrfy(session: "SmtpSession", argument: str) -> None:
    """VRFY address"""
    if not argument:
        return session.answer(VRFY_SYNTAX)
    if not session.settings.vrfy or session.discards("VRFY") or not session.helo:
        return session.answer(CANNOT_VERIFY)
    return session.answer(await session.policy.verify(_mailbox(argument), session.origin(False)))


async def expn(session: "SmtpSession", argument: str) -> None:
    """EXPN list"""
    if not session.settings.expn or session.discards("EXPN") or not session.helo:
        return session.answer(NO_EXPN)
    if not argument:
        return session.answer(EXPN_SYNTAX)
    return session.answer(await session.policy.expand(_mailbox(argument), session.origin(False)))


def _mailbox(argument: str) -> str:
    """The address in an argument that may be written with or without angle brackets. SyntaxRefused where there is none."""
    path, rest = parse_path(argument if argument.startswith("<") else f"<{argument}>")
    if (rest.strip() and rest.strip().upper() != "SMTPUTF8") or not path.address or path.route:
        raise SyntaxRefused(501, "5.1.3", "Bad address syntax")
    return path.address


async def etrn(session: "SmtpSession", argument: str) -> None:
    """ETRN domain"""
    if not session.settings.etrn or session.discards("ETRN"):
        return session.answer(NO_ETRN)
    if not session.helo:
        return session.answer(session.hello_first)
    if session.transaction is not None:
        return session.answer(ETRN_LATE)
    if not argument or " " in argument or len(argument) > 255:
        return session.answer(ETRN_SYNTAX)
    return session.answer(await session.policy.turn(argument, session.origin(False)))


async def help_(session: "SmtpSession", argument: str) -> None:
    """HELP [command]"""
    command = commands.COMMANDS.get(argument.upper())
    if argument and command is None:
        return session.answer(NO_HELP)
    line = (command.__doc__ or "") if command else "Commands: " + " ".join(commands.COMMANDS)
    return session.answer(Reply(214, "2.0.0", line))
