"""Requests to services of the operator's choice, on top of `https`: bounded in number, and Temporary where they get no 200.

Takes a while to import (aiohttp): who needs it imports it when the server starts, and others never.
"""

from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from socket import AF_INET, AF_INET6, AI_NUMERICHOST, AddressFamily
from typing import Any
from urllib.parse import urlencode

from aiohttp.abc import AbstractResolver, ResolveResult

from mailhub.model.errors import LimitReached, Temporary

from .https import Answer, Https, HttpsError
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
    """`timeout`: seconds for a whole answer; `limit`: requests at one time, more are LimitReached."""

    def __init__(self, https: Https, *, timeout: float, limit: int) -> None:
        self._https, self._timeout, self._limit = https, timeout, limit
        self._pending = 0

    async def get(self, url: str) -> bytes:
        """The body of a 200."""
        return await self._body(url, partial(self._https.get, url))

    async def post(self, url: str, form: Mapping[str, str], authorization: str) -> bytes:
        """The body of a 200. `form` is sent as application/x-www-form-urlencoded."""
        kind, body = "application/x-www-form-urlencoded", urlencode(form).encode()
        return await self._body(url, partial(self._https.post, url, body, kind, authorization=authorization))

    async def _body(self, url: str, ask: Callable[..., Coroutine[Any, Any, Answer]]) -> bytes:
        if self._pending >= self._limit:
            raise LimitReached(f"{url}: {self._limit} requests wait for an answer already")
        self._pending += 1
        try:
            answer = await ask(timeout=self._timeout, limit=ANSWER_LIMIT)
        except HttpsError as error:
            raise Temporary(f"{url}: {error}") from error
        finally:
            self._pending -= 1
        if answer.status != 200 or len(answer.body) > ANSWER_LIMIT:
            raise Temporary(f"{url}: {answer.status}, {len(answer.body)} octets")
        return answer.body
