"""STARTTLS, LOGIN, AUTHENTICATE (RFC 3501 section 6.2): who is there, and whether others may listen."""

import logging
from typing import TYPE_CHECKING

from mailhub.directory import Account
from mailhub.directory import Refused as NotSignedIn
from mailhub.model.errors import MailError
from mailhub.net.stream import ConnectionLost
from mailhub.wire import sasl
from mailhub.wire.imap import commands, responses

from .answers import Answer, Refused, bad, no, ok

if TYPE_CHECKING:
    from .session import ImapSession

log = logging.getLogger("mailhub.imap")


async def start_tls(session: "ImapSession", verb: commands.StartTls) -> Answer:
    """RFC 3501 section 6.2.1. The handshake comes after this answer: `handshake`."""
    if session.secure:
        return bad("TLS is active already")
    if not session.may_start_tls:
        return no("TLS is not offered here", "UNAVAILABLE")
    return ok("Begin TLS negotiation now")


async def handshake(session: "ImapSession") -> None:
    """Plaintext that came behind STARTTLS ends the connection: somebody put it there."""
    make = session.context.tls_context
    assert make is not None  # by start_tls
    await session.flush()
    try:
        await session.stream.start_tls(make(), session.context.handshake_timeout)
    except ConnectionLost as error:
        log.info("%s: STARTTLS failed: %s", session.context.session, error)
        session.stream.abort()
        raise


async def login(session: "ImapSession", verb: commands.Login) -> Answer:
    """RFC 3501 section 6.2.3."""
    _check_privacy(session)
    try:
        user, password = verb.user.decode("utf-8"), verb.password.decode("utf-8")
    except UnicodeDecodeError:
        return bad("Login and password must be UTF-8")
    try:
        account = await session.authenticator.authenticate(
            user, password, service="imap", client=session.context.session.client
        )
    except MailError as error:
        return _undecided(session, error)
    return _concluded(session, account)


async def authenticate(session: "ImapSession", verb: commands.Authenticate) -> Answer:
    """RFC 3501 section 6.2.2, RFC 4959."""
    exchange = session.authenticator.begin(verb.mechanism, session.peer)
    if exchange is None:
        if verb.mechanism in sasl.MECHANISMS:
            _check_privacy(session)
        return no("That mechanism is not offered", "CANNOT")
    try:
        step = await exchange.step(None if verb.initial is None else sasl.decode(verb.initial))
        while isinstance(step, sasl.Challenge):
            session.write(responses.continuation(sasl.encode(step.text)))
            await session.flush()
            with session.interruptible():
                line = await session.reader.line()
            if line == b"*":
                return bad("Authentication cancelled")
            step = await exchange.step(sasl.decode(line))
    except sasl.SaslError as error:
        return bad(f"Authentication response is malformed: {error}")
    except MailError as error:
        return _undecided(session, error)
    return _concluded(session, None if isinstance(step, NotSignedIn) else step.account)


async def unauthenticate(session: "ImapSession", verb: commands.Unauthenticate) -> Answer:
    """RFC 8437: as after the greeting; TLS and compression stay."""
    session.log_out()
    return ok("Who is next?")


def _check_privacy(session: "ImapSession") -> None:
    if not session.passwords_allowed:
        raise Refused(no("Passwords are taken under TLS only", "PRIVACYREQUIRED"))


def _undecided(session: "ImapSession", error: MailError) -> Answer:
    log.warning("%s: login undecided: %s", session.context.session, error)
    return no("Temporary problem, try again later", "UNAVAILABLE")


def _concluded(session: "ImapSession", account: Account | None) -> Answer:
    if account is None:
        return _failed(session, no("Wrong login or password", "AUTHENTICATIONFAILED"))
    session.log_in(account)
    return ok("Logged in", f"CAPABILITY {session.capabilities()}")


def _failed(session: "ImapSession", answer: Answer) -> Answer:
    session.login_failures += 1
    if session.login_failures >= session.context.auth.failure_limit:
        session.goodbye("Too many failed logins")
    return answer
