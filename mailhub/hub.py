"""The composition root: a Config becomes a running mail server inside the caller's event loop.

    async with Hub(Config(...)) as hub:
        hub.port("smtp"), hub.port("imap")

Every object is made here and handed what it needs; a test hands in its own clock, resolver or store. Several hubs may run
in one process. Start: store, directory, queue, listeners, control socket. Stop, in two stages: nothing new begins and what
is under way may end; then it is cut. A core task that fails stops the hub loudly: `failed` tells, leaving the block raises.
"""

import asyncio
import functools
import logging
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import msgspec

from mailhub import heap
from mailhub.config import schema
from mailhub.control import demo
from mailhub.control.server import ControlServer
from mailhub.delivery.local import DeliverHook
from mailhub.delivery.sieve import files
from mailhub.hub_alarms import no_mail
from mailhub.hub_filters import dmarc_counts, hooked, inspection, junk_filter, signer
from mailhub.hub_local import Narrowing, Person, become, deputed, local_domains, make_folder, person, users_of
from mailhub.hub_mail import jobs, moving_mail
from mailhub.hub_maildrop import maildrop
from mailhub.hub_reload import Reloaded, reloaded
from mailhub.hub_signin import signing_in
from mailhub.hub_speaking import Speaking
from mailhub.hub_status import controlled, resident
from mailhub.mailbox.scripts import Scripts
from mailhub.mailbox.service import Mailboxes
from mailhub.model.clock import Clock, SystemClock, VirtualClock
from mailhub.model.reply import Reply
from mailhub.net import local
from mailhub.net.certificates import Pair
from mailhub.net.resolver import DnsResolver, Resolver
from mailhub.net.systemd import Inherited
from mailhub.net.tls import ServerTls
from mailhub.policy import Guard, Policy, Sections
from mailhub.policy.content_tables import ContentTables
from mailhub.policy.guard import unlimited
from mailhub.protocols.listener import Listener
from mailhub.protocols.session import Sessions
from mailhub.protocols.shedding import Shedding
from mailhub.scanners import Services
from mailhub.stall import StallDetector
from mailhub.store.api import Store
from mailhub.store.kinds import store_of
from mailhub.tables import Tables
from mailhub.trace import Trace

if TYPE_CHECKING:
    from mailhub.jobs.renewal import Renewal
    from mailhub.net.challenges import Challenges
    from mailhub.web.capture.api import Faults
    from mailhub.web.server import WebServer

log = logging.getLogger("mailhub.hub")

_SWITCH_INTERVAL = 0.0005  # seconds a thread may hold the interpreter; at Python's 5 ms a busy one triples latencies
_GOODBYE_TURNS = 20  # turns of the loop in which sessions may say goodbye where there is no grace


