"""Commands about the session itself: EHLO, STARTTLS, RSET, NOOP, QUIT, HELP, VRFY, EXPN (RFC 5321 section 4.1.1)."""

from typing import TYPE_CHECKING

from mailhub.model.reply import Reply
from mailhub.wire.smtp import greeting

from . import commands
from .extensions import offered

if TYPE_CHECKING:
    from .session import SmtpSession

OK = Reply(250, "2.0.0", "Ok")
BYE = Reply(221, "2.0.0", "Bye")
NO_ARGUMENT = Reply(501, "5.5.4", "That command takes no argument")
HELLO_SYNTAX = Reply(501, "5.5.4", "Syntax: EHLO hostname")
NO_TLS = Reply(502, "5.5.1", "TLS not available")
TLS_READY = Reply(220, "2.0.0", "Ready to start TLS")
INJECTED = Reply(501, "5.5.1", "STARTTLS must be the last command of a group, goodbye")
VRFY_SYNTAX = Reply(501, "5.5.4", "Syntax: VRFY address")
CANNOT_VERIFY = Reply(252, "2.5.0", "Cannot verify, but will take a message and try to deliver it")
NO_EXPN = Reply(502, "5.5.1", "EXPN not available")
NO_HELP = Reply(504, "5.5.4", "No help for that")


async def ehlo(session: "SmtpSession", hostname: str) -> None:
    """EHLO hostname"""
    if _hello(session, hostname, True):
        session.say(greeting(session.hostname, offered(session)))


async def helo(session: "SmtpSession", hostname: str) -> None:
    """HELO hostname"""
    if _hello(session, hostname, False):
        session.say(greeting(session.hostname, ()))


def _hello(session: "SmtpSession", hostname: str, extended: bool) -> bool:
    if not hostname or len(hostname) > 255 or not hostname.isascii() or " " in hostname:
        session.answer(HELLO_SYNTAX)
        return False
    session.end_transaction()
    session.helo, session.extended = hostname, extended
    return True


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
    session.answer(CANNOT_VERIFY if argument else VRFY_SYNTAX)


async def expn(session: "SmtpSession", argument: str) -> None:
    """EXPN list"""
    session.answer(NO_EXPN)


async def help_(session: "SmtpSession", argument: str) -> None:
    """HELP [command]"""
    command = commands.COMMANDS.get(argument.upper())
    if argument and command is None:
        return session.answer(NO_HELP)
    line = (command.__doc__ or "") if command else "Commands: " + " ".join(commands.COMMANDS)
    return session.answer(Reply(214, "2.0.0", line))
