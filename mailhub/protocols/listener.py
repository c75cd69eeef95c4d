"""One door: a listening socket, and for each connection a session that is counted, secured and handed over.

Comes from: `hub`, with a function that makes the protocol object for a session. A connection is counted (`Sessions.enter`)
or refused before anything is read from it, does its TLS handshake where TLS is implicit, and only then meets its session.
We accept ourselves: `create_server` would do the handshake before anything could be counted, on a clock of its own, and
with the certificate it was opened with; `start_tls` on a fresh connection loses the client's first words under uvloop.
"""

import asyncio
import contextlib
import errno
import logging
import resource
import socket
import ssl
from collections.abc import Callable, Coroutine
from typing import Any, cast

from mailhub.config import schema
from mailhub.model.clock import Clock
from mailhub.model.errors import Permanent
from mailhub.model.reply import Reply
from mailhub.net import addresses
from mailhub.net.proxy import BadHeader, read_header
from mailhub.net.systemd import Inherited

from .doors import remove_door, unix_door
from .session import Session, Sessions, TooManySessions

log = logging.getLogger("mailhub.protocols")

_BACKLOG = 1024
_GONE_AGAIN = frozenset((errno.ECONNABORTED, errno.EPROTO, errno.ENETDOWN, errno.EHOSTUNREACH, errno.ENETUNREACH))
_PAUSE = 1.0  # seconds until the next try where none can be accepted, for others to give something back
_SPARE = 64  # file handles that are no connection's: for mail files, name servers, other hosts, the control socket
_LIBRARY_TIMEOUT = 86_400.0  # asyncio's own handshake timer reads real time: ours, on the clock, comes first

_CROWDED = Reply(421, "4.7.0", "Too many connections, try again later")
_REFUSALS = {
    "auth": "",
    "http": "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 10\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
    "pop3": "-ERR [SYS/TEMP] {0.text}\r\n",
    "imap": "* BYE [UNAVAILABLE] {0.text}\r\n",
    "managesieve": 'BYE (TRYLATER) "{0.text}"\r\n',
}


class ListenError(Permanent):
    """A listener can not be opened; the cause names it and what to do."""


