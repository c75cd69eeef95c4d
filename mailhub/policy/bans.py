"""Bans: networks whose connections are refused for a time. In memory for the question, in the store for the next start.

A further ban of a network is four times as long as the one before, as long as that one is remembered.
"""

import asyncio
import heapq
import ipaddress
import logging
from collections.abc import Sequence

from msgspec.structs import replace

from mailhub.config import schema
from mailhub.model.clock import Clock
from mailhub.model.errors import MailError, NotFound
from mailhub.net import addresses
from mailhub.net.addresses import Address, Network
from mailhub.store.api import BanRow, GuardStore

log = logging.getLogger("mailhub.policy")

OPERATOR = "operator"
AUTH = "AUTH failures"
EARLY = "speech before the greeting"
ERRORS = "errors"
MX_ONLY = frozenset((EARLY, ERRORS))  # the mail users behind the same address did not do it

GROWTH = 4
BATCH = 100  # bans written in one unit
APART = 60.0  # seconds by which the clocks of nodes may differ, and until a ban is written
FOLLOWED = 5.0  # seconds after which the bans of other nodes hold here


class Bans:
    """`store` None: kept in memory alone."""

    def __init__(self, limits: schema.Limits, clock: Clock, store: GuardStore | None) -> None:
        self.limits = limits
        self._clock, self._store = clock, store
        self._rows: dict[tuple[int, int], dict[int, BanRow]] = {}  # by version and prefix, then by network
        self._size = 0
        self._seen = 0.0  # when the last ban that the store told of was made
        self._changed: dict[str, BanRow | None] = {}  # still to be written; None: forget it
        self._writing: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        """Those in force and those remembered."""
        return self._size

    async def load(self) -> None:
        if self._store is not None:
            self._take(await self._store.bans())

    async def follow(self) -> None:
        """Take over what other nodes have banned since the last time, and what was ended there."""
        try:
            rows = [] if self._store is None else await self._store.bans(self._seen - APART)
        except MailError as error:
            log.warning("what other nodes have banned can not be read now: %s", error)
            return
        self._take([row for row in rows if self._is_news(row)])

    def _take(self, rows: Sequence[BanRow]) -> None:
        now = self._clock.now()
        for row in rows:
            late = max(0.0, row.since - now)  # it was made while the clock was wrong
            self._keep(replace(row, since=row.since - late, until=row.until - late))
            self._seen = max(self._seen, row.since - late)
        self._shrink()

    def _is_news(self, row: BanRow) -> bool:
        known = self._of(ipaddress.ip_network(row.network))
        return known is None or row.since > known.since

    def _of(self, network: Network) -> BanRow | None:
        return self._rows.get((network.version, network.prefixlen), {}).get(_head(network[0], network.prefixlen))

    async def settled(self) -> None:
        """Wait until all is written."""
        while self._writing is not None:
            await asyncio.wait((self._writing,))

    def covering(self, client: str, service: str) -> BanRow | None:
        """The ban in force that meets this client in this service."""
        ip = addresses.parse(client) if self._rows else None
        if ip is None:
            return None
        now = self._clock.now()
        for (version, prefix), rows in self._rows.items():
            row = rows.get(_head(ip, prefix)) if version == ip.version else None
            if row is not None and row.until > now and (row.cause not in MX_ONLY or service == "smtp"):
                return row
        return None

    def all(self) -> list[BanRow]:
        """Bans in force, those that end first first."""
        now = self._clock.now()
        rows = (row for rows in self._rows.values() for row in rows.values() if row.until > now)
        return sorted(rows, key=lambda row: (row.until, row.network))

    def add(self, network: Network, cause: str, note: str, seconds: float | None = None) -> BanRow:
        """In force at once. `seconds` None: as long as the number of bans before it says."""
        now = self._clock.now()
        before = self._of(network)
        strikes = 1 if before is None else before.strikes + 1
        longest = self.limits.ban_seconds_max
        if seconds is None:
            seconds = min(self.limits.ban_seconds * GROWTH ** min(strikes - 1, 20), longest)
        row = BanRow(str(network), cause, now, now + seconds, strikes, note)
        self._keep(row)
        self._changed[row.network] = row
        self._shrink()
        self._write()
        log.warning("ban of %s for %.0f s: %s: %s", row.network, seconds, cause, note)
        return row

    async def remove(self, network: Network) -> None:
        """NotFound where it is not banned. It counts for no further ban, either."""
        row, now = self._of(network), self._clock.now()
        if row is None or not row.strikes:
            raise NotFound(f"no ban of {network}")
        ended = replace(row, since=now, until=now, strikes=0)  # a row, so that other nodes hear of it
        self._keep(ended)
        self._changed.pop(row.network, None)
        await self.settled()
        if self._store is not None:
            await self._store.put_bans([ended], [])
        log.warning("ban of %s ended by the operator", row.network)

    # --- bounds and the store ---

    def _keep(self, row: BanRow) -> None:
        network = ipaddress.ip_network(row.network)
        rows = self._rows.setdefault((network.version, network.prefixlen), {})
        head = _head(network[0], network.prefixlen)
        self._size += head not in rows
        rows[head] = row

    def _drop(self, row: BanRow) -> None:
        network = ipaddress.ip_network(row.network)
        key = (network.version, network.prefixlen)
        if self._rows.get(key, {}).pop(_head(network[0], network.prefixlen), None) is not None:
            self._size -= 1
            if not self._rows[key]:
                del self._rows[key]

    def _shrink(self) -> None:
        """Over the limit: those go that end first, an operator's last; a sixteenth at a time, so that it is rarely done."""
        limit = self.limits.table_limit
        if self._size <= limit:
            return
        rows = [row for rows in self._rows.values() for row in rows.values()]
        excess = self._size - limit + limit // 16
        for row in heapq.nsmallest(excess, rows, key=lambda row: (row.cause == OPERATOR, row.until)):
            self._drop(row)
            self._changed[row.network] = None

    def _forget_old(self) -> None:
        oldest = self._clock.now() - self.limits.ban_seconds_max
        for row in [row for rows in self._rows.values() for row in rows.values() if row.until < oldest]:
            self._drop(row)
            self._changed[row.network] = None

    def _write(self) -> None:
        if self._store is None:
            self._changed.clear()
        elif self._writing is None:
            self._writing = asyncio.get_running_loop().create_task(self._write_all(self._store))

    async def _write_all(self, store: GuardStore) -> None:
        try:
            self._forget_old()
            while self._changed:
                part = {network: self._changed.pop(network) for network in list(self._changed)[:BATCH]}
                rows = tuple(row for row in part.values() if row is not None)
                try:
                    await store.put_bans(rows, tuple(network for network, row in part.items() if row is None))
                except MailError as error:
                    log.error("bans are not stored, and will be forgotten at the next start: %s", error)
        finally:
            self._writing = None


def _head(ip: Address, prefix: int) -> int:
    return int(ip) >> (ip.max_prefixlen - prefix)


def network_of(text: str) -> Network:
    """An address or network as an operator writes it; ValueError where it is none, or its host bits are not 0."""
    network = ipaddress.ip_network(text)
    if isinstance(network, ipaddress.IPv6Network) and network.network_address.ipv4_mapped is not None:
        raise ValueError(f"{text} is an IPv4 address written as IPv6")
    return network
