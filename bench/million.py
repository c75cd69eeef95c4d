"""A million messages a day on a small machine: 12 a second come in, two thirds for accounts here, which read them, one third to be relayed, in a
process whose data may not exceed 512 MB. CPU share, memory and the age of the queue are told; the day is an extrapolation."""

import asyncio
import statistics
import time
from dataclasses import dataclass

import psutil

from bench import meters
from bench.clients import Imap, Smtp
from bench.meters import Meter, percentile
from bench.relay import RELAY_DOMAIN, Relaying
from bench.smtp import body
from bench.target import PASSWORD, READER, user

LIMIT = 512 << 20  # octets of data (RLIMIT_DATA)
_LATE = 60.0  # seconds for the sink to have all


@dataclass(frozen=True, slots=True)
class Load:
    seconds: int
    rate: int = 12  # messages a second


FULL = (Load(600),)
SHORT = (Load(30),)


async def measure(target: Relaying, load: Load) -> dict[str, object]:
    """One row."""
    sink = target.sink
    assert sink is not None
    psutil.Process(target.roots()[0]).rlimit(psutil.RLIMIT_DATA, (LIMIT, LIMIT))
    client = await Smtp.open(target.host, target.ports["submission"])
    await client.sign_in(READER, PASSWORD)
    reader = await Imap.open(target.host, target.ports["imap"], READER, PASSWORD)
    await reader.command("SELECT INBOX")
    text, finals, noops, memories = body(4096, READER), [], [], []
    meter, relayed, before = Meter(target.roots()), 0, sink.count
    began = time.perf_counter()
    for number in range(load.seconds * load.rate):
        await asyncio.sleep(max(0.0, began + number / load.rate - time.perf_counter()))
        where = (READER, f"x{number}@d{number % 100}.{RELAY_DOMAIN}", user(number))[number % 3]
        relayed += number % 3 == 1
        sent = await client.message(READER.encode(), where.encode(), text, "DATA")
        await client.expect(b"250")
        finals.append(time.perf_counter() - sent)
        if number % load.rate == 0:
            asked = time.perf_counter()
            await reader.command("NOOP")
            noops.append(time.perf_counter() - asked)
            await reader.command("FETCH * (FLAGS BODY.PEEK[])" if number else "NOOP")
            memories.append(meters.memory(target.roots()))
    wall, cpu, sent_all = meter.wall, meter.cpu(), time.perf_counter()
    async with asyncio.timeout(_LATE):
        while sink.count - before < relayed:
            await asyncio.sleep(0.02)
    reader.close()
    await client.quit()
    total = load.seconds * load.rate
    return {
        "load": f"{load.rate} a second for {load.seconds} s",
        "cpu_percent_of_a_core": round(cpu / wall * 100, 1),
        "cpu_ms_each": round(cpu / total * 1_000, 2),
        "memory_mb": statistics.median(memories),
        "memory_most_mb": max(memories),
        "queue_behind_seconds": round(time.perf_counter() - sent_all, 2),
        "final_250_p50_ms": percentile(finals, 0.5),
        "final_250_p99_ms": percentile(finals, 0.99),
        "imap_noop_p99_ms": percentile(noops, 0.99),
        "a_day_at_one_core_extrapolated": round(86_400 / (cpu / total)),
    }
