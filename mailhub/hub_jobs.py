"""The part of a hub that makes its jobs and starts them: TLS reports, MTA-STS policies fetched before they expire."""

import asyncio
import random
from collections.abc import Iterator
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from mailhub.delivery.relay.tls_services import RelayTls
from mailhub.jobs.daily import Daily
from mailhub.jobs.tls_reports import TlsReports
from mailhub.model.clock import VirtualClock
from mailhub.net.https import Https

if TYPE_CHECKING:
    from mailhub.hub import Hub

_REFRESH_SPREAD = 14_400.0  # seconds after midnight UTC, so that not all the world asks at once


def started(hub: "Hub", tls: RelayTls, undo: AsyncExitStack) -> Iterator["asyncio.Task[None]"]:
    """Core tasks, once the queue runs; `undo` ends them."""
    config, clock = hub.config, hub.clock
    jobs: list[Daily | TlsReports] = []
    if config.relay.mta_sts:
        jobs.append(Daily("the MTA-STS policies", tls.refresh, clock, _REFRESH_SPREAD, random.Random()))
    if (sessions := tls.services.sessions) is not None:
        https = Https(hub.resolver, clock, config.relay.tls_ca)
        section, store = config.tls_reports, hub.store.tls
        jobs.append(TlsReports(section, config.hostname, sessions, store, hub.resolver, https, hub.spool, clock))
    for job in jobs:
        yield job.start()
        undo.push_async_callback(job.stop)
        if isinstance(clock, VirtualClock):
            clock.attach(job.idle)
            undo.callback(clock.detach, job.idle)
