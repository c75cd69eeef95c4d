"""MTA-STS policies of other domains (RFC 8461): found by DNS, fetched by HTTPS, kept in the store until they expire.

A policy that can not be fetched, or is none, leaves the one before in force; without one, there is none. Mail waits for a fetch
no longer than `relay.mta_sts_timeout`, and all mail for a domain waits for the same one.
"""

import asyncio
import logging
import re
from collections import OrderedDict
from collections.abc import Sequence

from msgspec import Struct

from mailhub.config import schema
from mailhub.config.rules import is_domain
from mailhub.model.clock import Clock
from mailhub.model.errors import MailError
from mailhub.net.https import Https, HttpsError
from mailhub.net.resolver import DnsError, DnsTemporary, Resolver
from mailhub.store.api import StsRow, TlsStore

from .demand import STS, Basis
from .tls_policy import StsPolicy
from .tlsrpt import Session, TlsSessions

log = logging.getLogger("mailhub.relay")

_SIZE = 65_536  # octets of a policy (RFC 8461 section 3.3)
_HOSTS = 500  # of a policy: it is read with each message, and others wait meanwhile
_LONGEST = 31_557_600  # seconds that a policy may be in force (section 3.2)
_PAGE = 10  # policies fetched at one time
_AGAIN = 300.0  # seconds after a failed fetch in which the domain is left in peace (section 3.3)
_RECORD = re.compile(rb"v=STSv1[ \t]*;(.*)", re.DOTALL)
_ID = re.compile(rb"[ \t]*id[ \t]*=[ \t]*([A-Za-z0-9]{1,32})[ \t]*")
_MODES = ("enforce", "testing", "none")


class NoPolicy(ValueError):
    """The text is no policy; it says why."""


class Text(Struct, frozen=True):
    """A policy as it is read (RFC 8461 section 3.2)."""

    mode: str
    max_age: int
    mx: tuple[str, ...]
    lines: tuple[str, ...]


def record_id(records: Sequence[bytes]) -> str | None:
    """The id in the TXT records of _mta-sts; None where there is not exactly one that is well formed (section 3.1)."""
    found = [match for record in records if (match := _RECORD.fullmatch(record))]
    if len(found) != 1:
        return None
    ids = [match[1].decode() for field in found[0][1].split(b";") if (match := _ID.fullmatch(field))]
    return ids[0] if len(ids) == 1 else None


def read(body: bytes, hosts: int = _HOSTS) -> Text:
    """A policy's text, with so many mx at most. Keys that nobody knows are passed over; of a key that stands there twice the first counts."""
    try:
        lines = [line.strip() for line in body.decode().splitlines() if line.strip()]
    except UnicodeDecodeError as error:
        raise NoPolicy("it is no UTF-8") from error
    pairs = [(key.strip(), value.strip()) for key, _, value in (line.partition(":") for line in lines)]
    known: dict[str, str] = {}
    for key, value in pairs:
        known.setdefault(key, value)
    if known.get("version") != "STSv1":
        raise NoPolicy("its version is not STSv1")
    mode, age = known.get("mode", ""), known.get("max_age", "")
    if mode not in _MODES:
        raise NoPolicy(f"it has no mode of {', '.join(_MODES)}")
    if not (age.isascii() and age.isdigit() and len(age) <= 10):
        raise NoPolicy("it has no max_age")
    mx = tuple(value.lower().rstrip(".") for key, value in pairs if key == "mx")
    if len(mx) > hosts:
        raise NoPolicy(f"it names more than {hosts} mx")
    if any(not is_domain(name.removeprefix("*.")) for name in mx):
        raise NoPolicy("it names an mx that is no host name")
    if mode != "none" and not mx:
        raise NoPolicy("it names no mx")
    return Text(mode, min(int(age), _LONGEST), mx, tuple(lines))


