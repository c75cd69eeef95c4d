"""The part of a hub that moves mail: transports, router, queue, and the jobs beside them, made and joined."""

import asyncio
import functools
import logging
import random
from collections.abc import Iterator
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from msgspec import Struct

from mailhub import __version__
from mailhub.delivery.aliases.command import CommandTransport
from mailhub.delivery.aliases.file import FileTransport
from mailhub.delivery.forwarding import SRS_KEY, Forwarding
from mailhub.delivery.local import LocalTransport
from mailhub.delivery.outbound import Outbound
from mailhub.delivery.relay.mx import own_addresses
from mailhub.delivery.relay.tls_services import RelayTls
from mailhub.delivery.router import COMMAND, FILE, Router
from mailhub.delivery.sieve import files
from mailhub.delivery.sieve.filtering import Filter
from mailhub.delivery.transports import Transports
from mailhub.directory.keys import kept_key
from mailhub.hub_status import figures_of
from mailhub.jobs.daily import Daily, Repeated
from mailhub.model.clock import VirtualClock
from mailhub.net.local import Machine
from mailhub.policy.bans import FOLLOWED
from mailhub.queue.manager import Manager
from mailhub.queue.notices import Notices
from mailhub.queue.quarantine import Quarantine
from mailhub.queue.spool import Spool
from mailhub.queue.suppression import Suppressions

if TYPE_CHECKING:
    from mailhub.delivery.system.programs import Programs
    from mailhub.delivery.system.routing import SystemRouting
    from mailhub.delivery.system.transport import SystemTransport
    from mailhub.hub import Hub
    from mailhub.jobs.dmarc_reports import DmarcReports
    from mailhub.jobs.tls_reports import TlsReports
    from mailhub.jobs.webhooks import Hook

    Begun = Repeated | TlsReports | DmarcReports | Hook

log = logging.getLogger("mailhub.hub")

_REFRESH_SPREAD = 14_400.0  # seconds after midnight UTC, so that not all the world asks at once


class Moving(Struct, frozen=True):
    router: Router
    suppressions: Suppressions
    queue: Manager
    spool: Spool
    quarantine: Quarantine
    tls: RelayTls
    sieve: Filter
    notices: Notices
    listed: tuple[CommandTransport, FileTransport]


async def moving_mail(hub: "Hub", machine: Machine, undo: AsyncExitStack) -> Moving:
    """Nothing moves yet; `undo` gets how it is unmade."""
    config, clock, store = hub.config, hub.clock, hub.store
    sections = config.relay, config.resolver, config.tls_reports
    tls = RelayTls(*sections, hub.tables, hub.resolver, store.tls, clock)
    undo.push_async_callback(tls.close)
    sieve = Filter(
        store.sieve, store.queue, hub.mailboxes, config.sieve, files.read(config.sieve), config.hostname,
        config.delivery.recipient_delimiter, clock,
    )  # fmt: skip
    local = LocalTransport(hub.mailboxes, config.hostname, clock, sieve, hub.deliver_hook)
    routing, system = _system_users(hub)
    delimiter = config.delivery.recipient_delimiter
    runner = _runner(hub)
    listed = (
        CommandTransport(COMMAND, config.aliases, delimiter, clock, runner),
        FileTransport(FILE, config.aliases, delimiter, clock, str(hub.data / "spool")),
    )
    own = functools.partial(own_addresses, config.listener, machine)
    transports = Transports(
        config.transport, config.relay, hub.resolver, config.hostname, clock, local,
        delimiter, own, listed, tls.services, system, runner, Outbound(hub.signer, lambda: hub.config),
    )  # fmt: skip
    if system is not None:
        transports.limits[system.name] = config.local.concurrency
    undo.push_async_callback(transports.close)
    main = (*config.domains, config.hostname)[0]
    forwarding = Forwarding(await kept_key(store.directory, SRS_KEY), main, clock)
    router = Router(
        hub.directory, config.delivery, main, hub.tables, forwarding, config.aliases, routing, config.web.admins
    )
    suppressions = Suppressions(store.suppressions, config.suppression, clock)
    notices = Notices(config.webhook, clock)
    if lost := await store.webhooks.forget(tuple(config.webhook)):
        log.warning("%d events for webhooks that are not configured any more are given up", lost)
    queue = Manager(
        store.queue, router, transports.all, config.queue, config.hostname, clock, suppressions=suppressions,
        trace=hub.trace, limits=transports.limits, notices=notices,
    )  # fmt: skip
    quarantine = Quarantine(store.queue, config.quarantine, clock)
    spool = Spool(store.queue, queue, clock, quarantine)
    return Moving(router, suppressions, queue, spool, quarantine, tls, sieve, notices, listed)