class Hub:
    """A whole mail server. `start`/`stop`, or `async with`. Attributes are there after `start`."""

    faults: "Faults | None" = None  # who can make something go wrong by HTTP: the test kit
    inherited: Inherited | None = None  # doors that a service manager opened
    narrowing: Narrowing | None = None  # what the process gives up once its own are bound
    deliver_hook: DeliverHook | None = None
    web: "WebServer"  # where a listener speaks HTTP
    challenges: "Challenges"
    renewal: "Renewal | None" = None  # of certificates by ACME

    def __init__(
        self,
        config: schema.Config,
        *,
        clock: Clock | None = None,
        resolver: Resolver | None = None,
        store: Store | None = None,
        machine: local.Machine | None = None,
    ) -> None:
        self.config = config = schema.captured(config) if config.mode == "capture" else config
        self._machine = local.read() if machine is None else machine
        self.clock: Clock = clock or SystemClock()
        self.data = Path(config.data).absolute()
        self.resolver: Resolver = resolver or DnsResolver(config.resolver, self.clock)
        self.store: Store = store or store_of(self.data, config.store, self.clock, config.hostname)
        self.guard: Guard  # after `start`
        self.sessions = Sessions(
            config.sessions, lambda client: self.guard.key(client), lambda client: self.guard.shared(client), resident,
            heap.Reserve(self.clock).use,
        )  # fmt: skip
        self.tls = ServerTls(config.tls, self.data, config.hostname, self.clock)
        self.listeners: list[Listener] = []
        self._own_tls: list[ServerTls] = []  # of listeners with [listener.tls_options]
        self.demo_accounts: demo.Accounts = ()
        self.started = self.clock_offset = 0.0  # wall time, and how far the other clock is from it
        self._undo = AsyncExitStack()
        self.commits: set[asyncio.Task[Reply]] = set()  # messages on their way into the queue, of all policies
        self._own_policies: dict[str, Policy] = {}  # of listeners with an own [listener.smtp]
        self._stopping = False
        self._detector = StallDetector(config.log.stall_seconds)

    # --- life ---

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop(0.0 if isinstance(self.clock, VirtualClock) else self.config.sessions.drain_timeout)
        if error is None and self.failed.done():
            self.failed.result()

    async def start(self) -> None:
        """Return when every listener answers. A MailError says in one line what is wrong, and leaves nothing behind."""
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        async with AsyncExitStack() as undo:
            try:
                await self._build(undo)
            except BaseException:
                self._stopping = True
                raise
            self._undo = undo.pop_all()
        self.started, self.clock_offset = self.clock.now(), self.clock.now() - self.clock.monotonic()
        log.info("%s serves %s", self.config.hostname, ", ".join(f"{d.config.label} {d.port}" for d in self.listeners))

    async def _build(self, undo: AsyncExitStack) -> None:
        """Each thing made is followed by how it is unmade; on the way out it goes in reverse."""
        sys.setswitchinterval(_SWITCH_INTERVAL)
        config, clock = self.config, self.clock
        self._speaks = self.speaking()
        somebody = person(config.user)
        self.deputy = await deputed(config, somebody, clock, undo)
        self._open_doors(somebody, undo)
        await self.store.open()
        undo.push_async_callback(self.store.close)
        guarded = Sections(config.limits, config.smtp, config.auth, config.sessions)
        self.guard = Guard(guarded, clock, store=self.store.guard, machine=self._machine, sessions_of=self.sessions.of)
        await self.guard.open()
        undo.push_async_callback(self.guard.settled)
        for tls in (self.tls, *self._own_tls):
            tls.context()
        self.tables = Tables(clock)
        undo.callback(self.tables.close)
        self.system_users = users_of(self.deputy, config, clock)
        if self.deputy is not None:
            self._watch(asyncio.get_running_loop().create_task(self.deputy.run(), name="the deputy"))
        signin = await signing_in(config, self.store, self.tables, self.guard, self.resolver, clock, undo)
        self.signin, self.directory, self.authenticator = signin, signin.directory, signin.authenticator
        if config.demo and config.domains:
            self.demo_accounts = await demo.create(self.directory, self.store.directory, config.domains[0], self.data)
        self.trace = Trace(config.trace, clock, self.store.traces.record)
        undo.push_async_callback(self.trace.close)
        self.mailboxes = Mailboxes(self.store, config.mailbox, clock, self.trace)
        undo.callback(self.mailboxes.close)
        await self.mailboxes.indexer.catch_up()
        self.junk = junk_filter(self, undo)
        self.scripts = Scripts(self.store.sieve, config.sieve, self.mailboxes.lane)
        self.hooks = await hooked(self, undo)
        self.signer, self.dmarc_counts = signer(self), dmarc_counts(self)
        await self._start_queue(undo)
        self.services = Services(self.resolver, clock)
        undo.callback(self.services.close)
        self.inspection = inspection(self)
        self._take_policy(config.smtp)
        own = {door.label: door.smtp for door in config.listener if door.smtp is not None}
        self._own_policies = {label: self._make_policy(smtp) for label, smtp in own.items()}
        self.control = controlled(self, self._machine, self._rehearsing)
        if any(door.protocol == "http" for door in config.listener):
            from mailhub.hub_web import serving_web

            self.web = await serving_web(self, self.faults, undo)
        commands = ControlServer(self.data, self.control)
        await commands.start()
        undo.push_async_callback(commands.stop)
        self._watch(maildrop(self, undo))
        undo.callback(lambda: self._detector.stop())
        self._detector.start()
        shedding = Shedding(self.sessions, clock)
        undo.callback(shedding.stop)
        shedding.start()
        for listener in self.listeners:
            self._watch(await listener.start())
        if config.tls.acme.directory:
            from mailhub.hub_web import renewing

            self._watch(renewing(self, undo))

    def _open_doors(self, somebody: Person | None, undo: AsyncExitStack) -> None:
        """While we are root, if we are; nothing but the doors is opened before that is over."""
        make_folder(self.data, somebody)
        for door in self.config.listener:
            self._bind(door, undo)
        become(somebody, [listener.config.path for listener in self.listeners], self.data, self.narrowing)

    def _bind(self, door: schema.Listener, undo: AsyncExitStack) -> None:
        if door.path and "/" not in door.path:
            door = msgspec.structs.replace(door, path=str(self.data / door.path))
        tls = self.tls
        if door.tls_options is not None:
            tls = ServerTls(door.tls_options, self.data, self.config.hostname, self.clock)
            self._own_tls.append(tls)
        serve = functools.partial(self._speaks.serve, door, tls)

        def refuse(client: str, service: str) -> Reply | None:
            return self.guard.connected(client, service)

        listener = Listener(door, self.sessions, self.clock, serve, tls.context, refuse)
        listener.bind(self.inherited)
        undo.callback(listener.close)
        self.listeners.append(listener)

    async def _start_queue(self, undo: AsyncExitStack) -> None:
        undo.push_async_callback(self.resolver.close)
        moving = await moving_mail(self, self._machine, undo)
        self.router, self.suppressions, self.queue, self.spool, self.quarantine, self.sieve, self.listed, self.notices = (
            moving.router, moving.suppressions, moving.queue, moving.spool, moving.quarantine, moving.sieve, moving.listed,
            moving.notices,
        )  # fmt: skip
        await self.queue.start()
        self._watch(asyncio.get_running_loop().create_task(self.queue.run(), name="the queue manager"))
        undo.push_async_callback(self.queue.stop, 0.0)
        if isinstance(self.clock, VirtualClock):
            self.clock.attach(self.queue.idle)
            undo.callback(self.clock.detach, self.queue.idle)
        for task in jobs(self, moving.tls, moving.notices, undo):
            self._watch(task)

    def _watch(self, task: "asyncio.Task[None]") -> None:
        """A core task ends when the hub stops and never before."""

        def ended(task: "asyncio.Task[None]") -> None:
            error = None if task.cancelled() else task.exception()
            if (self._stopping and error is None) or self.failed.done():
                return
            log.critical("%s has ended: the server stops", task.get_name(), exc_info=error)
            for listener in self.listeners:
                listener.close()
            self.failed.set_exception(error or RuntimeError(f"{task.get_name()} has ended"))
            self.failed.exception()  # told in the log already, also where nobody waits for it

        task.add_done_callback(ended)

    async def stop(self, grace: float) -> None:
        """Begin nothing new, wait `grace` seconds for sessions and deliveries to end, cut what is left, and close."""
        if self._stopping:
            return
        self._stopping = True
        await self.clock.sleep(self.config.sessions.leave_delay if grace and not self.failed.done() else 0.0)
        for listener in self.listeners:
            listener.close()
        self.sessions.drain()
        for _ in range(0 if grace else _GOODBYE_TURNS):
            await asyncio.sleep(0)
        deliveries = asyncio.create_task(self.queue.stop(grace))
        try:
            async with self.clock.timeout(grace):
                await self.sessions.empty()
        except TimeoutError:
            log.warning("%d sessions are cut", len(self.sessions))
        self.sessions.abort()
        await self.sessions.empty()
        await self.policy.settled()
        await deliveries
        await self._undo.aclose()

    # --- sessions ---

    def port(self, name: str) -> int:
        """The port of a listener, by its name: "smtp", "imaps". KeyError where there is none."""
        return next(iter(door.port for door in self.listeners if door.config.label == name))

    def speaking(self) -> Speaking:
        """Who makes the protocol objects. The test kit has its own."""
        return Speaking(self)

    def policy_of(self, label: str) -> Policy:
        """Of a listener."""
        return self._own_policies.get(label, self.policy)

    def _take_policy(self, config: schema.Smtp) -> None:
        """The policy of the sessions that begin from now on; those before keep theirs."""
        self.policy = self._make_policy(config)

    def _make_policy(self, config: schema.Smtp) -> Policy:
        return Policy(
            config, self.config.hostname, self.router, self.spool, self.clock, self.guard, tables=self.tables,
            resolver=self.resolver, delimiter=self.config.delivery.recipient_delimiter, commits=self.commits,
            suppressions=self.suppressions, trace=self.trace, mailboxes=self.mailboxes, canonical=self.config.canonical,
            inspection=self.inspection, content_tables=ContentTables(self.config.content_checks, self.tables), signer=self.signer,
            services=self.services,
        )  # fmt: skip

    def _rehearsing(self) -> Policy:
        """A policy that counts and traces nothing."""
        policy = self._make_policy(self.config.smtp)
        policy.guard, policy.trace = unlimited(self.clock), Trace.off(self.clock)
        return policy

    @property
    def trouble(self) -> str:
        """Why no mail is taken now, "" where it is."""
        return "the server is stopping" if self._stopping else no_mail(self)

    # --- reload ---

    def reload(self, config: schema.Config) -> Reloaded:
        """Take over what can be changed while sessions go on, and say which keys can not: those need a restart.

        Certificates and the operator's Sieve scripts are read again whether or not their keys changed. An error where something can
        not be used; then all is as it was.
        """
        done = reloaded(self.config, config)
        before, scripts, policy = self.config, self.sieve.operator, self.policy
        try:
            self._take_over(done.config, files.read(done.config.sieve))
            if (before.smtp, before.canonical) != (done.config.smtp, done.config.canonical):
                self._take_policy(done.config.smtp)
            self.tls.reload(done.config.tls)  # the last that may fail, and then nothing of its own has changed
        except Exception:
            self.policy = policy
            self._take_over(before, scripts)
            raise
        if before.log.stall_seconds != self.config.log.stall_seconds:
            self._detector.stop()
            self._detector = StallDetector(self.config.log.stall_seconds)
            self._detector.start()
        log.info("configuration and certificates read again; changed: %s", ", ".join(done.applied) or "nothing")
        if done.restart:
            log.warning("these changes need a restart: %s", ", ".join(done.restart))
        return done

    def _take_over(self, config: schema.Config, scripts: files.OperatorScripts) -> None:
        """What may fail with a new configuration can not with one that was in force: its tables are open."""
        self.config = config
        self.router.configure(config.delivery, config.aliases)
        for transport in self.listed:
            transport.configure(config.aliases)
        self.guard.configure(Sections(config.limits, config.smtp, config.auth, config.sessions))
        self.queue.configure(config.queue)
        self.sessions.limits = config.sessions
        self.signin.configure(config)
        self.trace.config = config.trace
        self.sieve.configure(config.sieve, scripts, config.delivery.recipient_delimiter)
        self.scripts.configure(config.sieve)
        self.suppressions.configure(config.suppression)
        self.quarantine.config = config.quarantine
        self.junk.config = config.junk
        self.inspection = inspection(self)
        for policy in (self.policy, *self._own_policies.values()):
            policy.inspection = self.inspection
            policy.content_tables = ContentTables(config.content_checks, self.tables)
        if self.system_users is not None:
            self.system_users.configure(local_domains(config))

    @property
    def certificates(self) -> list[Pair]:
        """Those that listeners show."""
        return [pair for tls in (self.tls, *self._own_tls) for pair in tls.pairs]

    @property
    def lag(self) -> float:
        """Seconds that the event loop took to answer when it was last asked."""
        return self._detector.lag

    @property
    def stalls(self) -> tuple[int, float]:
        """How often the event loop was held for `log.stall_seconds`, and for how long at the worst."""
        return self._detector.stalls, self._detector.worst
