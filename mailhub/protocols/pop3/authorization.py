"""AUTHORIZATION (RFC 1939 section 4): who is there, and whether others may listen; CAPA and LANG, which both states have."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from mailhub.config.schema import AutoExpunge
from mailhub.directory import Account, Refused
from mailhub.model.errors import MailError
from mailhub.net.stream import ConnectionLost, LineTooLong
from mailhub.wire import sasl
from mailhub.wire.pop3 import Command

from .languages import LANGUAGES, chosen
from .maildrop import Maildrop
from .turns import NotNow

if TYPE_CHECKING:
    from .session import Pop3Session

log = logging.getLogger("mailhub.pop3")

_DAY = 86_400  # seconds


async def capa(session: "Pop3Session", command: Command) -> None:
    """RFC 2449 section 5."""
    options = session.options
    lines = ["TOP", "UIDL", "RESP-CODES", "AUTH-RESP-CODE", "PIPELINING", "LANG", "UTF8 USER"]
    rules = session.mailboxes.config.autoexpunge
    lines += _expire(rules) if options.leave_on_server else ["EXPIRE 0"]
    if options.login_delay:
        lines.append(f"LOGIN-DELAY {options.login_delay:.0f}")
    if session.passwords_allowed:
        lines.append("USER")
    if mechanisms := session.authenticator.offered(session.peer):
        lines.append("SASL " + " ".join(mechanisms))
    if session.may_start_tls:
        lines.append("STLS")
    session.ok("Capabilities")
    await session.lines([*lines, "IMPLEMENTATION mailhub"])


def _expire(rules: Sequence[AutoExpunge]) -> list[str]:
    """RFC 2449 section 6.7: for how many days mail stays in INBOX. Nothing is said where its number ends it, or hours do: no days can be
    named, and 0 would say that mail can not be left here at all."""
    rules = [rule for rule in rules if rule.folder == "INBOX"]
    if not rules:
        return ["EXPIRE NEVER"]
    days = min(rule.age for rule in rules) // _DAY
    if days < 1 or any(rule.count for rule in rules):
        return []
    return [f"EXPIRE {days:.0f}"]


async def lang(session: "Pop3Session", command: Command) -> None:
    """RFC 6856 section 3. "*" is the server's choice."""
    if not command.arguments:
        session.ok("Languages")
        return await session.lines(f"{tag} {name}" for tag, name in LANGUAGES.items())
    tag = "i-default" if command.arguments[0] == "*" else chosen(command.arguments[0])
    if tag is None:
        return session.err("No such language here", session.language)
    session.language = tag
    return session.ok("Language is set", tag)


async def _utf8(session: "Pop3Session", command: Command) -> None:
    """RFC 6856 section 2: from now on the client takes UTF-8 in headers. Without it it gets the same octets: to mail
    with raw 8-bit headers clients are used for longer than to this command, and sizes and UIDL hold for both."""
    session.ok("UTF8 enabled")


async def _stls(session: "Pop3Session", command: Command) -> None:
    """RFC 2595 section 4. Plaintext that came behind STLS ends the connection."""
    make = session.context.tls_context
    if not session.may_start_tls or make is None:
        return await session.bad("TLS is active already, or not offered here")
    session.ok("Begin TLS negotiation")
    await session.flush()
    session.user = ""
    try:
        await session.stream.start_tls(make(), session.context.handshake_timeout)
    except ConnectionLost as error:
        log.info("%s: STLS failed: %s", session.context.session, error)
        session.stream.abort()
        raise


async def _name(session: "Pop3Session", command: Command) -> None:
    if _check_privacy(session):
        session.user = command.arguments[0]
        session.ok("Send PASS")


async def _password(session: "Pop3Session", command: Command) -> None:
    if not _check_privacy(session):
        return None
    if not session.user:
        return await session.bad("USER first")
    user, session.user = session.user, ""
    try:
        account = await session.authenticator.authenticate(
            user, command.arguments[0], service="pop3", client=session.context.session.client
        )
    except MailError as error:
        return _undecided(session, error)
    return await _concluded(session, account)


