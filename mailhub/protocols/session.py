"""What every session has in common: what its listener gives it, and its place in the registry.

`SessionContext` is the frozen gift of the listener; `SessionContext.session` is the one living thing in it, this
connection's record: who is there, what it does, how to drain and how to abort it. `Sessions` holds all records,
refuses above the limits, and ends them in two stages. In a test of one protocol a context needs no registry:

    SessionContext(service="imap", hostname="mx.example", clock=clock, settings=config.Imap())
"""

import asyncio
import logging
import ssl
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Generic, Literal, TypeVar

from mailhub.config import schema
from mailhub.directory import Peer
from mailhub.model.clock import Clock
from mailhub.net import tls as net_tls

log = logging.getLogger("mailhub.protocols")

Service = Literal["smtp", "submission", "lmtp", "pop3", "imap", "managesieve", "auth", "http"]
TlsMode = Literal["none", "starttls", "implicit"]
Settings = TypeVar(
    "Settings", schema.Smtp, schema.Imap, schema.Pop3, schema.Managesieve, schema.AuthSocket, covariant=True
)


class Session:
    """The record of one connection. The session itself sets `login` and `doing`, for `mailhub status`.

    `client`, `port`: the peer's address as text ("" for a stream that has none). `started`: wall time.
    """

    __slots__ = (
        "_abort",
        "_drain",
        "_login",
        "_registry",
        "client",
        "counted",
        "doing",
        "draining",
        "farewell",
        "id",
        "label",
        "port",
        "service",
        "silent_since",
        "started",
        "task",
        "under_way",
    )

    def __init__(
        self, service: str = "", label: str = "", client: str = "", port: int = 0, started: float = 0.0
    ) -> None:
        self.id = 0
        self.service, self.label, self.client, self.port, self.started = (
            service,
            label or service,
            client,
            port,
            started,
        )
        self._login = ""
        self.counted = ""  # the client's name in the registry's counters
        self.doing = ""
        self.draining = False
        self.farewell = "Server is going down"  # why it has to end
        self.silent_since = 0.0  # monotonic; 0: it does not wait for its client, or does not tell
        self.under_way: Callable[[], bool] = bool  # whether it does something all the same
        self.task: asyncio.Task[object] | None = None
        self._drain: Callable[[], object] | None = None
        self._abort: Callable[[], object] | None = None
        self._registry: Sessions | None = None

    def __str__(self) -> str:
        return f"{self.label}[{self.id}] {self.client}:{self.port}"

    @property
    def login(self) -> str:
        """The account signed in to, "" for none."""
        return self._login

    @login.setter
    def login(self, account: str) -> None:
        if self._registry is not None:
            self._registry.signed_in(self._login, account)
        self._login = account

    def moved(self, client: str, port: int) -> None:
        """A proxy says that another client is there."""
        self.client, self.port = client, port

    def on_drain(self, callback: Callable[[], object]) -> None:
        """`callback` is called once, on the loop, when the server stops (at once if it is stopping already): the session
        finishes the command or message under way, says goodbye (421, BYE, -ERR [SYS/TEMP]) and ends by itself."""
        self._drain = callback
        if self.draining:
            callback()

    def on_abort(self, callback: Callable[[], object]) -> None:
        """`callback` closes the connection at once, whatever is under way."""
        self._abort = callback

    def own(self, task: "asyncio.Task[object]") -> None:
        """`task` is the session: its crash is logged, its end takes the record out of the registry."""
        self.task = task
        task.add_done_callback(self._done)

    @property
    def stressed(self) -> bool:
        """Whether the server has so many sessions that none should be waited for long."""
        return self._registry is not None and self._registry.stressed

    @property
    def waits(self) -> bool:
        """For its client, and for nothing else."""
        return self.silent_since > 0 and not self.under_way()

    def end(self) -> None:
        """The connection is over. May be called twice. What leads from here to the connection and back is cut, so that a session and the
        view of its folder go at once, and not when Python next looks for garbage."""
        if self._registry is not None:
            self._registry.remove(self)
            self._registry = None
        self._drain = self._abort = self.task = None
        self.under_way = bool

    def drain(self) -> None:
        if not self.draining:
            self.draining = True
            if self._drain is not None:
                self._drain()

    def abort(self) -> None:
        if self._abort is not None:
            self._abort()
        elif self.task is not None:
            self.task.cancel()

    def _done(self, task: "asyncio.Task[object]") -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("%s: the session crashed", self, exc_info=error)
            self.abort()
        self.end()

    def _enter(self, registry: "Sessions", number: int) -> None:
        self._registry, self.id = registry, number


@dataclass(frozen=True)  # no slots: Python 3.11 cannot make a frozen generic dataclass with them
class SessionContext(Generic[Settings]):
    """All that a session gets from its listener. A reload makes new contexts; living sessions keep theirs.

    `settings`: the section of the config that is the protocol's. `tls_context`: asked at each handshake, so that a
    renewed certificate is used; None where there is none, then STARTTLS is not offered. Times are seconds.
    """

    service: Service
    hostname: str
    clock: Clock
    settings: Settings
    auth: schema.Auth = schema.Auth()
    label: str = ""
    tls: TlsMode = "none"
    tls_context: Callable[[], ssl.SSLContext] | None = None
    handshake_timeout: float = 30.0
    session: Session = field(default_factory=Session)