def _system_users(hub: "Hub") -> "tuple[SystemRouting | None, SystemTransport | None]":
    """Where they have mail here."""
    if hub.deputy is None or hub.system_users is None:
        return None, None
    from mailhub.delivery.system.routing import SystemRouting
    from mailhub.delivery.system.transport import SystemTransport

    config, delimiter = hub.config.local, hub.config.delivery.recipient_delimiter
    routing = SystemRouting(hub.system_users, config, delimiter)
    return routing, SystemTransport(hub.deputy, routing, config, delimiter, hub.clock, str(hub.data / "spool"))


def _runner(hub: "Hub") -> "Programs | None":
    """Who runs programs, where we have given up the right to."""
    if hub.deputy is None or not hub.deputy.settings.programs:
        return None
    from mailhub.delivery.system.programs import Programs

    return Programs(hub.deputy, str(hub.data / "spool"))


def jobs(hub: "Hub", tls: RelayTls, notices: Notices, undo: AsyncExitStack) -> Iterator["asyncio.Task[None]"]:
    """Core tasks, once the queue runs; `undo` ends them."""
    config, clock = hub.config, hub.clock
    begun: list[Begun] = [Daily("the quarantine", hub.quarantine.work, clock, _REFRESH_SPREAD, random.Random())]
    if config.relay.mta_sts:
        begun.append(Daily("the MTA-STS policies", tls.refresh, clock, _REFRESH_SPREAD, random.Random()))
    if (sessions := tls.services.sessions) is not None:
        from mailhub.jobs.tls_reports import TlsReports
        from mailhub.net.https import Https

        https = Https(hub.resolver, clock, config.relay.tls_ca)
        section, store = config.tls_reports, hub.store.tls
        begun.append(TlsReports(section, config.hostname, sessions, store, hub.resolver, https, hub.spool, clock))
    if hub.dmarc_counts is not None:
        from mailhub.jobs.dmarc_reports import DmarcReports
        from mailhub.policy.dmarc import organization

        rooms = hub.store.dmarc, hub.resolver, functools.partial(organization, hub.resolver), hub.spool, clock
        begun.append(DmarcReports(config.dmarc_reports, config.hostname, hub.dmarc_counts, *rooms))
    if config.mailbox.autoexpunge:
        from mailhub.jobs.autoexpunge import Retention

        retention = Retention(config.mailbox.autoexpunge, hub.store.mailboxes, clock)
        begun.append(Daily("autoexpunge", retention.work, clock, _REFRESH_SPREAD, random.Random()))
    if config.history.enabled:
        from mailhub.jobs.history import Recording

        begun.append(Recording(config.history, hub.store.history, functools.partial(figures_of, hub), clock))
    if config.trace.otlp:
        from mailhub.jobs.telemetry import EVERY, Telemetry
        from mailhub.net.https import Https

        https = Https(hub.resolver, clock)
        telemetry = Telemetry(config.trace.otlp, config.hostname, __version__, https, clock)
        undo.enter_context(hub.trace.followed(telemetry.happened))
        begun.append(Repeated("telemetry", telemetry.work, clock, lambda now: now + EVERY))
    if config.store.kind == "mysql":
        begun.append(Repeated("bans of other nodes", hub.guard.bans.follow, clock, lambda now: now + FOLLOWED))
    if config.webhook:
        from mailhub.jobs.webhooks import hooks
        from mailhub.net.https import Https

        told = hooks(config.webhook, hub.store.webhooks, Https(hub.resolver, clock, config.relay.tls_ca), clock)
        notices.hooks = tuple(hook.wake for hook in told)
        begun += told
    for job in begun:
        yield job.start()
        undo.push_async_callback(job.stop)
        if isinstance(clock, VirtualClock):
            clock.attach(job.idle)
            undo.callback(clock.detach, job.idle)
