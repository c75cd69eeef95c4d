"""The daily TLS reports (RFC 8460): the day before, to each domain that wants them, by mail and by HTTPS.

Counts leave the store when their report is in the queue or was taken by a web server. A crash between the two sends the report
again, under the same Report-ID.
"""

import asyncio
import json
import logging
import random

from mailhub.config import schema
from mailhub.delivery.relay.tlsrpt import TLS_REPORT, TlsSessions
from mailhub.message import stamps, tls_report
from mailhub.model import ids
from mailhub.model.clock import Clock
from mailhub.model.envelope import Envelope, Notify, Origin, Recipient
from mailhub.model.errors import MailError
from mailhub.net.https import Https, HttpsError
from mailhub.net.resolver import DnsTemporary, NoData, NoSuchName, Resolver
from mailhub.queue.spool import Spool
from mailhub.store.api import Body, TlsCount, TlsStore

from .counted import CountedReports
from .daily import DAY

log = logging.getLogger("mailhub.jobs")

_PAGE = 100
_TIMEOUT = 60.0  # seconds for a web server to take a report
_ANSWER = 4_096  # octets of its answer that are read
_PATIENCE = 3  # days after which a report that can not be sent is given up (section 5.4 wants one at least)


class TlsReports(CountedReports):
    def __init__(
        self,
        config: schema.TlsReports,
        hostname: str,
        sessions: TlsSessions,
        store: TlsStore,
        resolver: Resolver,
        https: Https,
        spool: Spool,
        clock: Clock,
        chance: random.Random | None = None,
    ) -> None:
        super().__init__("TLS", sessions, clock, config.spread, chance)
        self._config, self._hostname, self._store = config, hostname, store
        self._resolver, self._https, self._spool = resolver, https, spool

    async def _send_all(self) -> None:
        today, after = int(self._clock.now() // DAY), (0, "")
        while page := await self._store.reportable(today, after, _PAGE):
            for day, domain in page:
                if await self._sent(day, domain) or day < today - _PATIENCE:
                    await self._store.remove_sessions(day, domain)
            after = page[-1]

    async def _sent(self, day: int, domain: str) -> bool:
        """Whether the domain has its report, or wants none."""
        try:
            uris = tls_report.rua(await self._resolver.txt(f"_smtp._tls.{domain}"))
        except (NoSuchName, NoData):
            return True
        except DnsTemporary as error:
            log.info("TLS report to %s waits: %s", domain, error)
            return False
        if not uris:
            return True
        report = self._report(day, domain, await self._store.sessions(day, domain))
        taken = [await self._give(report, uri) for uri in uris]
        return any(taken)

    def _report(self, day: int, domain: str, counts: dict[TlsCount, int]) -> tls_report.TlsReport:
        policies = []
        for kind, policy in sorted({(count.kind, count.policy) for count in counts}):
            mine = {count: times for count, times in counts.items() if (count.kind, count.policy) == (kind, policy)}
            lines, mx = json.loads(policy)
            failures = tuple(
                tls_report.Failure(one.result, times, one.source, one.host, one.address, one.detail)
                for one, times in mine.items()
                if one.result
            )
            successes = sum(times for one, times in mine.items() if not one.result)
            policies.append(tls_report.Judged(kind, tuple(lines), tuple(mx), successes, failures))
        return tls_report.TlsReport(
            domain=domain,
            submitter=self._hostname,
            organization=self._config.organization or self._hostname,
            contact=self._config.contact or f"postmaster@{self._hostname}",
            day=day,
            policies=tuple(policies),
        )

    async def _give(self, report: tls_report.TlsReport, uri: str) -> bool:
        """Whether that place has it now."""
        try:
            if uri.startswith("mailto:"):
                await self._mail(report, uri.removeprefix("mailto:"))
            else:
                await self._post(report, uri)
        except (MailError, HttpsError) as error:
            log.warning("TLS report to %s: %s: %s", report.domain, uri, error)
            return False
        log.info("TLS report %s: %s", report.id, uri)
        return True

    async def _mail(self, report: tls_report.TlsReport, to: str) -> None:
        """From nobody: a report that can not be delivered comes back to no one."""
        number, now = self._spool.new_id(), self._clock.now()
        message_id = stamps.message_id(ids.text(number), self._hostname)
        text = tls_report.mail(report, to, message_id, now)
        envelope = Envelope("", (Recipient(to, Notify.NEVER),))
        put = self._spool.put(number, envelope, Body(len(text), text), b"", Origin(protocol=TLS_REPORT))
        await asyncio.shield(self._uncut(put))

    async def _post(self, report: tls_report.TlsReport, url: str) -> None:
        body = tls_report.compressed(report)
        answer = await self._https.post(url, body, tls_report.KIND, timeout=_TIMEOUT, limit=_ANSWER)
        if answer.status // 100 != 2:
            raise HttpsError(f"status {answer.status}")