def apop_is_possible(session: "Pop3Session") -> bool:
    """Whether the greeting has a timestamp: passwords are kept so that APOP can work, now or after STLS."""
    peer = replace(session.peer, secure=session.passwords_allowed or session.may_start_tls)
    return session.authenticator.apop("", peer) is not None


async def _apop(session: "Pop3Session", command: Command) -> None:
    """RFC 1939 section 7."""
    exchange = session.authenticator.apop(session.timestamp, session.peer) if session.timestamp else None
    if exchange is None:
        if session.timestamp and not _check_privacy(session):
            return None
        return await session.bad("APOP is not offered")
    try:
        step = await exchange.step(" ".join(command.arguments).encode())
    except sasl.SaslError as error:
        return await session.bad(f"malformed response: {error}")
    except MailError as error:
        return _undecided(session, error)
    assert not isinstance(step, sasl.Challenge)  # APOP asks nothing
    return await _concluded(session, None if isinstance(step, Refused) else step.account)


def _check_privacy(session: "Pop3Session") -> bool:
    if not session.passwords_allowed:
        session.err("[AUTH] Passwords are taken under TLS only")
    return session.passwords_allowed


async def _auth(session: "Pop3Session", command: Command) -> None:
    """RFC 5034 (before it RFC 1734). Without an argument: the mechanisms, as clients older than it ask."""
    if not command.arguments:
        session.ok("Mechanisms")
        return await session.lines(session.authenticator.offered(session.peer))
    name = command.arguments[0].upper()
    exchange = session.authenticator.begin(name, session.peer)
    if exchange is None:
        if name in sasl.MECHANISMS and not _check_privacy(session):
            return None
        return await session.bad("unknown mechanism")
    initial = command.arguments[1].encode() if len(command.arguments) > 1 else None
    try:
        step = await exchange.step(None if initial is None else sasl.decode(initial))
        while isinstance(step, sasl.Challenge):
            session.stream.write(b"+ " + sasl.encode(step.text) + b"\r\n")
            await session.flush()
            line = await session.line()
            if line == b"*":
                return session.err("Authentication cancelled")
            step = await exchange.step(sasl.decode(line))
    except LineTooLong:
        return await session.bad("line too long")
    except sasl.SaslError as error:
        return await session.bad(f"malformed response: {error}")
    except MailError as error:
        return _undecided(session, error)
    return await _concluded(session, None if isinstance(step, Refused) else step.account)


def _undecided(session: "Pop3Session", error: MailError) -> None:
    log.warning("%s: login undecided: %s", session.context.session, error)
    session.err("[SYS/TEMP] Temporary problem, try again later")


async def _concluded(session: "Pop3Session", account: Account | None) -> None:
    if account is None:
        session.failures += 1
        session.err("[AUTH] Wrong login or password")
        if session.failures >= session.context.auth.failure_limit:
            session.goodbye("[AUTH] Too many failed logins")
        return None
    try:
        session.held.enter_context(session.turns.taken(account.name, session.options))
    except NotNow as error:
        return session.err(str(error))
    try:
        session.drop = await Maildrop.open(session.mailboxes.account(account.name))
    except BaseException:
        session.held.close()
        raise
    session.context.session.login = account.name
    return session.ok(f"{session.drop.count} messages ({session.drop.size} octets)")


async def _quit(session: "Pop3Session", command: Command) -> None:
    session.leave()
    session.ok("Bye")


COMMANDS: dict[str, Callable[["Pop3Session", Command], Awaitable[None]]] = {
    "CAPA": capa, "LANG": lang, "UTF8": _utf8, "STLS": _stls, "USER": _name, "PASS": _password, "APOP": _apop,
    "AUTH": _auth, "QUIT": _quit,
}  # fmt: skip
