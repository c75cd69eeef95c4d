"""DKIM signing and ARC sealing: mail of ours gets a signature by each active key of the domain in From, mail that is passed on a seal and, where
that is wanted, a signature of who does so. A new key signs from when its record is seen in DNS; those before it are retired then."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from msgspec.structs import replace

from mailhub.config import schema
from mailhub.mailbox.heavy import HeavyLane
from mailhub.message import address_list, arc, arc_sealing, dkim, dkim_signing, headers
from mailhub.model.clock import Clock
from mailhub.model.errors import MailError, Temporary
from mailhub.model.reply import Reply
from mailhub.net.names import ascii_name
from mailhub.net.resolver import DnsError, Resolver
from mailhub.store.api import DkimKey, DkimStore, KeyState

log = logging.getLogger("mailhub.delivery")

Read = Callable[[int, int], Awaitable[bytes]]  # octets of a message, from where and how many
_BLOCK = 65_536
_LOOK = 600.0  # seconds between two looks into DNS for new keys of a domain
_LOADED = 1_000  # private keys kept in memory
NOT_SIGNED = Reply(451, "4.7.5", "Message can not be signed now, try again later")


class Signer:
    """One per hub."""

    def __init__(
        self,
        store: DkimStore,
        resolver: Resolver,
        clock: Clock,
        lane: HeavyLane,
        limit: int,
        config: Callable[[], schema.Dkim],
    ) -> None:
        """`limit`: octets of a header that is signed. `config`: as it is now."""
        self._store, self._resolver, self._clock, self._lane, self._limit = store, resolver, clock, lane, limit
        self._config = config
        self._loaded: dict[bytes, dkim_signing.Private] = {}
        self._looked: dict[str, float] = {}  # by domain
        self._looking: dict[str, asyncio.Task[bool]] = {}

    async def fields(self, size: int, read: Read, host: str = "") -> bytes:
        """DKIM-Signature fields for a message of that size; none where its domain has no keys. Where it can not be signed: none, or Temporary,
        as `dkim.signing_failure` says. `host`: our own name, for which the next domain above it signs, where it has no keys itself."""
        if self._store.none():  # 4.9 % of the loop's time with mail of 4 KB
            return b""

        async def made() -> bytes:
            header, end = await self._header(size, read)
            domain = _domain(header)
            _, keys = await self._keys_of([domain, *(_above(domain) if domain == host.lower() else ())])
            return await self._signatures(keys, header, end, size, read)

        return await self._attempted(made())

    async def forwarded(self, domains: Sequence[str], size: int, read: Read) -> bytes:
        """As `fields`, by the first of the domains that has keys: for mail of a stranger. None where From may be of that domain or one near
        it: DMARC would take the forger's word for its own."""

        async def made() -> bytes:
            header, end = await self._header(size, read)
            domain, keys = await self._keys_of(domains)
            return b"" if _may_be_of(domain, header) else await self._signatures(keys, header, end, size, read)

        return await self._attempted(made())

    async def sealed(self, domains: Sequence[str], authserv_id: str, size: int, read: Read) -> bytes:
        """One ARC set more, by the first of the domains that has a key for it; none where no domain has, where we did not look at the chain
        that is there, or where it can have no more."""
        try:
            header, end = await self._header(size, read)
            results = await self._lane.call(arc_sealing.results_of, header, authserv_id)
            status = arc_sealing.status_of(results, any(name == arc.SEAL for name, _ in header))
            keys = [key for domain in dict.fromkeys(domains) for key in await self._active(domain) if key.kind == "rsa"]
            if not keys or not results or status is None:
                return b""
            digest, now = await self._hash(end, size, read), int(self._clock.now())
            return await self._lane.call(
                arc_sealing.made, self._key(keys[0]), header, digest, results, authserv_id, status, now
            )
        except (MailError, ValueError) as error:
            log.info("not sealed: %s", error)
        except Exception:
            log.exception("not sealed")
        return b""

    async def _attempted(self, made: Awaitable[bytes]) -> bytes:
        try:
            return await made
        except Exception as error:
            unknown = not isinstance(error, MailError | ValueError)
            log.warning("not signed: %s", error or type(error).__name__, exc_info=unknown)
            if self._config().signing_failure == "tempfail":
                raise Temporary(f"not signed: {error}", NOT_SIGNED) from error
            return b""

    async def _signatures(
        self, keys: Sequence[DkimKey], header: Sequence[tuple[bytes, bytes]], end: int, size: int, read: Read
    ) -> bytes:
        if not keys:
            return b""
        digest, now = await self._hash(end, size, read), int(self._clock.now())
        made = [
            await self._lane.call(dkim_signing.field, self._key(key), header, digest, now)
            for key in sorted(keys, key=lambda key: key.kind)  # who knows Ed25519 finds it first
        ]
        return b"".join(made)

    async def _header(self, size: int, read: Read) -> tuple[list[tuple[bytes, bytes]], int]:
        """Its fields, and where it ends. ValueError where it goes on beyond what is looked at."""
        start = await read(0, min(size, self._limit))
        end = headers.header_end(start)
        if end == len(start) < size:
            raise ValueError("the header is longer than what is looked at")
        header = start[:end]
        return (dkim.fields(header) if end <= _BLOCK else await self._lane.call(dkim.fields, header)), end

    async def _hash(self, start: int, size: int, read: Read) -> bytes:
        hashed = dkim.BodyHash("relaxed")
        for at in range(start, size, _BLOCK):
            block = await read(at, _BLOCK)
            await self._lane.call(hashed.feed, block)
        return hashed.digest()

    def _key(self, key: DkimKey) -> dkim_signing.SigningKey:
        private = self._loaded.get(key.pem)
        if private is None:
            if len(self._loaded) >= _LOADED:
                self._loaded.clear()
            private = self._loaded[key.pem] = dkim_signing.loaded(key.pem)
        return dkim_signing.SigningKey(key.domain, key.selector, key.kind, private)

    async def _keys_of(self, domains: Sequence[str]) -> tuple[str, list[DkimKey]]:
        """Of the first that has some, and which that is."""
        for domain in dict.fromkeys(domains):
            if domain and (keys := await self._active(domain)):
                return domain, keys
        return "", []

    async def _active(self, domain: str) -> list[DkimKey]:
        keys = await self._store.of(domain)
        if any(key.state == "new" for key in keys) and self._clock.monotonic() >= self._looked.get(domain, 0.0):
            if len(self._looked) >= _LOADED:
                self._looked.clear()
            self._looked[domain] = self._clock.monotonic() + _LOOK
            self._looking[domain] = asyncio.get_running_loop().create_task(self.look(domain))
            self._looking[domain].add_done_callback(lambda _: self._looking.pop(domain, None))
        if (look := self._looking.get(domain)) is not None:  # one for all that wait
            await asyncio.shield(look)
            keys = await self._store.of(domain)
        return [key for key in keys if key.state == "active"]

    async def look(self, domain: str) -> bool:
        """Whether the records of all new keys are there; then those sign from now on, and the others do no more."""
        keys = await self._store.of(domain)
        new = [key for key in keys if key.state == "new"]
        for key in new:
            if not await self._published(key):
                return False
        await self._store.change(activated(keys, self._clock.now()))
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


def _above(domain: str) -> list[str]:
    """Domains that it lies in, the nearest first."""
    labels = domain.split(".")
    return [".".join(labels[n:]) for n in range(1, len(labels))]


def _may_be_of(domain: str, header: Sequence[tuple[bytes, bytes]]) -> bool:
    """Whether somebody may take the author for one of that domain, or of one with which it has its last two labels in common."""
    written = [headers.unfold(field.partition(b":")[2]) for name, field in header if name == b"from"]
    if len(written) != 1 or domain.encode("ascii", "replace") in written[0].lower():
        return True
    try:
        authors = [ascii_name(headers.text(author.domain)) for author in address_list.mailboxes(written[0])]
    except ValueError:
        return True
    near = [f".{name}".endswith(f".{domain}") or f".{domain}".endswith(f".{name}") for name in authors]
    return not authors or any(near) or any(name.split(".")[-2:] == domain.split(".")[-2:] for name in authors)
