"""The same actions on a stopped server's store, opened under its lock for as long as the command runs."""

import asyncio
import random
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from mailhub import __version__
from mailhub.config.schema import Config
from mailhub.delivery.forwarding import SRS_KEY, Forwarding
from mailhub.delivery.router import Router
from mailhub.directory import Hasher
from mailhub.directory.keys import kept_key
from mailhub.directory.kinds import directory_of
from mailhub.mailbox.heavy import HeavyLane
from mailhub.mailbox.junk import JunkFilter
from mailhub.mailbox.scripts import Scripts
from mailhub.model.clock import SystemClock
from mailhub.model.errors import MailError
from mailhub.model.mailbox import Limits
from mailhub.net import local
from mailhub.net.resolver import DnsResolver
from mailhub.policy import Guard, Sections
from mailhub.queue.schedule import Schedule
from mailhub.store.kinds import store_of
from mailhub.tables import Tables
from mailhub.trace import Trace

from .errors import ControlError
from .service import Control
from .setup.dns import Zones
from .setup.doctor import Doctor
from .webhooks import Webhooks
from .words import Request, ServerStatus, Status, checked

Answer = TypeVar("Answer")


class Offline:
    """A `cli.backend.Backend` with a loop of its own. ControlError where the store can not be opened, for example
    because a server is just starting or stopping."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._runner = asyncio.Runner()
        clock = SystemClock()
        self._store = store_of(Path(config.data), config.store, clock, config.hostname)
        try:
            self._runner.run(self._store.open())
        except MailError as error:
            self._runner.close()
            raise ControlError("refused", str(error)) from error
        self._store.mailboxes.limits = Limits(config.mailbox.quota_storage, config.mailbox.quota_messages)
        self._hasher = Hasher(1, 1)
        try:
            directory = self._runner.run(directory_of(config, self._store.directory, self._hasher, clock))
        except MailError as error:
            self._hasher.close()
            self._runner.run(self._store.close())
            self._runner.close()
            raise ControlError("refused", str(error)) from error
        self._directory = directory
        sections = Sections(config.limits, config.smtp, config.auth, config.sessions)
        machine = local.read()
        guard = Guard(sections, clock, store=self._store.guard, machine=machine)
        self._runner.run(guard.open())
        trace = Trace(config.trace, clock, self._store.traces.record)
        main = (*config.domains, config.hostname)[0]
        forwarding = Forwarding(self._runner.run(kept_key(self._store.directory, SRS_KEY)), main, clock)
        self._tables = Tables(clock)
        self._lane = HeavyLane()
        admins = config.web.admins
        router = Router(directory, config.delivery, main, self._tables, forwarding, config.aliases, admins=admins)
        zones = Zones(lambda: config, directory, self._store.dkim, machine)
        self._resolver = DnsResolver(config.resolver, clock)
        self._control = Control(
            directory,
            self._store,
            clock,
            self._status,
            lambda: None,
            config.hostname,
            guard,
            trace,
            router,
            Schedule(config.queue, random.Random()).deadline,
            Scripts(self._store.sieve, config.sieve),
            JunkFilter(self._store.junk, self._store.mailboxes, config.junk, config.hostname, self._lane, clock),
            Doctor(lambda: config, zones, self._resolver, clock, machine),
            Webhooks(config.webhook, self._store.webhooks, clock, lambda: None),
        )

    def ask(self, request: Request[Answer], progress: Callable[[int, int], None] | None = None) -> Answer:
        return self._runner.run(self._control.perform(checked(request), progress))

    def close(self) -> None:
        self._hasher.close()
        self._lane.close()
        self._tables.close()
        self._runner.run(self._closed())
        try:
            self._runner.run(self._store.close())
        finally:
            self._runner.close()

    async def _closed(self) -> None:
        self._directory.close()
        await self._resolver.close()

    async def _status(self, request: Status) -> ServerStatus:
        counts = await self._store.queue.counts()
        return ServerStatus(
            running=False,
            version=__version__,
            hostname=self._config.hostname,
            data=self._config.data,
            domains=tuple(domain.name for domain in await self._directory.domains()),
            queue_messages=counts.items,
            queue_recipients=counts.recipients,
        )
