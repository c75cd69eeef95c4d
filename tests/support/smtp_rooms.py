"""The rooms below SMTP, small and in memory: a spool that keeps what was put, a router, a directory."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

from mailhub.delivery.router import Known
from mailhub.delivery.routes import Refuse, Route
from mailhub.model import address
from mailhub.model.envelope import Envelope, Origin
from mailhub.model.errors import LimitReached, Temporary
from mailhub.model.reply import Reply
from mailhub.model.verdict import UNJUDGED, Verdict
from mailhub.store.api import Body


class MemoryWriter:
    """A store.api.BodyWriter. `stuck`: its backlog is not taken until `release` is set."""

    def __init__(self, spool: "MemorySpool") -> None:
        self._spool = spool
        self._blocks: list[bytes] = []
        self.size = 0
        self.backlog = 0
        self.aborted = False

    def feed(self, block: bytes) -> None:
        assert not self.aborted
        self._blocks.append(block)
        self.size += len(block)
        self.backlog += len(block)

    async def drain(self) -> None:
        self._spool.drains += 1
        await self._spool.release.wait()
        if self._spool.broken:
            raise Temporary("disk full")
        self.backlog = 0

    async def finish(self) -> Body:
        if self._spool.broken:
            raise Temporary("disk full")
        return Body(self.size, b"".join(self._blocks))

    def abort(self) -> None:
        self.aborted = True


@dataclass(frozen=True)
class Put:
    number: int
    envelope: Envelope
    data: bytes
    prefix: bytes
    origin: Origin
    held: bool = False
    content_filter: str = ""
    verdict: Verdict = UNJUDGED


class MemorySpool:
    """`gate`: a commit waits for it; `committing` is set while one does."""

    def __init__(self) -> None:
        self.messages: list[Put] = []
        self.writers: list[MemoryWriter] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.committing = asyncio.Event()
        self.release = asyncio.Event()
        self.release.set()
        self.drains = 0
        self.broken = self.full = False
        self.failure: Exception | None = None
        self._last = 1_000_000
        self.turned: list[str] = []

    async def turn(self, domain: str) -> int:
        self.turned.append(domain)
        return 1

    def new_id(self) -> int:
        self._last += 1
        return self._last

    def body_writer(self, room: object = None) -> MemoryWriter:
        self.writers.append(MemoryWriter(self))
        return self.writers[-1]

    async def read_body(self, body: Body, offset: int, length: int) -> bytes:
        assert body.data is not None
        return body.data[offset : offset + length]

    def check_space(self) -> None:
        if self.full:
            raise LimitReached("store.free_space_floor")

    async def put(
        self,
        number: int,
        envelope: Envelope,
        body: Body,
        prefix: bytes,
        origin: Origin,
        *,
        held: bool = False,
        content_filter: str = "",
        verdict: Verdict = UNJUDGED,
    ) -> None:
        self.committing.set()
        await self.gate.wait()
        self.committing.clear()
        if self.failure is not None:
            raise self.failure
        assert body.data is not None
        self.messages.append(Put(number, envelope, body.data, prefix, origin, held, content_filter, verdict))


class SmallRouter:
    """Knows the addresses and domains it was given; "down" anywhere in an address: cannot be told now."""

    def __init__(self, mailboxes: Iterable[str]) -> None:
        self.mailboxes = set(mailboxes)
        self.catch_all = False
        self.domains = {address.domain_of(mailbox) for mailbox in self.mailboxes}
        self.asked: list[str] = []
        self.routes: dict[str, Route] = {}
        self.routed: list[str] = []

    domain = "mailhub.test"

    async def is_local(self, domain: str) -> bool:
        return domain in self.domains

    async def route(self, recipient: str, path: tuple[str, ...] = ()) -> Route:
        self.routed.append(recipient)
        found = self.routes.get(recipient)
        return Refuse(Reply(550, "5.1.1", "none")) if found is None else found

    async def peek(self, recipient: str) -> Known:
        self.asked.append(recipient)
        if "down" in recipient:
            raise Temporary("the directory is away")
        key = address.key(recipient)
        if key == "postmaster" or key in self.mailboxes:
            return Known.LOCAL
        if address.domain_of(key) in self.domains:
            return Known.LOCAL if self.catch_all else Known.UNKNOWN
        return Known.RELAY
