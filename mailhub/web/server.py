"""The HTTP server of a hub: one application, and a protocol object for each connection that a listener takes."""

import asyncio
from collections.abc import Callable, Sequence

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
            middlewares=[guarded(names, Proxies(config.trusted_proxies), public)], client_max_size=config.body_limit
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
        self, client: str, made: Callable[[asyncio.Transport, Callable[[], object]], object], lost: Callable[[], object]
    ) -> asyncio.BaseProtocol:
        """`client`: the address of who is there; `made(transport, drain)` is called when it stands, `lost` when it is over."""
        server = self._runner.server
        assert server is not None
        handler = _Connection(server, loop=asyncio.get_running_loop(), **server._kwargs)
        handler.client, handler.made, handler.lost = client, made, lost
        return handler


class _Connection(RequestHandler):
    client: str
    made: Callable[[asyncio.Transport, Callable[[], object]], object]
    lost: Callable[[], object]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        assert isinstance(transport, asyncio.Transport) or hasattr(transport, "abort")
        self.made(transport, self.close)  # type: ignore[arg-type]

    def connection_lost(self, exc: BaseException | None) -> None:
        super().connection_lost(exc)
        self.lost()
