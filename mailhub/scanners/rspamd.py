"""rspamd by HTTP (POST /checkv2): what it wants done with a message, its score, symbols and header fields.

Takes a while to import (aiohttp): who needs it imports it when the server starts, and others never.
"""

import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiohttp
import msgspec

from mailhub.net.http import Names
from mailhub.net.resolver import Resolver

from .service import Blocks, Nonsense, Service

_ANSWER = 1_048_576  # octets
_TOKEN = re.compile(r"[!-9;-~]{1,100}\Z")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class Symbol(msgspec.Struct, frozen=True):
    score: float = 0.0


class Milter(msgspec.Struct, frozen=True):
    """A name's value is a text, {"value": ..., "order": ...}, or a list of these; a count of 0 removes all of that name."""

    add_headers: dict[str, Any] = {}
    remove_headers: dict[str, Any] = {}


class Answer(msgspec.Struct, frozen=True):
    """What it says, as far as it is heard."""

    action: str
    score: float
    required_score: float = 0.0
    is_skipped: bool = False
    subject: str = ""
    symbols: dict[str, Symbol] = {}
    messages: Any = None
    milter: Milter = Milter()
    signatures: Any = msgspec.field(name="dkim-signature", default=None)

    @property
    def smtp_message(self) -> str:
        """Its words for the client."""
        said = self.messages.get("smtp_message") if isinstance(self.messages, dict) else None
        return said if isinstance(said, str) else ""

    @property
    def fields(self) -> Iterator[tuple[str, str]]:
        """Names and values to be put before the message."""
        for signature in self.signatures if isinstance(self.signatures, list) else [self.signatures]:
            if isinstance(signature, str):
                yield "DKIM-Signature", signature
        for name, values in self.milter.add_headers.items():
            for one in values if isinstance(values, list) else [values]:
                value = one.get("value") if isinstance(one, dict) else one
                if isinstance(value, str) and _TOKEN.match(name):
                    yield name, value


class Facts(msgspec.Struct, frozen=True):
    """Of the message's way here; "" where unknown."""

    client: str = ""
    hostname: str = ""
    helo: str = ""
    sender: str = ""
    recipients: tuple[str, ...] = ()
    login: str = ""
    queue_id: str = ""
    tls: str = ""

    def headers(self) -> Iterator[tuple[str, str]]:
        yield from (
            ("IP", self.client), ("Hostname", self.hostname), ("Helo", self.helo), ("From", self.sender or "<>"),
            ("User", self.login), ("Queue-Id", self.queue_id), ("TLS-Version", self.tls),
        )  # fmt: skip
        if len(self.recipients) == 1:
            yield "Deliver-To", self.recipients[0]
        for recipient in self.recipients:
            yield "Rcpt", recipient


async def judged(service: Service, resolver: Resolver, facts: Facts, size: int, blocks: Blocks) -> Answer:
    """Temporary where there is no answer."""
    where = service.where
    connector: aiohttp.BaseConnector
    if where.path:
        connector, place = aiohttp.UnixConnector(where.path, force_close=True), "rspamd"
    else:
        connector = aiohttp.TCPConnector(resolver=Names(resolver), use_dns_cache=False, force_close=True)
        place = f"[{where.host}]:{where.port}" if ":" in where.host else f"{where.host}:{where.port}"
    headers = [(name, _CONTROL.sub("?", value)) for name, value in facts.headers() if value]
    async with (
        service.turn(),
        aiohttp.ClientSession(
            connector=connector, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False, timeout=aiohttp.ClientTimeout(total=None, sock_connect=None)
        ) as session,
    ):  # fmt: skip
        return await _asked(
            session,
            f"http://{place}/checkv2",
            [*headers, ("Accept-Encoding", "identity"), ("Content-Length", str(size))],
            blocks,
        )


async def _asked(session: aiohttp.ClientSession, url: str, headers: list[tuple[str, str]], blocks: Blocks) -> Answer:
    try:
        async with session.post(url, data=_given(blocks), headers=headers, allow_redirects=False) as response:
            body = b""
            while len(body) <= _ANSWER and (block := await response.content.read(65_536)):
                body += block
    except (aiohttp.ClientError, ValueError) as error:
        raise Nonsense(f"rspamd: {error or type(error).__name__}") from error
    if response.status != 200 or len(body) > _ANSWER:
        raise Nonsense(f"rspamd said {response.status}, {len(body)} octets")
    return answer(body)


async def _given(blocks: Blocks) -> AsyncIterator[bytes]:
    async for block in blocks:
        yield block


def answer(body: bytes) -> Answer:
    """Nonsense where it is none."""
    try:
        said = msgspec.json.decode(body, type=Answer)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Nonsense(f"rspamd's answer can not be read: {error}") from error
    if not -1e6 < said.score < 1e6:
        raise Nonsense(f"rspamd's score is {said.score}")
    return said
