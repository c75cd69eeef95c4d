"""What each command does (RFC 5804 section 2), by the state it is for."""

import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from mailhub.directory import Refused
from mailhub.model.errors import MailError
from mailhub.net.stream import ConnectionLost, LineTooLong
from mailhub.wire import sasl
from mailhub.wire.sieve import managing
from mailhub.wire.sieve.managing import BadCommand, Command

if TYPE_CHECKING:
    from .session import ManagesieveSession as Session

log = logging.getLogger("mailhub.managesieve")


def _name(octets: bytes) -> str:
    """A script's name; one that is no UTF-8 is the name of none."""
    return octets.decode("utf-8", "replace")


async def _capability(session: "Session", command: Command) -> None:
    session.capabilities()
    session.ok()


async def _noop(session: "Session", command: Command) -> None:
    """Section 2.13: the client's tag comes back."""
    if not command.strings:
        return session.ok("Done")
    tag = managing.string(command.strings[0])
    session.write(b"OK (TAG " + tag + b') "Done"\r\n')
    return None


async def _logout(session: "Session", command: Command) -> None:
    session.ok("Bye")
    session.leave()


async def _starttls(session: "Session", command: Command) -> None:
    """Section 2.2. Plaintext that came behind STARTTLS ends the connection; the capabilities are told again."""
    make = session.context.tls_context
    if not session.may_start_tls or make is None:
        return session.no("TLS is active already, or not offered here")
    session.ok("Begin TLS negotiation now")
    await session.flush()
    try:
        await session.stream.start_tls(make(), session.context.handshake_timeout)
    except ConnectionLost as error:
        log.info("%s: STARTTLS failed: %s", session.context.session, error)
        session.stream.abort()
        raise
    session.capabilities()
    return session.ok("TLS is active")


async def _authenticate(session: "Session", command: Command) -> None:
    """Section 2.1: challenges and answers are strings of base64."""
    name = command.strings[0].decode("ascii", "replace").upper()
    exchange = session.authenticator.begin(name, session.peer)
    if exchange is None:
        known = name in sasl.MECHANISMS
        return session.no("That mechanism is not offered", "ENCRYPT-NEEDED" if known and session.may_start_tls else "")
    initial = command.strings[1] if len(command.strings) > 1 else None
    try:
        step = await exchange.step(None if initial is None else sasl.decode(initial or b"="))
        while isinstance(step, sasl.Challenge):
            session.write(managing.string(sasl.encode(step.text)) + b"\r\n")
            await session.flush()
            answer = await session.arguments()
            if len(answer) != 1 or not isinstance(answer[0], bytes):
                return await session.bad("Not a string of base64")
            if answer[0] == b"*":
                return session.no("Authentication cancelled")
            step = await exchange.step(sasl.decode(answer[0]))
    except (LineTooLong, BadCommand):
        return await session.bad("Not a string of base64")
    except sasl.SaslError as error:
        return await session.bad(f"Malformed response: {error}")
    except MailError as error:
        log.warning("%s: login undecided: %s", session.context.session, error)
        return session.no("Temporary problem, try again later", "TRYLATER")
    if isinstance(step, Refused):
        session.failures += 1
        session.no("Wrong login or password")
        if session.failures >= session.context.auth.failure_limit:
            session.goodbye("Too many failed logins")
        return None
    session.log_in(step.account)
    return session.ok("Logged in")


async def _unauthenticate(session: "Session", command: Command) -> None:
    session.log_out()
    session.ok("Who is next?")


async def _havespace(session: "Session", command: Command) -> None:
    await session.scripts.check_space(session.account, _name(command.strings[0]), command.number)
    session.ok("There is room")


async def _putscript(session: "Session", command: Command) -> None:
    name, text = command.strings
    await session.scripts.put(session.account, _name(name), text)
    session.ok("Stored")


async def _checkscript(session: "Session", command: Command) -> None:
    await session.scripts.check(command.strings[0])
    session.ok("The script is fine")


async def _listscripts(session: "Session", command: Command) -> None:
    for row in await session.scripts.list(session.account):
        session.write(managing.string(row.name.encode()) + (b" ACTIVE" if row.active else b"") + b"\r\n")
    session.ok()


async def _setactive(session: "Session", command: Command) -> None:
    name = _name(command.strings[0])
    await session.scripts.activate(session.account, name)
    session.ok("Active" if name else "No script is active")


async def _getscript(session: "Session", command: Command) -> None:
    text = await session.scripts.get(session.account, _name(command.strings[0]))
    session.write(b"{%d}\r\n%b\r\n" % (len(text), text))
    session.ok()


async def _deletescript(session: "Session", command: Command) -> None:
    name = _name(command.strings[0])
    if any(row.active and row.name == name for row in await session.scripts.list(session.account)):
        return session.no("The script is active", "ACTIVE")
    await session.scripts.delete(session.account, name)
    return session.ok("Deleted")


async def _renamescript(session: "Session", command: Command) -> None:
    await session.scripts.rename(session.account, _name(command.strings[0]), _name(command.strings[1]))
    session.ok("Renamed")


Table = dict[str, Callable[["Session", Command], Awaitable[None]]]
ANYTIME: Table = {"CAPABILITY": _capability, "NOOP": _noop, "LOGOUT": _logout}
BEFORE: Table = {"STARTTLS": _starttls, "AUTHENTICATE": _authenticate}
SIGNED_IN: Table = {
    "UNAUTHENTICATE": _unauthenticate, "HAVESPACE": _havespace, "PUTSCRIPT": _putscript, "CHECKSCRIPT": _checkscript,
    "LISTSCRIPTS": _listscripts, "SETACTIVE": _setactive, "GETSCRIPT": _getscript, "DELETESCRIPT": _deletescript,
    "RENAMESCRIPT": _renamescript,
}  # fmt: skip
