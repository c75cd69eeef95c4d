"""One door: a listening socket, and for each connection a session that is counted, secured and handed over.

Comes from: `hub`, with a function that makes the protocol object for a session. Every connection passes `_Door` first:
it is counted (`Sessions.enter`) or refused, does its TLS handshake where TLS is implicit, and only then meets its session.
"""

import asyncio
import errno
import logging
import socket
import ssl
from collections.abc import Callable
from typing import cast

from mailhub.config import schema
from mailhub.model.clock import Clock
from mailhub.model.errors import Permanent

from .session import Session, Sessions, TooManySessions

log = logging.getLogger("mailhub.protocols")

_BACKLOG = 1024
_LIBRARY_TIMEOUT = 86_400.0  # asyncio's own handshake timer reads real time: ours, on the clock, comes first

_REFUSALS = {
    "smtp": b"421 4.7.0 Too many connections, try again later\r\n",
    "submission": b"421 4.7.0 Too many connections, try again later\r\n",
    "pop3": b"-ERR [SYS/TEMP] Too many connections, try again later\r\n",
    "imap": b"* BYE [UNAVAILABLE] Too many connections, try again later\r\n",
}


class ListenError(Permanent):
    """A listener can not be opened; the cause names it and what to do."""


class Listener:
    """`bind()` takes the address, `start()` opens it, `close()` takes no more connections; sessions go on.

    `serve(session)` makes the protocol object that talks to the client. `tls` is asked at each implicit handshake.
    """

    def __init__(
        self,
        config: schema.Listener,
        sessions: Sessions,
        clock: Clock,
        serve: Callable[[Session], asyncio.BaseProtocol],
        tls: Callable[[], ssl.SSLContext],
    ) -> None:
        self.config = config
        self._sessions, self._clock, self._serve, self._tls = sessions, clock, serve, tls
        self._socket: socket.socket | None = None
        self._server: asyncio.Server | None = None
        self._handshakes: set[asyncio.Task[None]] = set()
        self.port = config.port

    def bind(self) -> None:
        """Take address and port; ListenError where that can not be."""
        listener = self.config
        family = socket.AF_INET6 if ":" in listener.address else socket.AF_INET
        try:
            door = socket.socket(family, socket.SOCK_STREAM)
        except OSError as error:
            raise ListenError(_advice(listener, error)) from error
        try:
            door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                door.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            door.setblocking(False)
            door.bind((listener.address, listener.port))
            door.listen(_BACKLOG)
        except OSError as error:
            door.close()
            raise ListenError(_advice(listener, error)) from error
        self._socket = door
        self.port = door.getsockname()[1]

    async def start(self) -> None:
        """Serve who has knocked since `bind`, and all who come."""
        if self._socket is None:
            self.bind()
        loop, door = asyncio.get_running_loop(), cast(socket.socket, self._socket)
        self._server = await loop.create_server(lambda: _Door(self), sock=door, backlog=_BACKLOG)

    def close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        elif self._socket is not None:
            self._socket.close()
        self._socket = None
        for task in tuple(self._handshakes):
            task.cancel()

    def _arrived(self, transport: asyncio.Transport) -> None:
        peer = transport.get_extra_info("peername")
        if not peer:  # gone already
            transport.abort()
            return
        listener = self.config
        session = Session(listener.protocol, listener.label, str(peer[0]), int(peer[1]), self._clock.now())
        try:
            self._sessions.enter(session)
        except TooManySessions as limit:
            log.info("%s: connection from %s refused: %s", listener.label, session.client, limit)
            if listener.tls != "implicit":
                transport.write(_REFUSALS[listener.protocol])
            transport.close()
            return
        session.on_abort(transport.abort)
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if listener.tls == "implicit":
            task = asyncio.get_running_loop().create_task(self._secure(transport, session))
            self._handshakes.add(task)
            task.add_done_callback(self._handshakes.discard)
        else:
            self._hand_over(transport, session, b"")

    async def _secure(self, transport: asyncio.Transport, session: Session) -> None:
        """The handshake of implicit TLS (RFC 8314), then the session."""
        porch = _Porch()
        transport.set_protocol(porch)
        secured: asyncio.Transport | None = None
        try:
            async with self._clock.timeout(self._sessions.limits.handshake_timeout):
                secured = await asyncio.get_running_loop().start_tls(
                    transport, porch, self._tls(), server_side=True, ssl_handshake_timeout=_LIBRARY_TIMEOUT
                )
        except (OSError, TimeoutError, ssl.SSLError) as error:
            log.info("%s: TLS handshake failed: %s", session, error or type(error).__name__)
        finally:
            if secured is None or porch.lost:
                transport.abort()
                session.end()
        if secured is not None and not porch.lost:
            session.on_abort(secured.abort)
            self._hand_over(secured, session, porch.taken())

    def _hand_over(self, transport: asyncio.Transport, session: Session, early: bytes) -> None:
        try:
            protocol = cast(asyncio.Protocol, self._serve(session))
            transport.set_protocol(protocol)
            protocol.connection_made(transport)
            if early:
                protocol.data_received(early)
        except Exception:
            log.exception("%s: the session could not begin", session)
            transport.abort()
            session.end()


class _Door(asyncio.Protocol):
    """What the event loop makes for a new connection; it never sees a byte."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._listener._arrived(cast(asyncio.Transport, transport))


class _Porch(asyncio.Protocol):
    """Stands behind a TLS handshake until the session takes over, and keeps what a hasty client says meanwhile."""

    def __init__(self) -> None:
        self.lost = False
        self._early = b""

    def data_received(self, data: bytes) -> None:
        self._early += data

    def connection_lost(self, error: Exception | None) -> None:
        self.lost = True

    def taken(self) -> bytes:
        early, self._early = self._early, b""
        return early


def _advice(listener: schema.Listener, error: OSError) -> str:
    """What is wrong with the address, and what to do."""
    where = f"[{listener.address}]" if ":" in listener.address else listener.address
    place = f"listener {listener.label}: {where} port {listener.port}"
    match error.errno:
        case errno.EADDRINUSE:
            return f"{place} is in use by another program: stop that one, or set another port in [[listener]]"
        case errno.EACCES | errno.EPERM:
            return (
                f"{place}: no permission: ports below 1024 need root or CAP_NET_BIND_SERVICE; "
                "set a port above 1023 in [[listener]]"
            )
        case errno.EADDRNOTAVAIL | errno.EAFNOSUPPORT:
            return f"{place}: this machine has no such address: set one that it has in [[listener]]"
    return f"{place}: {error.strerror or error}"
