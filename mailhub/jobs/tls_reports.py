"""The daily TLS reports (RFC 8460): the day before, to each domain that wants them, by mail and by HTTPS.

Counts leave the store when their report is in the queue or was taken by a web server. A crash between the two sends the report
again, under the same Report-ID.
"""

import asyncio
import json
import logging
import random
from collections.abc import Coroutine
from typing import Any

from mailhub.config import schema
from mailhub.delivery.relay.tlsrpt import TLS_REPORT, TlsSessions
from mailhub.message import stamps, tls_report
from mailhub.model import ids
from mailhub.model.clock import Clock, Timer
from mailhub.model.envelope import Envelope, Notify, Origin, Recipient
from mailhub.model.errors import MailError
from mailhub.net.https import Https, HttpsError
from mailhub.net.resolver import DnsTemporary, NoData, NoSuchName, Resolver
from mailhub.queue.spool import Spool
from mailhub.store.api import Body, TlsCount, TlsStore

from .daily import DAY, Daily

log = logging.getLogger("mailhub.jobs")

_PAGE = 100
_FLUSH = 60.0  # seconds that counts may be in memory alone
_TIMEOUT = 60.0  # seconds for a web server to take a report
_ANSWER = 4_096  # octets of its answer that are read
_PATIENCE = 3  # days after which a report that can not be sent is given up (section 5.4 wants one at least)


class TlsReports:
    """`start`, then `stop`. `idle` returns when nothing is due, so that only the clock can bring more."""

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
        self._config, self._hostname, self._sessions, self._store = config, hostname, sessions, store
        self._resolver, self._https, self._spool, self._clock = resolver, https, spool, clock
        name, chance = "the TLS reports", chance or random.Random()
        self._daily = Daily(name, self._send_all, clock, config.spread, chance)
        self._timer: Timer | None = None
        self._work: set[asyncio.Task[None]] = set()  # with the store, not to be cut

    def start(self) -> "asyncio.Task[None]":
        """A core task, that ends by `stop` alone."""
        self._sessions.on_first = self._flush_later
        return self._daily.start()

    async def idle(self) -> None:
        await self._daily.idle()
        while self._work:
            await asyncio.wait(set(self._work))

    async def stop(self) -> None:
        """What was counted, and what is on its way into the queue, is kept."""
        await self._daily.stop()
        self._sessions.on_first = lambda: None
        if self._timer is not None:
            self._timer.cancel()
        if self._work:
            await asyncio.wait(set(self._work))
        await self._flush()

    def _uncut(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        task = asyncio.get_running_loop().create_task(work)
        self._work.add(task)
        task.add_done_callback(self._work.discard)
        return task

    # --- counts ------------------------------------------------------------------------------------------------------

    def _flush_later(self) -> None:
        self._timer = self._clock.call_later(_FLUSH, lambda: self._uncut(self._flush_now()))

    async def _flush_now(self) -> None:
        if not await self._flush():
            self._flush_later()

    async def _flush(self) -> bool:
        try:
            await self._sessions.flush()
        except MailError as error:
            log.warning("sessions for TLS reports can not be counted now: %s", error)
            return False
        return True

    # --- reports -----------------------------------------------------------------------------------------------------

    async def _send_all(self) -> None:
        await self._flush()
        today, after = int(self._clock.now() // DAY), (0, "")
        try:
            while page := await self._store.reportable(today, after, _PAGE):
                for day, domain in page:
                    if await self._sent(day, domain) or day < today - _PATIENCE:
                        await self._store.remove_sessions(day, domain)
                after = page[-1]
        except MailError as error:
            log.warning("TLS reports can not be made now: %s", error)

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
