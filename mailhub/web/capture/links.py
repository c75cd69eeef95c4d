"""Asks the hosts of a message's links what they answer: on demand alone, by HEAD, so that nothing is confirmed or unsubscribed by it."""

import asyncio
from collections.abc import Sequence

from msgspec import Struct

from mailhub.model.clock import SystemClock
from mailhub.net.https import Https, HttpsError
from mailhub.net.resolver import Resolver

MOST = 100  # links of one message
_AT_ONCE = 8
_PATIENCE = 5.0  # seconds for an answer


class Answered(Struct, frozen=True):
    """`status`: of HTTP; 0 where there was none, and `trouble` says why."""

    url: str
    status: int
    trouble: str


class LinkCheck:
    """Redirects are told and not followed. Real time, whatever the server's clock says."""

    def __init__(self, resolver: Resolver) -> None:
        self._https = Https(resolver, SystemClock())
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def check(self, links: Sequence[str]) -> list[Answered]:
        """The first hundred that are of http and https, each once, in their order."""
        urls = [link for link in dict.fromkeys(links) if link.lower().startswith(("http://", "https://"))]
        return await asyncio.gather(*map(self._one, urls[:MOST]))

    async def _one(self, url: str) -> Answered:
        async with self._turns:
            try:
                answer = await self._https.head(url, timeout=_PATIENCE)
            except HttpsError as error:
                return Answered(url, 0, str(error))
        return Answered(url, answer.status, "" if answer.status < 400 else "is answered with an error")
