"""The HTTP server of a hub: one application, and a protocol object for each connection that a listener takes."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from mailhub.config.web import Web

from .proxies import Proxies
from .routes import Route, described
from .safety import guarded

_SECONDS = 60.0  # that a connection may be idle between two requests


class WebServer:
    """`start()` once; `connection()` for each client; `stop()` when no session is left."""

    def __init__(self, config: Web, hostname: str, routes: Sequence[Route], title: str) -> None:
        names = frozenset((hostname.lower(), *map(str.lower, config.hosts)))
        public = frozenset(route.path for route in routes if route.public)
        self._app = web.Application(
            middlewares=[_served, guarded(names, Proxies(config.trusted_proxies), public)],
            client_max_size=config.body_limit,
        )
        for route in (*routes, described(routes, title)):
            for prefix in {config.prefix, ""} if route.public else {config.prefix}:
                self._app.router.add_route(route.method, prefix + route.path, route.handler)
        self._runner = web.AppRunner(
            self._app, handle_signals=False, access_log=None, keepalive_timeout=_SECONDS,
            handler_cancellation=True,  # who has left waits for nothing any more
        )  # fmt: skip

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
        return handler


@web.middleware
async def _served(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    if isinstance(request.protocol, Connection):
        request.protocol.served = True
    return await handler(request)


class Connection(RequestHandler):
    """One client. `served`: it has made a request that is one."""

    client: str
    made: Callable[[asyncio.Transport, Callable[[], object]], object]
    lost: Callable[[], object]
    heard: Callable[[], object]
    served = False

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
        super().data_received(data)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        assert isinstance(transport, asyncio.Transport) or hasattr(transport, "abort")
        self.made(transport, self.close)  # type: ignore[arg-type]

    def connection_lost(self, exc: BaseException | None) -> None:
        super().connection_lost(exc)
        self.lost()
