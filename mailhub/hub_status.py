"""What can be asked of a running hub, and how it is at one moment, for `mailhub status`."""

import contextlib
import os
from collections import Counter
from collections.abc import Callable
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

import msgspec

from mailhub import __version__, log
from mailhub.config.schema import Config
from mailhub.control import bans
from mailhub.control.mail import Mail
from mailhub.control.service import Control
from mailhub.control.setup.dns import Zones
from mailhub.control.setup.doctor import Doctor
from mailhub.control.webhooks import Webhooks
from mailhub.control.words import (
    CertificateState,
    DirectoryState,
    DiskState,
    ListenerState,
    ScannerState,
    ServerStatus,
    SessionState,
    Status,
)
from mailhub.hub_alarms import alarms
from mailhub.jobs import dropped
from mailhub.model import search
from mailhub.model.errors import MailError
from mailhub.net import dnssec
from mailhub.net.local import Machine
from mailhub.policy import Policy
from mailhub.store.api import Figures
from mailhub.wire.imap import search_keys
from mailhub.wire.imap.framing import Frame
from mailhub.wire.imap.lexer import BadSyntax, Lexer

if TYPE_CHECKING:
    from mailhub.hub import Hub


async def status_of(hub: "Hub", request: Status) -> ServerStatus:
    """Counts are those of now; `request.sessions` bounds the list of sessions."""
    counts = await hub.store.queue.counts()
    by_listener = Counter(session.label for session in hub.sessions)
    stalls, worst = hub.stalls
    return ServerStatus(
        running=True,
        version=__version__,
        hostname=hub.config.hostname,
        data=str(hub.data),
        domains=await _domains(hub),
        pid=os.getpid(),
        since=hub.started,
        listeners=tuple(
            ListenerState(
                name=listener.config.label,
                protocol=listener.config.protocol,
                address=listener.config.path or listener.config.address,
                port=listener.port,
                tls=listener.config.tls,
                sessions=by_listener[listener.config.label],
            )
            for listener in hub.listeners
        ),
        sessions=len(hub.sessions),
        session_list=tuple(
            SessionState(
                id=session.id,
                listener=session.label,
                client=session.client,
                port=session.port,
                login=session.login,
                doing=session.doing,
                since=session.started,
            )
            for session in islice(hub.sessions, request.sessions)
        ),
        queue_messages=counts.items,
        queue_recipients=counts.recipients,
        stalls=stalls,
        worst_stall=worst,
        lag=hub.lag,
        memory=resident(),
        accepted=hub.trace.counts["accepted"],
        refused=hub.trace.counts["refused"],
        outcomes=dict(hub.queue.outcomes),
        certificates=tuple(
            CertificateState(
                file=pair.certificate,
                names=pair.known_as,
                until=pair.until,
                days=pair.days(hub.clock.now()),
                trouble=pair.trouble,
            )
            for pair in hub.certificates
        ),
        acme=dict(hub.renewal.troubles) if hub.renewal is not None else {},
        guard=bans.state(hub.guard),
        directory=_directory(hub),
        scanners=tuple(ScannerState(**msgspec.structs.asdict(state)) for state in hub.services.states),
        validating=dnssec.servers(hub.config.resolver),
        trouble=hub.trouble,
        alarms=alarms(hub),
        log_lost=log.lost()[0],
        landlock=hub.narrowing.said if hub.narrowing is not None else "",
        stressed=hub.sessions.stressed,
        limits=_limits(hub.config),
        disk=_disk(str(hub.data)),
        maildrop=_maildrop(hub),
    )