def peer_of(context: "SessionContext[Settings]", tls: ssl.SSLObject | None) -> Peer:
    """Who is at the other end, for SASL."""
    client = context.session.client
    return Peer(context.service, client, tls is not None, net_tls.bindings(tls), net_tls.certified_names(tls))


_RELIEF = 0.9  # of the level of stress


class TooManySessions(Exception):
    """A limit of the section [sessions] is reached; the text names the key."""


class Sessions:
    """All sessions of a hub, bounded in all and for each client. `key`: what counts as one client; `shared`: whether
    anybody may stand behind an address."""

    def __init__(
        self,
        limits: schema.Sessions,
        key: Callable[[str], str] = str,
        shared: Callable[[str], bool] = lambda client: False,
        memory: Callable[[], int] = lambda: 0,
        spare: Callable[[], object] = bool,
    ) -> None:
        self._memory, self._spare = memory, spare  # octets in use; to give back those that are not needed
        self.limits, self._key, self._shared = limits, key, shared
        self._all: dict[int, Session] = {}
        self._clients: Counter[str] = Counter()
        self._accounts: Counter[str] = Counter()
        self._doors: Counter[tuple[str, str]] = Counter()  # listener and client; "" for all of a listener
        self._last = 0
        self._draining = False
        self.stressed = False
        self.on_stress: Callable[[], object] = bool  # called when it begins
        self._empty = asyncio.Event()
        self._empty.set()

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[Session]:
        """Oldest first; a copy, so that sessions may end meanwhile."""
        return iter(tuple(self._all.values()))

    def of(self, account: str) -> int:
        """Sessions signed in to the account."""
        return self._accounts[account]

    def signed_in(self, before: str, account: str) -> None:
        """Called by `Session.login`."""
        for name, change in ((before, -1), (account, 1)):
            self._accounts[name] += change
            if not name or not self._accounts[name]:
                del self._accounts[name]

    def enter(self, session: Session, own: schema.Sessions | None = None) -> None:
        """Count a connection in; TooManySessions where a limit says no. `own`: limits of its listener alone."""
        if self._draining:
            raise TooManySessions("the server is stopping")
        if len(self._all) >= self.limits.limit:
            raise TooManySessions("sessions.limit")
        if self.full:
            self.look()
            raise TooManySessions("sessions.memory_limit")
        client = self._key(session.client)
        free = not session.client or self._shared(session.client)  # a unix socket has no client to be told from others
        if self._clients[client] >= self.limits.limit_per_client and not free:
            raise TooManySessions("sessions.limit_per_client")
        if own is not None:
            if self._doors[session.label, ""] >= own.limit:
                raise TooManySessions("listener.sessions.limit")
            if self._doors[session.label, client] >= own.limit_per_client and not free:
                raise TooManySessions("listener.sessions.limit_per_client")
        for door in {(session.label, ""), (session.label, client)}:
            self._doors[door] += 1
        self._last += 1
        session._enter(self, self._last)
        self._all[session.id] = session
        session.counted = client
        self._clients[client] += 1
        self._empty.clear()
        self.look()

    def remove(self, session: Session) -> None:
        """Called by `Session.end`."""
        if self._all.pop(session.id, None) is None:
            return
        for door in {(session.label, ""), (session.label, session.counted)}:
            self._doors[door] -= 1
            if not self._doors[door]:
                del self._doors[door]
        self._clients[session.counted] -= 1
        if not self._clients[session.counted]:
            del self._clients[session.counted]
        self.signed_in(session.login, "")
        if not self._all:
            self._empty.set()
        self.look()

    @property
    def full(self) -> bool:
        """Whether memory is short."""
        limit = self.limits.memory_limit
        if not limit or self._memory() < limit:
            return False
        self._spare()
        return self._memory() >= limit

    @property
    def beyond(self) -> int:
        """Sessions that have to go for the stress to end, as far as it is for their number."""
        return max(0, len(self._all) - int(self.limits.limit * self.limits.stress_level * _RELIEF) + 1)

    def look(self) -> None:
        """Whether there is stress. It ends a little below where it begins, so that one session more or less does not tell it anew each time."""
        level = self.limits.limit * self.limits.stress_level
        full = self.full
        if not self.stressed and (full or len(self._all) >= level):
            self.stressed = True
            log.warning(
                "under stress: %d sessions, sessions.limit is %d, or memory is short: silence is cut short",
                len(self._all),
                self.limits.limit,
            )
            self.on_stress()
        elif self.stressed and not full and len(self._all) < level * _RELIEF:
            self.stressed = False
            log.warning("the stress is over: %d sessions", len(self._all))

    def drain(self) -> None:
        """First stage of a stop: ask every session to end at its next pause, and take no new one."""
        self._draining = True
        for session in self:
            session.drain()

    def abort(self) -> None:
        """Second stage: close every connection that is left."""
        self._draining = True
        for session in self:
            session.abort()

    async def empty(self) -> None:
        """Wait until no session is left."""
        await self._empty.wait()
