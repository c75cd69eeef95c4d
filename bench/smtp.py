"""SMTP in until the messages lie in their Maildirs: sessions, sizes, DATA and BDAT, with and without TLS, one message a
connection or many; IMAP NOOP on another connection meanwhile, where the target has IMAP."""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from bench.bounds import START, Stuck, within
from bench.clients import Smtp, anonymous_tls
from bench.meters import Meter, memory, percentile
from bench.target import PASSWORD, READER, Target, user

SENDER = b"a@other.test"
_SETTLE = 60.0  # seconds until what was accepted must be delivered


@dataclass(frozen=True, slots=True)
class Load:
    """What is sent. `each`: messages a connection, 0 for all of a session's. `text`: the message."""

    sessions: int
    messages: int
    size: int
    verb: str = "DATA"
    tls: bool = False
    each: int = 0
    text: bytes = b""

    @property
    def words(self) -> str:
        size = f"{self.size // 1024} KB" if self.size < 1 << 20 else f"{self.size >> 20} MB"
        return f"{size} x {self.sessions} {self.verb}{' TLS' if self.tls else ''}{f', {self.each} a connection' if self.each else ''}"


FULL = (
    Load(1, 800, 4096),
    Load(20, 6000, 4096),
    Load(100, 6000, 4096),
    Load(20, 2000, 4096, each=1),
    Load(20, 6000, 4096, verb="BDAT"),
    Load(20, 6000, 4096, tls=True),
    Load(20, 1000, 4096, tls=True, each=1),
    Load(20, 1200, 100 << 10),
    Load(20, 1200, 100 << 10, verb="BDAT"),
    Load(20, 1200, 100 << 10, tls=True),
    Load(20, 80, 5 << 20),
    Load(20, 80, 5 << 20, verb="BDAT"),
    Load(20, 80, 5 << 20, tls=True),
)
SHORT = (Load(1, 100, 4096), Load(20, 600, 4096), Load(20, 300, 4096, verb="BDAT", tls=True), Load(4, 8, 5 << 20))


def body(size: int, author: str = SENDER.decode()) -> bytes:
    """A message of about `size` octets; no line begins with a dot."""
    head = b"Subject: bench\r\nFrom: <%b>\r\nDate: Mon, 1 Jan 2024 00:00:00 +0000\r\n\r\n" % author.encode()
    line = b"x" * 76 + b"\r\n"
    return head + line * ((size - len(head)) // len(line))


async def measure(target: Target, load: Load) -> dict[str, object]:
    """One row."""
    finals: list[float] = []
    waits: list[float] = []
    before = target.delivered()
    async with noops(target, waits):
        meter = Meter(target.roots())
        await _send(target, load, finals)
        accepted = meter.wall
        await _arrive(target, before + len(finals))
        delivered = meter.wall
        cpu = meter.cpu()
    total = len(finals)
    return {
        "load": load.words,
        "accepted_per_second": round(total / accepted),
        "delivered_per_second": round(total / delivered, 1),
        "final_250_p50_ms": percentile(finals, 0.5),
        "final_250_p99_ms": percentile(finals, 0.99),
        "server_cpu_ms_each": round(cpu / total * 1000, 3),
        "imap_noop_p99_ms": percentile(waits, 0.99),
        "memory_mb": memory(target.roots()),
    }


async def _send(target: Target, load: Load, finals: list[float]) -> None:
    text, tls = load.text or body(load.size), anonymous_tls() if load.tls else None
    numbers = iter(range(load.messages))

    async def session() -> None:
        client, sent = None, 0
        for number in numbers:
            if client is None:
                client, sent = await Smtp.open(target.host, target.ports["smtp"], tls=tls), 0
            began = await client.message(SENDER, user(number).encode(), text, load.verb)
            await client.expect(b"250")
            finals.append(time.perf_counter() - began)
            sent += 1
            if sent == load.each:
                await client.quit()
                client = None
        if client is not None:
            await client.quit()

    await asyncio.gather(*(session() for _ in range(load.sessions)))


async def _arrive(target: Target, wanted: int) -> None:
    until = time.perf_counter() + _SETTLE
    while (found := target.delivered()) < wanted:
        if time.perf_counter() > until:
            raise Stuck(f"{wanted - found} messages were accepted and have not arrived")
        await asyncio.sleep(0.02)


@asynccontextmanager
async def noops(target: Target, times: list[float]) -> AsyncIterator[None]:
    """`times` of NOOPs (seconds) while the block runs, by bench.noops: a client that sends 5 MB at a time would measure itself. None where
    there is no IMAP."""
    if "imap" not in target.ports:
        yield
        return
    words = (target.host, str(target.ports["imap"]), READER, PASSWORD)
    pipe = asyncio.subprocess.PIPE
    watcher = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.noops", *words, stdin=pipe, stdout=pipe, limit=1 << 24
    )
    assert watcher.stdout is not None
    try:
        async with within(START, "the watcher: signed in"):
            await watcher.stdout.readline()
        yield
        told, _ = await watcher.communicate(b"")
        times += json.loads(told)
    finally:
        if watcher.returncode is None:
            watcher.kill()
            await watcher.wait()
