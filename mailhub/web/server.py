"""The HTTP server of a hub: one application, and a protocol object for each connection that a listener takes."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from mailhub.config.web import Web
from mailhub.model.clock import SystemClock

from .proxies import Proxies
from .routes import Route, described
from .safety import HEADERS, failed, guarded, with_headers

log = logging.getLogger("mailhub.web")

_SECONDS = 60.0  # that a connection may be idle between two requests, and that the lines before a body may take
_PATIENCE = 30.0  # seconds, twice, in which a client that is waited for has to do something
_RATE = 500  # octets a second of a body, at least


class WebServer:
    """`start()` once; `connection()` for each client; `stop()` when no session is left. `patience`: seconds between two looks at a client that
    is waited for."""

    def __init__(
        self, config: Web, hostname: str, routes: Sequence[Route], title: str, patience: float = _PATIENCE
    ) -> None:
        names = frozenset((hostname.lower(), *map(str.lower, config.hosts)))
        public = frozenset(route.path for route in routes if route.public)
        self._app = web.Application(
            middlewares=[_served, guarded(names, Proxies(config.trusted_proxies), public)],
            client_max_size=config.body_limit,
        )
        for route in (*routes, described(routes, title)):
            for prefix in {config.prefix, ""} if route.public else {config.prefix}:
                self._app.router.add_route(route.method, prefix + route.path, route.handler)
        self._app.on_response_prepare.append(with_headers)
        self._runner = web.AppRunner(
            self._app, handle_signals=False, access_log=None, keepalive_timeout=_SECONDS,
            auto_decompress=False,  # 400 KB of deflate are 400 MB of JSON
            handler_cancellation=True,  # who has left waits for nothing any more
        )  # fmt: skip
        self._patience = patience

    async def start(self) -> None:
        await self._runner.setup()

    async def stop(self) -> None:
        await self._runner.cleanup()

    def connection(
        self,
        client: str,
        made: Callable[[asyncio.Transport, Callable[[], object]], object],
        lost: Callable[[], object],
        heard: Callable[[], object],
    ) -> "Connection":
        """`client`: the address of who is there; `made(transport, drain)` is called when it stands, `lost` when it is over, `heard` when
        octets come."""
        server = self._runner.server
        assert server is not None
        handler = Connection(server, loop=asyncio.get_running_loop(), **server._kwargs)
        handler.client, handler.made, handler.lost, handler.heard = client, made, lost, heard
        handler.patience = self._patience
        return handler


@web.middleware
async def _served(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    if isinstance(request.protocol, Connection):
        request.protocol.served = True
    return await handler(request)


class Connection(RequestHandler):
    """One client. `served`: it has made a request that is one. Who does not send what he began to send, or does not read what he asked for,
    is cut off."""

    client: str
    made: Callable[[asyncio.Transport, Callable[[], object]], object]
    lost: Callable[[], object]
    heard: Callable[[], object]
    served = False
    patience: float
    clock = SystemClock()  # that of connections

    @property
    def answering(self) -> bool:
        """Whether a request is under way."""
        return self._waiter is None

    def close(self) -> None:
        """After the request under way; where there is none, at once."""
        waits = self._waiter is not None
        super().close()
        if waits and self.transport is not None:
            self.transport.close()

    def data_received(self, data: bytes) -> None:
        self.heard()
        self._read += len(data)
        super().data_received(data)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        assert isinstance(transport, asyncio.Transport) or hasattr(transport, "abort")
        self._read = self._unread = 0
        self._timer = self.clock.call_later(self.patience, self._look)
        self.made(transport, self.close)  # type: ignore[arg-type]

    def connection_lost(self, exc: BaseException | None) -> None:
        self._timer.cancel()
        super().connection_lost(exc)
        self.lost()

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """What is no HTTP is answered without an echo, and is no line of the log each."""
        if request.writer.output_size:
            raise ConnectionResetError("an answer had begun")
        if status >= 500:
            log.error("a request from %s failed", self.client, exc_info=exc)
        response = failed(status, "no request that is understood here")
        for name, value in HEADERS.items():
            response.headers[name] = value
        response.force_close()
        return response

    def _look(self) -> None:
        """Neither is waited for without end: a body, or room for an answer."""
        if not isinstance(self.transport, asyncio.Transport):
            return
        request, unread, read = self._current_request, self.transport.get_write_buffer_size(), self._read
        stuck = unread > 0 and unread == self._unread
        waiting = request is not None and getattr(request.content, "_waiter", None) is not None
        self._read, self._unread = 0, unread
        if stuck or (waiting and read < _RATE * self.patience):
            self.transport.abort()
        else:
            self._timer = self.clock.call_later(self.patience, self._look)
