"""Requests to other services by HTTP: through our resolver and on our clock, bounded in number, size and time.

No redirect is followed, no cookie kept, no proxy taken from the environment. What is no 200 is Temporary.
Takes a while to import (aiohttp): who needs it imports it when the server starts, and others never.
"""

import ssl
from collections.abc import Mapping
from socket import AF_INET, AF_INET6, AI_NUMERICHOST, AddressFamily
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from mailhub.model.clock import Clock
from mailhub.model.errors import LimitReached, Temporary

from .resolver import DnsError, Resolver

ANSWER_LIMIT = 262_144  # octets of a body


class Names(AbstractResolver):
    """aiohttp's word for our resolver. `localhost` is loopback, whatever DNS says (RFC 6761 section 6.3)."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver

    async def resolve(self, host: str, port: int = 0, family: AddressFamily = AF_INET) -> list[ResolveResult]:
        try:
            found = ["127.0.0.1", "::1"] if host == "localhost" else await self._resolver.addresses(host)
        except DnsError as error:
            raise OSError(None, str(error)) from error
        return [
            ResolveResult(
                hostname=host, host=address, port=port, proto=0, flags=AI_NUMERICHOST,
                family=AF_INET6 if ":" in address else AF_INET,
            )
            for address in found
        ]  # fmt: skip

    async def close(self) -> None:
        """The resolver is the hub's."""


class HttpClient:
    """`timeout`: seconds for a whole answer; `limit`: requests at one time, more are LimitReached. Made and closed inside the
    event loop."""

    def __init__(self, resolver: Resolver, clock: Clock, *, timeout: float, limit: int) -> None:
        self._clock, self._timeout, self._limit = clock, timeout, limit
        self._pending = 0
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                resolver=Names(resolver), use_dns_cache=False, limit=limit, ssl=ssl.create_default_context()
            ),
            timeout=aiohttp.ClientTimeout(total=None, connect=None, sock_connect=None, sock_read=None),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            headers={"User-Agent": "mailhub", "Accept": "application/json", "Accept-Encoding": "identity"},
        )

    async def get(self, url: str) -> bytes:
        """The body of a 200."""
        return await self._ask("GET", url)

    async def post(self, url: str, form: Mapping[str, str], authorization: str) -> bytes:
        """The body of a 200. `form` is sent as application/x-www-form-urlencoded."""
        return await self._ask("POST", url, data=dict(form), headers={"Authorization": authorization})

    async def close(self) -> None:
        await self._session.close()

    async def _ask(self, method: str, url: str, **options: Any) -> bytes:
        if self._pending >= self._limit:
            raise LimitReached(f"{url}: {self._limit} requests wait for an answer already")
        self._pending += 1
        try:
            async with (
                self._clock.timeout(self._timeout),
                self._session.request(method, url, allow_redirects=False, **options) as answer,
            ):
                if answer.status != 200:
                    raise Temporary(f"{url}: {answer.status} {answer.reason}")
                return await self._body(url, answer)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            raise Temporary(f"{url}: {str(error) or type(error).__name__}") from error
        finally:
            self._pending -= 1

    async def _body(self, url: str, answer: aiohttp.ClientResponse) -> bytes:
        body = bytearray()
        async for block in answer.content.iter_chunked(65_536):
            body += block
            if len(body) > ANSWER_LIMIT:
                raise Temporary(f"{url}: more than {ANSWER_LIMIT} octets")
        return bytes(body)
