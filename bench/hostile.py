"""What an honest client feels while others do their worst: 2,000 connections that say nothing, 200 that trickle a message in at
an octet a second, and a flood of new ones, 500 a second.

The attackers are a process of their own, come from other loopback addresses than the honest client and are in no trusted
network; the server's limits are those it ships with.

    python -m bench.hostile PORT SILENT TRICKLING FLOOD     the attackers alone, until standard input ends
"""

import asyncio
import contextlib
import itertools
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import uvloop

from bench.clients import Smtp
from bench.meters import memory, percentile
from bench.smtp import SENDER, body
from bench.target import Target, user

CONFIG = '[smtp]\nmynetworks = ["127.0.0.1/32"]\n'
_ADDRESSES = 40
_FLOOD_PAUSE = 0.002  # seconds between two connections of the flood


@dataclass(frozen=True, slots=True)
class Load:
    silent: int = 0
    trickling: int = 0
    flood: bool = False
    messages: int = 300  # of the honest client: one after the other, each on a connection of its own

    @property
    def words(self) -> str:
        if not self.silent:
            return "flood" if self.flood else "quiet"
        return f"{self.silent} silent, {self.trickling} trickling{', flood' if self.flood else ''}"


FULL = (Load(), Load(2000, 200), Load(flood=True), Load(2000, 200, True))
SHORT = (Load(messages=60), Load(200, 20, True, 60))


async def measure(target: Target, load: Load) -> dict[str, object]:
    """One row: the honest client's times, and the memory of the server meanwhile."""
    times: list[float] = []
    text = body(4096)
    async with _attackers(target, load):
        for number in range(load.messages):
            began = time.perf_counter()
            client = await Smtp.open(target.host, target.ports["smtp"])
            await client.message(SENDER, user(number).encode(), text, "DATA")
            await client.expect(b"250")
            times.append(time.perf_counter() - began)
            await client.quit()
            await asyncio.sleep(0.01)
        used = memory(target.roots())
    return {
        "load": load.words,
        "message_p50_ms": percentile(times, 0.5),
        "message_p99_ms": percentile(times, 0.99),
        "memory_mb": used,
    }


@asynccontextmanager
async def _attackers(target: Target, load: Load) -> AsyncIterator[None]:
    if not load.silent and not load.flood:
        yield
        return
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.hostile", str(target.ports["smtp"]), str(load.silent), str(load.trickling),
        str(int(load.flood)), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    await process.stdout.readline()  # they are there
    try:
        yield
    finally:
        process.stdin.close()
        out = await process.stdout.read()
        await process.wait()
        print(f"{'attackers':>14}  {out.decode().strip()}", flush=True)


# --- the attackers -----------------------------------------------------------------------------------------------------


async def attack(port: int, silent: int, trickling: int, flood: int) -> None:
    """Until standard input ends."""
    addresses = itertools.cycle(f"127.0.1.{n}" for n in range(1, _ADDRESSES + 1))
    stop = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), stop.set)
    held = [await _connect(port, next(addresses)) for _ in range(silent)]
    tasks = [asyncio.create_task(_trickle(port, next(addresses), stop)) for _ in range(trickling)]
    flooded = [0]
    if flood:
        tasks.append(asyncio.create_task(_flood(port, addresses, stop, flooded)))
    await asyncio.sleep(1.0)
    print("ready", flush=True)
    began = time.perf_counter()
    await stop.wait()
    wall = time.perf_counter() - began
    gone = sum(reader.at_eof() for reader, _ in held)
    await asyncio.gather(*tasks)
    for _, writer in held:
        writer.transport.abort()
    print(f"{silent - gone} of {silent} silent ones still connected, {flooded[0] / wall:.0f} new connections a second")


async def _connect(port: int, address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", port, local_addr=(address, 0))


async def _trickle(port: int, address: str, stop: asyncio.Event) -> None:
    """A transaction begun, then an octet a second."""
    with contextlib.suppress(OSError):
        reader, writer = await _connect(port, address)
        if not await reader.readline():
            return
        writer.write(b"EHLO slow.test\r\nMAIL FROM:<a@other.test>\r\nRCPT TO:<u000@example.test>\r\nDATA\r\n")
        while not stop.is_set():
            writer.write(b"x")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), 1.0)
        writer.transport.abort()


async def _flood(port: int, addresses: "itertools.cycle[str]", stop: asyncio.Event, count: list[int]) -> None:
    """Connect, say a word, leave."""
    while not stop.is_set():
        with contextlib.suppress(OSError):
            _, writer = await _connect(port, next(addresses))
            writer.write(b"EHLO flood.test\r\n")
            writer.transport.abort()
            count[0] += 1
        await asyncio.sleep(_FLOOD_PAUSE)


if __name__ == "__main__":
    uvloop.run(attack(*map(int, sys.argv[1:5])))
