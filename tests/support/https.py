"""An HTTPS server on loopback (HTTP without a certificate) that answers as it is told; what was asked is kept."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trustme
from aiohttp import web

STATUS = 200
KIND = "text/plain"


class Website:
    """`text`, `status`, `kind`: the answer to everything. `asked`: "METHOD host path"; `posted`: (media type, body).
    `silent`: nothing is answered before it is set."""

    def __init__(self) -> None:
        self.text: bytes = b""
        self.status, self.kind = STATUS, KIND
        self.headers: dict[str, str] = {}
        self.asked: list[str] = []
        self.posted: list[tuple[str, bytes]] = []
        self.silent: asyncio.Event | None = None
        self.endless = False
        self.sent = 0
        self.port = 0

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(f"{request.method} {request.host.partition(':')[0]} {request.path}")
        if request.method == "POST":
            self.posted.append((request.content_type, await request.read()))
        if self.silent is not None:
            await self.silent.wait()
        if self.endless:
            return await self._stream(request)
        return web.Response(status=self.status, body=self.text, content_type=self.kind, headers=self.headers)

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": self.kind})
        await response.prepare(request)
        while True:  # until the client has had enough
            await response.write(b"mx: a.test\n" * 1_000)
            self.sent += 11_000


@asynccontextmanager
async def website(certificate: trustme.LeafCert | None, address: str = "127.0.0.1") -> AsyncIterator[Website]:
    site = Website()
    context = None if certificate is None else ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if certificate is not None and context is not None:
        certificate.configure_cert(context)
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", site.answer)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    place = web.TCPSite(runner, address, 0, ssl_context=context)
    await place.start()
    site.port = runner.addresses[0][1]
    try:
        yield site
    finally:
        await runner.cleanup()
