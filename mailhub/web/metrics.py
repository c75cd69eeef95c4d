"""`/metrics`: what `mailhub status` knows, as Prometheus reads it.

Labels are names of the configuration (listeners, daemons, certificates), and words of a fixed list: no name of a client, an account or a
domain is among them.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from aiohttp import web

from mailhub.config.web import Web
from mailhub.control.words import ServerStatus
from mailhub.model.clock import Clock
from mailhub.net.addresses import Networks

from .access import Access, Denied
from .routes import Route
from .safety import client_of

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

OUTCOMES = ("sent", "deferred", "held", "bounced", "redirected")
ALARMS = ("database", "files", "listeners", "dns", "log", "clock")  # rooms that hub_alarms knows
_ACTION = "status"  # whose scope lets a token read it
_FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Real-IP", "Via")  # what a proxy says
_DAY = 86_400.0
_KEPT = 1.0  # seconds for which one answer serves all who ask

Label = dict[str, str]
Samples = Iterable[tuple[Label, float]]


class Metrics:
    """`status`: as `mailhub status` asks; `trouble`: why no mail is taken now, "" where it is."""

    def __init__(
        self,
        status: Callable[[], Awaitable[ServerStatus]],
        trouble: Callable[[], str],
        access: Access,
        config: Web,
        clock: Clock,
    ) -> None:
        self._status, self._trouble, self._access, self._clock = status, trouble, access, clock
        self._networks = Networks(config.metrics_networks)
        self._registry: Any = None
        self._asking = asyncio.Lock()
        self._last: tuple[float, ServerStatus] | None = None

    def routes(self) -> list[Route]:
        return [Route("GET", "/metrics", self._answer, hidden=True)]

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        if not self._near(request):
            try:
                await self._access.token(request, _ACTION)
            except Denied as denied:
                return denied.answer
        from prometheus_client.exposition import choose_encoder

        encode, kind = choose_encoder(request.headers.get("Accept", "")[:1_000])
        families = _Families(await self._now(), self._trouble(), self._process())
        return web.Response(body=encode(families), headers={"Content-Type": kind})

    def _near(self, request: web.Request) -> bool:
        """A client of those networks itself, not one that a proxy there speaks for. A unix socket has no address."""
        forwarded = any(name in request.headers for name in _FORWARDED)
        return not forwarded and client_of(request) in self._networks

    async def _now(self) -> ServerStatus:
        """However many ask, the store is asked once in a while."""
        async with self._asking:
            if self._last is None or self._clock.monotonic() - self._last[0] >= _KEPT:
                self._last = self._clock.monotonic(), await self._status()
            return self._last[1]

    def _process(self) -> Any:
        """The library's own figures of this process: CPU, memory, open files."""
        if self._registry is None:
            from prometheus_client import CollectorRegistry
            from prometheus_client.process_collector import ProcessCollector

            self._registry = ProcessCollector(registry=CollectorRegistry(auto_describe=False))
        return self._registry


