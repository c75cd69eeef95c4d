"""The daily DMARC reports (RFC 9990): the day before, to each domain that wants them, by mail.

Counts leave the store when their report is in the queue. A crash between the two sends the report again, under the same Report-ID.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

import msgspec

from mailhub.config import schema
from mailhub.message import dmarc_reporting, stamps
from mailhub.message.dmarc_reporting import Finding, Place, Report
from mailhub.model import ids
from mailhub.model.clock import Clock
from mailhub.model.envelope import Envelope, Notify, Origin, Recipient
from mailhub.model.errors import MailError
from mailhub.net.resolver import DnsTemporary, NoData, NoSuchName, Resolver
from mailhub.queue.spool import Spool
from mailhub.store.api import Body, DmarcStore

from .counted import CountedReports, Counts
from .daily import DAY

log = logging.getLogger("mailhub.jobs")

PROTOCOL = "dmarc-report"  # of their origins
_PAGE = 100
_PATIENCE = 2  # days after which a report that can not be sent is given up
_ROWS = 10_000  # of one report


class DmarcReports(CountedReports):
    def __init__(
        self, config: schema.DmarcReports, hostname: str, counts: Counts, store: DmarcStore, resolver: Resolver,
        organization: Callable[[str], Awaitable[str]], spool: Spool, clock: Clock,
    ) -> None:  # fmt: skip
        """`organization`: of a domain; DnsTemporary."""
        super().__init__("DMARC", counts, clock, config.spread)
        self._config, self._hostname, self._store = config, hostname, store
        self._resolver, self._organization, self._spool = resolver, organization, spool

    async def _send_all(self) -> None:
        today, after = int(self._clock.now() // DAY), (0, "")
        while page := await self._store.reportable(today, after, _PAGE):
            for day, domain in page:
                last = day < today - _PATIENCE
                if await self._tried(day, domain, last=last) or last:
                    await self._store.remove(day, domain)
            after = page[-1]

    async def _tried(self, day: int, domain: str, *, last: bool) -> bool:
        """What is wrong with one domain keeps no other from its report."""
        try:
            return await self._sent(day, domain, last=last)
        except DnsTemporary as error:
            log.info("DMARC report to %s waits: %s", domain, error)
        except MailError:
            raise
        except Exception:
            log.exception("DMARC report to %s", domain)
        return False

    async def _sent(self, day: int, domain: str, *, last: bool) -> bool:
        """Whether the domain has its report, or wants none. The `last` time, places that can not be judged are left out."""
        places = []
        for wished in await self._places(domain):
            try:
                place = await self._allowed(domain, wished)
            except DnsTemporary:
                if not last:
                    raise
                continue
            places += [place] if place is not None else []
        if not places:
            return True
        rows = (await self._store.counts(day, domain))[:_ROWS]
        findings = [(msgspec.json.decode(found, type=Finding), count) for found, count in rows]
        if not findings:
            return True
        report = Report(
            domain=domain,
            submitter=self._hostname,
            organization=self._config.organization or self._hostname,
            contact=self._config.contact or f"postmaster@{self._hostname}",
            day=day,
            findings=findings,
        )
        content = await asyncio.to_thread(dmarc_reporting.packed, report)
        return all([await self._gave(report, content, place) for place in places])

    async def _places(self, domain: str) -> tuple[Place, ...]:
        try:
            texts = await self._resolver.records(f"_dmarc.{domain}", "TXT")
        except (NoData, NoSuchName):
            return ()
        ours = [text for text in texts if dmarc_reporting.is_ours(text)]
        return dmarc_reporting.rua(ours[0]) if len(ours) == 1 else ()

    async def _allowed(self, domain: str, place: Place) -> Place | None:
        """Another organization's mailbox has to say that it takes them (section 4), so that nobody is flooded in a stranger's name. It may
        name another of the same host."""
        host = place.host
        if host == domain or await self._organization(host) == await self._organization(domain):
            return place
        try:
            texts = await self._resolver.records(f"{domain}._report._dmarc.{host}", "TXT")
        except (NoData, NoSuchName):
            texts = []
        ours = [text for text in texts if dmarc_reporting.is_ours(text)]
        others = dmarc_reporting.rua(ours[0]) if ours else ()
        if not ours or any(other.host != host for other in others):
            log.info("no DMARC report of %s to %s: %s does not say that it takes them", domain, place.address, host)
            return None
        return others[0] if others else place

    async def _gave(self, report: Report, content: bytes, place: Place) -> bool:
        if place.limit and len(content) > place.limit:
            log.info(
                "no DMARC report of %s to %s: %d octets are too many there", report.domain, place.address, len(content)
            )
            return True
        number, now = self._spool.new_id(), self._clock.now()
        message_id = stamps.message_id(ids.text(number), self._hostname)
        text = dmarc_reporting.mail(report, content, place.address, message_id, now)
        envelope = Envelope("", (Recipient(place.address, Notify.NEVER),))
        put = self._spool.put(number, envelope, Body(len(text), text), b"", Origin(protocol=PROTOCOL))
        try:
            await asyncio.shield(self._uncut(put))
        except MailError as error:
            log.warning("DMARC report to %s: %s", report.domain, error)
            return False
        log.info("DMARC report %s: %s", report.id, place.address)
        return True