class Listener:
    """`bind()` takes the address, `start()` opens it, `close()` takes no more connections; sessions go on.

    `serve(session)` makes the protocol object that talks to the client. `tls` is asked at each implicit handshake.
    `refuse(client, service)` is asked first of all: a reply turns the client away.
    """

    def __init__(
        self,
        config: schema.Listener,
        sessions: Sessions,
        clock: Clock,
        serve: Callable[[Session], asyncio.BaseProtocol],
        tls: Callable[[], ssl.SSLContext],
        refuse: Callable[[str, str], Reply | None] = lambda client, service: None,
    ) -> None:
        self.config = config
        self._sessions, self._clock, self._serve, self._tls = sessions, clock, serve, tls
        self._refuse = refuse
        self._networks = addresses.Networks(config.proxy_networks) if config.proxy_protocol else None
        self._socket: socket.socket | None = None
        self._accepting: asyncio.Task[None] | None = None
        self._opening: set[asyncio.Task[None]] = set()
        self.port = config.port
        self.trouble = ""  # why no connection can be taken now
        self._given = False  # the door is not ours to take away

    def bind(self, inherited: Inherited | None = None) -> None:
        """Take address and port, or the path, or what a service manager has opened for it; ListenError where that can not be."""
        listener = self.config
        self._socket = inherited.take(listener) if inherited is not None else None
        self._given = self._socket is not None
        if self._socket is not None:
            self.port = 0 if listener.path else self._socket.getsockname()[1]
            return
        try:
            self._socket = unix_door(listener) if listener.path else _inet_door(listener)
        except OSError as error:
            raise ListenError(_advice(listener, error)) from error
        self.port = 0 if listener.path else self._socket.getsockname()[1]

    async def start(self) -> "asyncio.Task[None]":
        """Serve who has knocked since `bind`, and all who come. The task is for the owner to watch: only `close` ends it."""
        if self._socket is None:
            self.bind()
        door = cast(socket.socket, self._socket)
        self._accepting = asyncio.get_running_loop().create_task(
            self._accept(door), name=f"listener {self.config.label}"
        )
        return self._accepting

    def close(self) -> None:
        for task in (self._accepting, *self._opening):
            if task is not None:
                task.cancel()
        if self._socket is not None:
            if self.config.path and not self._given:
                remove_door(self._socket, self.config.path)
            self._socket.close()
            self._socket = None

    async def _accept(self, door: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, peer = await loop.sock_accept(door)
            except OSError as error:
                if error.errno not in _GONE_AGAIN:  # too many open files, no memory
                    log.error("%s: no connection can be taken for now: %s", self.config.label, error.strerror or error)
                    self.trouble = error.strerror or str(error)
                    await self._clock.sleep(_PAUSE)
            else:
                self._arrived(connection, peer)
            await asyncio.sleep(0)  # where many knock at once, the others' turn

    def _arrived(self, connection: socket.socket, peer: tuple[str, int] | str) -> None:
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        if limit != resource.RLIM_INFINITY and connection.fileno() >= limit - _SPARE:
            self.trouble = f"{limit} files may be open, and nearly all are"
            log.error("%s: a connection is refused: %s", self.config.label, self.trouble)
            return self._turn_away(connection, _CROWDED)
        self.trouble = ""
        client, port = ("", 0) if isinstance(peer, str) else peer[:2]
        if self._networks is None:
            return self._enter(connection, client, port)
        if client not in self._networks or len(self._opening) >= self._sessions.limits.limit:
            log.info("%s: connection from %s refused: not of proxy_networks, or too many", self.config.label, client)
            return connection.close()
        self._begin(self._behind_proxy(connection, client))
        return None

    def _begin(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        task = asyncio.get_running_loop().create_task(work)
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)
        return task

    async def _behind_proxy(self, connection: socket.socket, proxy: str) -> None:
        """Hear from the proxy who is there; only then is anybody counted, secured and served."""
        loop = asyncio.get_running_loop()
        try:
            async with self._clock.timeout(self._sessions.limits.handshake_timeout):
                found = await read_header(lambda count: loop.sock_recv(connection, count))
        except (OSError, TimeoutError, BadHeader) as error:
            log.info("%s: no PROXY header from %s: %s", self.config.label, proxy, error or type(error).__name__)
            connection.close()
        except BaseException:
            connection.close()
            raise
        else:
            self._enter(connection, found.client or proxy, found.port)

    def _enter(self, connection: socket.socket, client: str, port: int) -> None:
        listener, client = self.config, addresses.plain(client)
        refusal = self._refuse(client, listener.protocol)
        if refusal is not None:
            log.debug("%s: connection from %s refused: %s", listener.label, client, refusal)
            return self._turn_away(connection, refusal)
        session = Session(listener.protocol, listener.label, client, port, self._clock.now())
        try:
            self._sessions.enter(session, listener.sessions)
        except TooManySessions as limit:
            log.info("%s: connection from %s refused: %s", listener.label, session.client, limit)
            return self._turn_away(connection, _CROWDED)
        begun = False

        async def open_it() -> None:
            nonlocal begun
            begun = True
            await self._open(connection, session)

        def opened(task: "asyncio.Task[None]") -> None:
            if not begun:  # ended before its first step, by `close`
                connection.close()
                session.end()

        task = self._begin(open_it())
        task.add_done_callback(opened)
        session.on_abort(task.cancel)
        return None

    def _turn_away(self, connection: socket.socket, reply: Reply) -> None:
        """Say why, where no TLS comes first, and close."""
        with contextlib.suppress(OSError):
            if self.config.tls != "implicit":
                connection.send(_REFUSALS.get(self.config.protocol, "{0}\r\n").format(reply).encode())
        connection.close()

    async def _open(self, connection: socket.socket, session: Session) -> None:
        """Secure the connection where TLS is implicit (RFC 8314), then give it to its session."""
        loop = asyncio.get_running_loop()
        secure = self.config.tls == "implicit"
        options: dict[str, Any] = {"ssl": self._tls(), "ssl_handshake_timeout": _LIBRARY_TIMEOUT} if secure else {}
        given = begun = False

        def begin() -> asyncio.BaseProtocol:
            """asyncio asks for the protocol before the handshake, and tells it of the connection after."""
            nonlocal given
            protocol = self._serve(session)
            given = True
            return protocol

        try:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            if connection.family != socket.AF_UNIX:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            async with self._clock.timeout(self._sessions.limits.handshake_timeout):
                await loop.connect_accepted_socket(begin, connection, **options)
            begun = True
        except (OSError, TimeoutError) as error:
            log.info("%s: the connection could not be opened: %s", session, error or type(error).__name__)
        except Exception:
            log.exception("%s: the session could not begin", session)
        finally:
            if not given:  # else the event loop closes it: the descriptor's number may be another's by then
                connection.close()
            if not begun:
                session.end()


def _inet_door(listener: schema.Listener) -> socket.socket:
    family = socket.AF_INET6 if ":" in listener.address else socket.AF_INET
    door = socket.socket(family, socket.SOCK_STREAM)
    try:
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            door.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        door.setblocking(False)
        door.bind((listener.address, listener.port))
        door.listen(_BACKLOG)
    except BaseException:
        door.close()
        raise
    return door


def _advice(listener: schema.Listener, error: OSError) -> str:
    """What is wrong with the address, and what to do."""
    if listener.path:
        return f"listener {listener.label}: {listener.path}: {error.strerror or error}"
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
