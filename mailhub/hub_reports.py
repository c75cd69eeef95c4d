"""The part of a hub that tells other domains of TLS with them (jobs.tls_reports)."""

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from mailhub.delivery.relay.tlsrpt import TlsSessions
from mailhub.jobs.tls_reports import TlsReports
from mailhub.model.clock import VirtualClock
from mailhub.net.https import Https

if TYPE_CHECKING:
    from mailhub.hub import Hub


def start(hub: "Hub", sessions: TlsSessions, undo: AsyncExitStack) -> "asyncio.Task[None]":
    """The reports as a core task, once the queue runs; `undo` ends it."""
    config, clock = hub.config, hub.clock
    https = Https(hub.resolver, clock, config.relay.tls_ca)
    reports = TlsReports(
        config.tls_reports, config.hostname, sessions, hub.store.tls, hub.resolver, https, hub.spool, clock
    )
    task = reports.start()
    undo.push_async_callback(reports.stop)
    if isinstance(clock, VirtualClock):
        clock.attach(reports.idle)
        undo.callback(clock.detach, reports.idle)
    return task
