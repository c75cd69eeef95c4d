"""Memory of connections that idle: each signed in, INBOX selected, IDLE."""

import asyncio
import resource
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from bench import imap_search, meters
from bench.imap import Client
from bench.imap_search import Load
from bench.target import Target

CONFIG = "[sessions]\nlimit = 12000\nlimit_per_client = 12000\nlimit_per_account = 12000\n"


@dataclass(frozen=True, slots=True)
class Idle:
    connections: int


SIZES = (1_000, 5_000, 10_000)
SHORT = (Idle(500),)
_INBOX = (Load("INBOX", 100),)


def mailhub() -> AbstractAsyncContextManager[Target]:
    return imap_search.mailhub(_INBOX, CONFIG)


def dovecot() -> AbstractAsyncContextManager[Target]:
    return imap_search.dovecot(_INBOX)


async def measure(target: Target, load: Idle) -> dict[str, object]:
    """KiB (proportional set size) for each connection, and how many were opened a second."""
    _allow(2 * load.connections + 500)
    first = await _open(target)
    before, began = meters.memory(target.roots()), meters.Meter(target.roots())
    slots = asyncio.Semaphore(20)

    async def one() -> Client:
        async with slots:
            return await _open(target)

    clients = await asyncio.gather(*(one() for _ in range(load.connections)))
    took = began.wall
    await asyncio.sleep(3)  # what was needed to open them is given back
    after = meters.memory(target.roots())
    resting = meters.Meter(target.roots())
    await asyncio.sleep(3)
    row: dict[str, object] = {
        "load": f"{load.connections} in IDLE",
        "kib_each": round((after - before) * 1e6 / 1024 / load.connections, 1),
        "memory_mb": after,
        "opened_per_second": round(load.connections / took),
        "cpu_percent_at_rest": round(resting.cpu() / resting.wall * 100, 1),
        "alive": sum(not client.transport.is_closing() for client in clients),
    }
    for client in (first, *clients):
        client.close()
    return row


async def _open(target: Target) -> Client:
    client = await Client.open(target)
    await client.ask("SELECT INBOX")
    await client.idle()
    return client


def _allow(descriptors: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < descriptors:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(descriptors, hard), hard))
