"""HTTPS requests to strangers: names by the resolver seam, time on the clock, the certificate checked, no redirect followed, no
more read than was asked for."""

import asyncio
import errno
import socket
import ssl
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from mailhub.model.clock import Clock

from .addresses import is_public
from .resolver import Resolver

if TYPE_CHECKING:
    import aiohttp

_HEADERS = {"Accept-Encoding": "identity", "User-Agent": "mailhub"}


class HttpsError(Exception):
    """No answer. `tls`: because of the server's certificate."""

    def __init__(self, cause: str, *, tls: bool = False) -> None:
        super().__init__(cause)
        self.tls = tls


class Answer(Struct, frozen=True):
    """`kind`: the media type in lower case. `body`: at most `limit` octets and one more, where there is more. `headers`: names in lower
    case."""

    status: int
    kind: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


class Https:
    """A client without memory. `authorities`: a PEM file, "" for the system's. `public_only`: it connects to addresses of the public Internet
    alone, whatever a name stands for, so that nobody who chooses the URL reaches what is within."""

    def __init__(self, resolver: Resolver, clock: Clock, authorities: str = "", *, public_only: bool = False) -> None:
        self._resolver, self._clock, self._authorities = resolver, clock, authorities
        self._public_only = public_only
        self._context: ssl.SSLContext | None = None

    async def get(self, url: str, *, timeout: float, limit: int) -> Answer:
        """HttpsError for whatever keeps the answer away."""
        return await self._ask("GET", url, timeout, limit)

    async def head(self, url: str, *, timeout: float) -> Answer:
        """The same without a body."""
        return await self._ask("HEAD", url, timeout, 0)

    async def post(
        self,
        url: str,
        body: bytes,
        kind: str,
        *,
        timeout: float,
        limit: int,
        authorization: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """The same, with a body of that media type."""
        told = {"Content-Type": kind, **(headers or {})} | ({"Authorization": authorization} if authorization else {})
        return await self._ask("POST", url, timeout, limit, data=body, headers=told)

    async def _ask(self, method: str, url: str, seconds: float, limit: int, **more: Any) -> Answer:
        import aiohttp  # the command line must not wait for it

        try:
            async with (
                self._clock.timeout(seconds),
                self._session(await self._secured()) as session,
                session.request(method, url, allow_redirects=False, **more) as response,
            ):
                body = b""
                while len(body) <= limit and (block := await response.content.read(limit + 1 - len(body))):
                    body += block
                headers = {name.lower(): value for name, value in response.headers.items()}
                return Answer(response.status, response.content_type.lower(), body, headers)
        except TimeoutError as error:
            raise HttpsError(f"no answer within {seconds:.0f} seconds") from error
        except (aiohttp.ClientConnectorCertificateError, aiohttp.ClientSSLError) as error:
            raise HttpsError(str(error), tls=True) from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise HttpsError(str(error) or type(error).__name__) from error

    async def _secured(self) -> ssl.SSLContext:
        if self._context is None:
            self._context = await asyncio.to_thread(ssl.create_default_context, cafile=self._authorities or None)
        return self._context

    def _session(self, context: ssl.SSLContext) -> "aiohttp.ClientSession":
        import aiohttp

        from .http import Names

        connector = aiohttp.TCPConnector(
            resolver=Names(self._resolver), use_dns_cache=False, ssl=context, force_close=True,
            socket_factory=_public_socket if self._public_only else None,
        )  # fmt: skip
        return aiohttp.ClientSession(
            connector=connector,
            headers=_HEADERS,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
        )


def _public_socket(address: Any) -> socket.socket:
    """A socket for an address as getaddrinfo() gives it; OSError where that is none of the public Internet."""
    family, kind, protocol, _, (host, *_) = address
    if not is_public(host.partition("%")[0]):
        raise OSError(errno.EACCES, "that is no public address")
    return socket.socket(family, kind, protocol)