class MtaSts:
    """The policies that a hub knows. `sessions`: who is told of those that can not be had (RFC 8460 section 4.3.2)."""

    def __init__(
        self, resolver: Resolver, store: TlsStore, config: schema.Relay, clock: Clock, sessions: TlsSessions | None
    ) -> None:
        self._resolver, self._store, self._config, self._clock = resolver, store, config, clock
        self._https, self._sessions = Https(resolver, clock, config.tls_ca), sessions
        self._fetches: dict[str, asyncio.Task[StsRow | None]] = {}
        self._failed: OrderedDict[str, float] = (
            OrderedDict()
        )  # domains and names, and until when they are left in peace

    async def policy(self, domain: str) -> StsPolicy | None:
        """What is in force for the domain now; None where it has none, it can not be had, or its mode is none."""
        row = await self._store.sts(domain)
        if row is not None and row.expires <= self._clock.now():
            row = None
        wanted = await self._id(domain)
        if wanted is not None and (row is None or row.id != wanted or self._aged(row)):
            row = await self._fetched(domain, wanted) or row
        if row is None:
            return None
        try:
            text = read(row.text.encode(), _SIZE)  # one that was kept is kept, whatever the bound is by now
        except NoPolicy as error:
            log.error("the MTA-STS policy of %s that is stored is passed over: %s", domain, error)
            return None
        return None if text.mode == "none" else StsPolicy(text.mx, text.mode == "enforce", text.lines)

    async def refresh(self) -> None:
        """Fetch what has half of its time behind it, also where no mail asks for it: a policy that is let expire can be kept away
        from then on by who keeps DNS or the web away from us (RFC 8461 sections 3.3, 10.2)."""
        after = ""
        while page := await self._store.aged_sts(self._clock.now(), after, _PAGE):
            await asyncio.gather(*map(self._renew, page))
            after = page[-1].domain

    async def _renew(self, row: StsRow) -> None:
        if row.expires <= self._clock.now():
            await self._store.remove_sts(row.domain)
        elif (wanted := await self._id(row.domain)) is not None:
            await self._fetched(row.domain, wanted)

    async def close(self) -> None:
        """Fetches under way are given up."""
        for task in tuple(self._fetches.values()):
            task.cancel()
        await asyncio.gather(*self._fetches.values(), return_exceptions=True)

    async def _id(self, domain: str) -> str | None:
        """DNS that was in trouble is left in peace for a while, too: mail is not to wait for its silence again and again."""
        name = f"_mta-sts.{domain}"
        if self._rests(name):
            return None
        try:
            return record_id(await self._resolver.txt(name))
        except DnsTemporary:
            self._rest(name)
            return None
        except DnsError:
            return None

    def _rests(self, what: str) -> bool:
        until = self._failed.get(what)
        return until is not None and until > self._clock.monotonic()

    def _rest(self, what: str) -> None:
        self._failed[what] = self._clock.monotonic() + _AGAIN
        self._failed.move_to_end(what)
        while len(self._failed) > self._config.mta_sts_limit:
            self._failed.popitem(last=False)

    def _aged(self, row: StsRow) -> bool:
        """Half of its time is over: it is fetched again, so that it does not expire while the domain has it (section 3.3)."""
        return self._clock.now() >= (row.fetched + row.expires) / 2

    async def _fetched(self, domain: str, number: str) -> StsRow | None:
        """None where that fails or failed a moment ago. Who asks meanwhile waits for the same fetch."""
        if self._rests(domain):
            return None
        task = self._fetches.get(domain)
        if task is None:
            task = self._fetches[domain] = asyncio.get_running_loop().create_task(self._fetch(domain, number))
            task.add_done_callback(lambda _: self._fetches.pop(domain, None))
        return await asyncio.shield(task)

    async def _fetch(self, domain: str, number: str) -> StsRow | None:
        port = f":{self._config.mta_sts_port}" if self._config.mta_sts_port != 443 else ""
        url = f"https://mta-sts.{domain}{port}/.well-known/mta-sts.txt"
        try:
            answer = await self._https.get(url, timeout=self._config.mta_sts_timeout, limit=_SIZE)
            if answer.status != 200:
                raise HttpsError(f"status {answer.status}")
            if answer.kind != "text/plain" or len(answer.body) > _SIZE:
                raise NoPolicy(f"it is {answer.kind}" if len(answer.body) <= _SIZE else "it is too long")
            text = read(answer.body)
        except HttpsError as error:
            self._without(domain, "sts-webpki-invalid" if error.tls else "sts-policy-fetch-error", error)
            return None
        except NoPolicy as error:
            self._without(domain, "sts-policy-invalid", error)
            return None
        now = self._clock.now()
        row = StsRow(domain, number, "\n".join(text.lines), now, now + text.max_age)
        self._failed.pop(domain, None)
        try:
            await self._store.put_sts(row, self._config.mta_sts_limit)
        except MailError as error:
            log.warning("MTA-STS policy of %s can not be kept: %s", domain, error)
        log.info("MTA-STS policy of %s: %s for %d seconds", domain, text.mode, text.max_age)
        return row

    def _without(self, domain: str, result: str, error: Exception) -> None:
        log.warning("MTA-STS policy of %s: %s: %s", domain, result, error)
        self._rest(domain)
        if self._sessions is not None:
            self._sessions.count(domain, Basis(STS), Session(f"mta-sts.{domain}", "", "", result, str(error)))
