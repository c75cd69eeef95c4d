"""The daily DMARC reports (RFC 9990): the day before, to each domain that wants them, by mail.

Counts leave the store when their report is in the queue. A crash between the two sends the report again, under the same Report-ID.
"""

import asyncio
import logging

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
        self, config: schema.DmarcReports, hostname: str, counts: Counts, store: DmarcStore, resolver: Resolver, spool: Spool,
        clock: Clock,
    ) -> None:  # fmt: skip
        super().__init__("DMARC", counts, clock, config.spread)
        self._config, self._hostname, self._store = config, hostname, store
        self._resolver, self._spool = resolver, spool

    async def _send_all(self) -> None:
        today, after = int(self._clock.now() // DAY), (0, "")
        while page := await self._store.reportable(today, after, _PAGE):
            for day, domain in page:
                if await self._sent(day, domain) or day < today - _PATIENCE:
                    await self._store.remove(day, domain)
            after = page[-1]

    async def _sent(self, day: int, domain: str) -> bool:
        """Whether the domain has its report, or wants none."""
        try:
            places = [place for place in await self._places(domain) if await self._is_wanted(domain, place)]
        except DnsTemporary as error:
            log.info("DMARC report to %s waits: %s", domain, error)
            return False
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
        ours = [text for text in texts if text.partition(";")[0].replace(" ", "").lower() == "v=dmarc1"]
        return dmarc_reporting.rua(ours[0]) if len(ours) == 1 else ()

    async def _is_wanted(self, domain: str, place: Place) -> bool:
        """Another organization's mailbox has to say that it takes them (section 4), so that nobody is flooded in a stranger's name."""
        host = place.address.rpartition("@")[2].lower()
        if host == domain or f".{host}".endswith(f".{domain}"):
            return True
        try:
            texts = await self._resolver.records(f"{domain}._report._dmarc.{host}", "TXT")
        except (NoData, NoSuchName):
            log.info("no DMARC report of %s to %s: %s does not say that it takes them", domain, place.address, host)
            return False
        return any(text.partition(";")[0].replace(" ", "").lower() == "v=dmarc1" for text in texts)

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
