"""DKIM signing: mail of ours gets a signature by each active key of the domain in From. A new key signs from when its record is seen in
DNS; those before it are retired then."""

import logging
from collections.abc import Sequence
from dataclasses import replace

from mailhub.mailbox.heavy import HeavyLane
from mailhub.message import address_list, dkim, dkim_signing, headers
from mailhub.model.clock import Clock
from mailhub.model.errors import MailError
from mailhub.net.resolver import DnsError, Resolver
from mailhub.queue.spool import Spool
from mailhub.store.api import Body, DkimKey, DkimStore, KeyState

log = logging.getLogger("mailhub.policy")

_BLOCK = 65_536
_LOOK = 600.0  # seconds between two looks into DNS for new keys of a domain
_LOADED = 1_000  # private keys kept in memory


class Signer:
    """One per hub."""

    def __init__(self, store: DkimStore, resolver: Resolver, clock: Clock, lane: HeavyLane, limit: int) -> None:
        """`limit`: octets of a header that is signed."""
        self._store, self._resolver, self._clock, self._lane, self._limit = store, resolver, clock, lane, limit
        self._loaded: dict[bytes, dkim_signing.Private] = {}
        self._looked: dict[str, float] = {}  # by domain

    async def fields(self, body: Body, spool: Spool) -> bytes:
        """DKIM-Signature fields for the message in `body`; none where its domain has no keys, or where it can not be signed: a message
        without a signature is better than none."""
        try:
            return await self._fields(body, spool)
        except (MailError, ValueError) as error:
            log.warning("not signed: %s", error)
            return b""

    async def _fields(self, body: Body, spool: Spool) -> bytes:
        async def read(offset: int, length: int) -> bytes:
            return (
                await spool.read_body(body, offset, length)
                if body.data is None
                else body.data[offset : offset + length]
            )

        start = await read(0, min(body.size, self._limit))
        end = headers.header_end(start)
        if end == len(start) < body.size:
            return b""  # a header that goes on beyond what is looked at
        header = dkim.fields(start[:end])
        domain = _domain(header)
        keys = await self._active(domain) if domain else []
        if not keys:
            return b""
        hashed = dkim.BodyHash("relaxed")
        for at in range(end, body.size, _BLOCK):
            block = await read(at, _BLOCK)
            await self._lane.call(hashed.feed, block)
        digest, now = hashed.digest(), int(self._clock.now())
        made = [
            await self._lane.call(dkim_signing.field, self._key(key), header, digest, now)
            for key in sorted(keys, key=lambda key: key.kind)  # who knows Ed25519 finds it first
        ]
        return b"".join(made)

    def _key(self, key: DkimKey) -> dkim_signing.SigningKey:
        private = self._loaded.get(key.pem)
        if private is None:
            if len(self._loaded) >= _LOADED:
                self._loaded.clear()
            private = self._loaded[key.pem] = dkim_signing.loaded(key.pem)
        return dkim_signing.SigningKey(key.domain, key.selector, key.kind, private)

    async def _active(self, domain: str) -> list[DkimKey]:
        keys = self._store.of(domain)
        if any(key.state == "new" for key in keys) and self._clock.monotonic() >= self._looked.get(domain, 0.0):
            if len(self._looked) >= _LOADED:
                self._looked.clear()
            self._looked[domain] = self._clock.monotonic() + _LOOK
            await self.look(domain)
            keys = self._store.of(domain)
        return [key for key in keys if key.state == "active"]

    async def look(self, domain: str) -> bool:
        """Whether the records of all new keys are there; then those sign from now on, and the others do no more."""
        keys = self._store.of(domain)
        new = [key for key in keys if key.state == "new"]
        for key in new:
            if not await self._published(key):
                return False
        await self._store.put(activated(keys, self._clock.now()))
        return bool(new)

    async def _published(self, key: DkimKey) -> bool:
        try:
            records = await self._resolver.records(f"{key.selector}._domainkey.{key.domain}", "TXT")
        except DnsError:
            return False
        wanted = dkim_signing.record(dkim_signing.loaded(key.pem)).rpartition("p=")[2]
        return any("".join(text.split()).rpartition("p=")[2].partition(";")[0] == wanted for text in records)


def activated(keys: Sequence[DkimKey], now: float) -> list[DkimKey]:
    """The new ones active, the active ones retired."""
    states: dict[str, KeyState] = {"new": "active", "active": "retired"}
    return [replace(key, state=states[key.state], since=now) for key in keys if key.state in states]


def _domain(header: Sequence[tuple[bytes, bytes]]) -> str:
    """Of the first author in From; "" where there is none."""
    for name, field in header:
        if name == b"from":
            for author in address_list.mailboxes(headers.unfold(field.partition(b":")[2])):
                return headers.text(author.domain).lower()
    return ""