class _Families:
    """A registry for one answer: what the library's encoders ask is `collect`."""

    def __init__(self, status: ServerStatus, trouble: str, process: Any) -> None:
        self._status, self._trouble, self._process = status, trouble, process

    def collect(self) -> "Iterator[Metric]":
        yield from self._process.collect()
        yield from self._server()
        yield from self._mail()
        yield from self._others()

    def _server(self) -> "Iterator[Metric]":
        status = self._status
        yield _gauge("mailhub_build", "The version that runs.", [({"version": status.version}, 1)])
        yield _gauge("mailhub_start_time_seconds", "When the server started.", [({}, status.since)])
        yield _gauge("mailhub_ready", "Whether mail is taken now.", [({}, not self._trouble)])
        sessions: dict[tuple[str, str], int] = {}
        for door in status.listeners:
            sessions[door.name, door.protocol] = sessions.get((door.name, door.protocol), 0) + door.sessions
        rows = [({"listener": name, "protocol": protocol}, count) for (name, protocol), count in sessions.items()]
        yield _gauge("mailhub_sessions", "Sessions by listener.", rows)
        yield _gauge("mailhub_loop_lag_seconds", "How long the event loop took to answer last.", [({}, status.lag)])
        yield _gauge("mailhub_loop_worst_stall_seconds", "The longest time it was held.", [({}, status.worst_stall)])
        yield _counter("mailhub_loop_stalls", "How often it was held for log.stall_seconds.", [({}, status.stalls)])
        yield _gauge("mailhub_resident_memory_bytes", "Memory in use.", [({}, status.memory)])
        left: dict[str, float] = {}
        for one in status.certificates:
            name = one.names[0] if one.names else one.file.rpartition("/")[2]
            left[name] = min(left.get(name, one.days), one.days)
        ends = [({"name": name}, days * _DAY) for name, days in left.items()]
        yield _gauge("mailhub_certificate_left_seconds", "Time until a certificate ends.", ends)
        yield _gauge(
            "mailhub_certificates_missing", "Names that ACME got no certificate for.", [({}, len(status.acme))]
        )

    def _mail(self) -> "Iterator[Metric]":
        status = self._status
        yield _counter("mailhub_messages_accepted", "Messages taken into the queue.", [({}, status.accepted)])
        yield _counter("mailhub_mail_refused", "Recipients and messages that were not taken.", [({}, status.refused)])
        refused: dict[str, int] = {}
        for cause, count in status.guard.refused.items():
            word = cause.partition(":")[
                0
            ]  # behind it stands why a client was banned, which an operator may have written
            refused[word] = refused.get(word, 0) + count
        causes = [({"cause": word}, count) for word, count in sorted(refused.items())]
        yield _counter(
            "mailhub_refused", "Connections, logins and messages refused for what a client did before.", causes
        )
        outcomes = [({"outcome": one}, status.outcomes.get(one, 0)) for one in OUTCOMES]
        yield _counter("mailhub_recipients", "What attempts came to, by recipient.", outcomes)
        yield _gauge("mailhub_queue_messages", "Messages in the queue.", [({}, status.queue_messages)])
        yield _gauge("mailhub_queue_recipients", "Recipients in the queue.", [({}, status.queue_recipients)])

    def _others(self) -> "Iterator[Metric]":
        status = self._status
        yield _gauge("mailhub_bans", "Clients that are refused.", [({}, status.guard.bans)])
        rooms = [({"room": room}, float(room in status.alarms)) for room in ALARMS]
        yield _gauge("mailhub_alarm", "Whether something is wrong there; `mailhub status` says what.", rooms)
        yield _gauge("mailhub_alerts", "Alerts that status shows.", [({}, len(status.guard.alerts))])
        if status.directory is not None:
            rows = [({"name": status.directory.name}, float(bool(status.directory.away)))]
            yield _gauge("mailhub_directory_away", "Whether the directory's database is away.", rows)
        labels = [({"scanner": one.name, "address": one.address}, one) for one in status.scanners]
        yield _gauge(
            "mailhub_scanner_away",
            "Whether it is left alone (breaker open).",
            [(at, one.state == "open") for at, one in labels],
        )
        yield _gauge("mailhub_scanner_busy", "Questions under way.", [(at, one.busy) for at, one in labels])
        yield _counter("mailhub_scanner_questions", "Questions asked.", [(at, one.asked) for at, one in labels])


def _gauge(name: str, text: str, samples: Samples) -> "Metric":
    from prometheus_client.core import GaugeMetricFamily

    return _filled(GaugeMetricFamily(name, text), name, samples)


def _counter(name: str, text: str, samples: Samples) -> "Metric":
    from prometheus_client.core import CounterMetricFamily

    return _filled(CounterMetricFamily(name, text), f"{name}_total", samples)


def _filled(family: "Metric", name: str, samples: Samples) -> "Metric":
    for labels, value in samples:
        family.add_sample(name, labels, float(value))
    return family
