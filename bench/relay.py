"""Submission to relay to sink: messages of a client that has signed in, until Postfix's smtp-sink has them all."""

import asyncio
import re
import shutil
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, fields
from pathlib import Path

from support import daemons
from support.server import free_port

from bench import bounds, target
from bench.clients import Smtp
from bench.meters import Meter, memory, percentile
from bench.peers import postfix as peers
from bench.queue_million import fill
from bench.smtp import body
from bench.target import PASSWORD, READER, Target

RELAY_DOMAIN = "relay.test"
DESTINATIONS = 100
DEFERRED = 1_000_000
_LIMITS = (
    "[limits]\nmessages_per_account = 10_000_000\nnew_recipients_per_account = 10_000_000\n"  # counted, never reached
)
_QUIET = 30.0  # seconds without a further message after which the rest is given up


@dataclass(frozen=True, slots=True)
class Load:
    sessions: int
    messages: int
    size: int
    destinations: int = 1

    @property
    def words(self) -> str:
        return f"{self.size // 1024} KB x {self.sessions}, {self.destinations} destinations"


FULL = (
    Load(1, 400, 4096),
    Load(20, 4000, 4096),
    Load(20, 4000, 4096, 20),
    Load(20, 4000, 4096, 100),
    Load(20, 800, 100 << 10),
)
SHORT = (Load(20, 400, 4096), Load(20, 400, 4096, 20))


class Sink:
    """smtp-sink, which counts what it takes."""

    def __init__(self, port: int) -> None:
        self.port, self.count = port, 0

    async def start(self) -> None:
        program = shutil.which("smtp-sink", path="/usr/sbin:/usr/bin")
        if program is None:
            raise SystemExit("smtp-sink is not installed (Debian's package postfix)")
        self.process = await asyncio.create_subprocess_exec(
            program, "-u", "nobody", "-c", f"inet:0.0.0.0:{self.port}", "1024", stdout=asyncio.subprocess.PIPE
        )
        self._reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self.process.stdout is not None
        tail = b""
        while data := await self.process.stdout.read(1 << 16):
            tail = (tail + data)[-400:]
            if found := re.findall(rb"mesg=(\d+)", tail[: tail.rfind(b"\r") + 1]):
                self.count = int(found[-1])

    async def stop(self) -> None:
        await bounds.end(self.process)
        await self._reader


@dataclass(frozen=True, slots=True)
class Relaying(Target):
    """A target whose mail for relay.test and below goes to `sink`."""

    sink: Sink | None = None


@asynccontextmanager
async def to_sink(start: Callable[[int], AbstractAsyncContextManager[Target]]) -> AsyncIterator[Relaying]:
    sink = Sink(free_port())
    await sink.start()
    try:
        async with bounds.tied(sink.process), start(sink.port) as target:
            known = {field.name: getattr(target, field.name) for field in fields(target)}
            yield Relaying(**known, sink=sink)
    finally:
        await sink.stop()


def ways(port: int) -> dict[str, str]:
    """A destination of its own for each domain, all of them the sink."""
    return {f"d{n}.{RELAY_DOMAIN}": f"smtp:[127.0.0.{n + 1}]:{port}" for n in range(DESTINATIONS)}


def mailhub(port: int, prepare: Callable[[Path], object] | None = None) -> AbstractAsyncContextManager[Target]:
    table = ", ".join(f'"{domain}" = "{way}"' for domain, way in ways(port).items())
    return target.mailhub(f"{_LIMITS}[delivery]\ntransport = {{ {table} }}\n", prepare=prepare)


def crowded(port: int) -> AbstractAsyncContextManager[Target]:
    """mailhub with a million deferred messages in its queue, none of them due."""
    return mailhub(port, lambda data: fill(data, 1, DEFERRED + 1))


@asynccontextmanager
async def postfix(port: int) -> AsyncIterator[Target]:
    with daemons.dovecot_auth(f"{READER}:{{PLAIN}}{PASSWORD}::::::\n") as auth:
        async with peers.postfix(transports=ways(port), auth=auth) as started:
            yield started


async def measure(target: Relaying, load: Load) -> dict[str, object]:
    """One row. Destinations: `ways`."""
    sink = target.sink
    assert sink is not None
    finals: list[float] = []
    before = sink.count
    numbers = iter(range(load.messages))
    text = body(load.size, READER)
    clients = [await Smtp.open(target.host, target.ports["submission"]) for _ in range(load.sessions)]
    for client in clients:
        await client.sign_in(READER, PASSWORD)
    meter = Meter(target.roots())

    async def session(client: Smtp) -> None:
        for number in numbers:
            where = f"d{number % load.destinations}.{RELAY_DOMAIN}"
            began = await client.message(READER.encode(), f"x{number}@{where}".encode(), text, "DATA")
            await client.expect(b"250")
            finals.append(time.perf_counter() - began)
        await client.quit()

    await asyncio.gather(*map(session, clients))
    accepted = meter.wall
    last, seen = time.perf_counter(), sink.count
    while sink.count - before < load.messages:
        await asyncio.sleep(0.02)
        if sink.count != seen:
            last, seen = time.perf_counter(), sink.count
        if time.perf_counter() - last > _QUIET:
            raise bounds.Stuck(f"{load.messages - sink.count + before} messages did not reach the sink")
    return {
        "load": load.words,
        "accepted_per_second": round(load.messages / accepted),
        "relayed_per_second": round(load.messages / meter.wall),
        "final_250_p99_ms": percentile(finals, 0.99),
        "server_cpu_ms_each": round(meter.cpu() / load.messages * 1000, 3),
        "memory_mb": memory(target.roots()),
    }
