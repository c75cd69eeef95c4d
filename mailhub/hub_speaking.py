"""The protocol objects of a hub: who talks to the client that a listener took."""

import asyncio
import functools
import importlib
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

from mailhub.config import schema
from mailhub.hub_sessions import begin
from mailhub.net.stream import Stream
from mailhub.net.tls import ServerTls
from mailhub.policy import Policy
from mailhub.protocols.session import Session, SessionContext
from mailhub.protocols.smtp import SmtpSession

if TYPE_CHECKING:
    from mailhub.hub import Hub
    from mailhub.protocols.pop3 import Turns

_ROOMS = {"imap": "imap.session", "pop3": "pop3", "managesieve": "managesieve", "auth": "auth.session"}
_FIRST_REQUEST = 60.0  # seconds that a browser may take for it
Settings = TypeVar("Settings", schema.Smtp, schema.Imap, schema.Pop3, schema.Managesieve, schema.AuthSocket)


class Speaking:
    """One for a hub. Rooms of protocols that no listener speaks are not loaded; the others are before the first client comes."""

    def __init__(self, hub: "Hub") -> None:
        self._hub, self._clock = hub, hub.clock
        self._turns: Turns | None = None
        for door in hub.config.listener:
            if room := _ROOMS.get(door.protocol):
                importlib.import_module(f"mailhub.protocols.{room}")

    def serve(self, door: schema.Listener, tls: ServerTls, session: Session) -> asyncio.BaseProtocol:
        """The protocol object of a new connection."""
        config = self._hub.config
        if door.protocol == "imap":
            talk = functools.partial(self._imap, self._context(door, tls, session, config.imap))
        elif door.protocol == "pop3":
            talk = functools.partial(self._pop3, self._context(door, tls, session, config.pop3))
        elif door.protocol == "managesieve":
            talk = functools.partial(self._managesieve, self._context(door, tls, session, config.managesieve))
        elif door.protocol == "http":
            return self._http(session)
        elif door.protocol == "auth":
            talk = functools.partial(self._auth, self._context(door, tls, session, config.auth_socket))
        else:
            policy = self._hub.policy_of(door.label)
            return self.new_smtp(self._context(door, tls, session, policy.config), policy)
        return self.new_stream(session, functools.partial(begin, session, talk))

    def _http(self, session: Session) -> asyncio.BaseProtocol:
        def made(transport: asyncio.Transport, drain: Callable[[], object]) -> None:
            session.on_abort(transport.abort)
            session.on_drain(drain)
            session.under_way = lambda: connection.answering
            heard()

        def heard() -> None:
            session.silent_since = self._clock.monotonic()

        def late() -> None:
            if not connection.served:
                session.abort()

        def lost() -> None:
            patience.cancel()
            session.end()

        connection = self._hub.web.connection(session.client, made, lost, heard)
        patience = self._clock.call_later(_FIRST_REQUEST, late)
        return connection

    def new_smtp(self, context: SessionContext[schema.Smtp], policy: Policy) -> SmtpSession:
        """The protocol object of an SMTP, submission or LMTP client. The test kit has one of its own."""
        return SmtpSession(context, policy, self._hub.authenticator)

    def new_stream(self, session: Session, on_connect: Callable[[Stream], object]) -> Stream:
        """The same for all other protocols."""
        return Stream(self._clock, on_connect)

    def _imap(self, context: SessionContext[schema.Imap], stream: Stream) -> Coroutine[Any, Any, None]:
        from mailhub.protocols.imap import session as imap

        return imap.serve(stream, context, self._hub.mailboxes, self._hub.authenticator)

    def _pop3(self, context: SessionContext[schema.Pop3], stream: Stream) -> Coroutine[Any, Any, None]:
        from mailhub.protocols import pop3

        self._turns = self._turns or pop3.Turns(self._clock)
        return pop3.serve(stream, context, self._hub.mailboxes, self._hub.authenticator, self._turns)

    def _managesieve(self, context: SessionContext[schema.Managesieve], stream: Stream) -> Coroutine[Any, Any, None]:
        from mailhub.protocols import managesieve

        return managesieve.serve(stream, context, self._hub.scripts, self._hub.authenticator)

    def _auth(self, context: SessionContext[schema.AuthSocket], stream: Stream) -> Coroutine[Any, Any, None]:
        from mailhub.protocols.auth import session as auth

        return auth.serve(stream, context, self._hub.authenticator, self._hub.guard.connected)

    def _context(
        self, door: schema.Listener, tls: ServerTls, session: Session, settings: Settings
    ) -> SessionContext[Settings]:
        return SessionContext(
            service=door.protocol,
            hostname=self._hub.config.hostname,
            clock=self._clock,
            settings=settings,
            auth=self._hub.config.auth,
            label=door.label,
            tls=door.tls,
            tls_context=None if door.tls == "none" else tls.context,
            handshake_timeout=self._hub.config.sessions.handshake_timeout,
            session=session,
        )