async def figures_of(hub: "Hub") -> Figures:
    """For the history: counts since the start, and the rest as it is now."""
    counts, now, done = await hub.store.queue.counts(), hub.clock.now(), hub.queue.outcomes
    oldest = min((since for *_, since in counts.rows), default=now)
    return Figures(
        0, hub.trace.counts["accepted"], hub.trace.counts["refused"], done.get("sent", 0), done.get("deferred", 0), done.get("bounced", 0),
        hub.queue.waits.seconds, counts.recipients, max(0.0, now - oldest), len(hub.sessions), resident(), hub.lag,
        tuple(sorted(hub.queue.waits.spans.items())),
    )  # fmt: skip


def published(hub: "Hub") -> Config:
    """The configuration with the ports that the listeners have, and paths that hold wherever it is read."""
    doors = tuple(msgspec.structs.replace(listener.config, port=listener.port) for listener in hub.listeners)
    return msgspec.structs.replace(hub.config, listener=doors, data=str(hub.data))


def controlled(hub: "Hub", machine: Machine, rehearsing: Callable[[], Policy]) -> Control:
    """What can be asked of the running server, by commands, by HTTP and by its pages."""
    control = Control(
        hub.directory,
        hub.store,
        hub.clock,
        partial(status_of, hub),
        hub.queue.forgive,
        hub.config.hostname,
        hub.guard,
        hub.trace,
        hub.router,
        hub.queue.deadline,
        hub.scripts,
        hub.junk,
        _doctor(hub, machine, rehearsing),
        Webhooks(hub.config.webhook, hub.store.webhooks, hub.clock, lambda: hub.notices.told()),
        rehearsing,
    )
    control.mail = Mail(hub.directory, hub.mailboxes, hub.authenticator, _query)
    return control


def _doctor(hub: "Hub", machine: Machine, rehearsing: Callable[[], Policy]) -> Doctor:
    """Who knows what the Internet has to know about this server."""

    def config() -> Config:
        return published(hub)

    zones = Zones(config, hub.directory, hub.store.dkim, machine)
    return Doctor(config, zones, hub.resolver, hub.clock, machine, rehearsing)


def _limits(config: Config) -> dict[str, float]:
    """Those that are reached first."""
    return {
        "sessions.limit": config.sessions.limit,
        "sessions.limit_per_client": config.sessions.limit_per_client,
        "limits.connections_per_client": config.limits.connections_per_client,
        "smtp.message_size_limit": config.smtp.message_size_limit,
        "smtp.recipient_limit": config.smtp.recipient_limit,
        "queue.active_limit": config.queue.active_limit,
        "queue.concurrency": config.queue.concurrency,
        "store.free_space_floor": config.store.free_space_floor,
        "store.inode_floor": config.store.inode_floor,
        "maildrop.message_limit": config.maildrop.message_limit,
    }


def _disk(folder: str) -> DiskState:
    try:
        disk = os.statvfs(folder)
    except OSError:
        return DiskState()
    return DiskState(free=disk.f_bavail * disk.f_frsize, inodes=disk.f_favail if disk.f_files else -1)


def _maildrop(hub: "Hub") -> int:
    with contextlib.suppress(OSError):
        return dropped.waiting(hub.config.maildrop.path or str(hub.data / dropped.FOLDER))[0]
    return 0


def _query(text: str) -> search.Key:
    try:
        lexer = Lexer(Frame((text.encode("utf-8", "surrogateescape"),)), utf8=True)
        found = search_keys.read(lexer, "utf-8")
        lexer.finish()
    except BadSyntax as error:
        raise ValueError(str(error)) from error
    assert found is not None
    return found


async def _domains(hub: "Hub") -> tuple[str, ...]:
    """Those of the configuration alone, where others can not be told now."""
    try:
        return tuple(domain.name for domain in await hub.directory.domains())
    except MailError:
        return hub.config.domains


def _directory(hub: "Hub") -> DirectoryState | None:
    state = hub.directory.state
    if state is None:
        return None
    return DirectoryState(name=state.name, away=state.away, cause=state.cause, known=state.known)


def resident() -> int:
    """Octets of memory in use by this process; 0 where the system has no /proc."""
    with contextlib.suppress(OSError), open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0
