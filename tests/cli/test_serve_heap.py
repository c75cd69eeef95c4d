"""The program's heap, as glibc lays it out: arenas of threads are regions of 64 MB, all but their beginnings without any rights."""

import asyncio
import itertools
import os
import platform
import sys
from pathlib import Path

import pytest
from support.server import REPOSITORY, Server

from bench.soak.clients import Imap
from mailhub import heap

_HEAP = 64 << 20  # octets that an arena of a thread reserves at such an address: HEAP_MAX_SIZE of malloc/arena.c

pytestmark = pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc" or sys.maxsize < 1 << 32, reason="arenas of the 64 bits' glibc"
)


def arenas(pid: int) -> int:
    """Those beside the first."""
    ends = []
    for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
        addresses, rights, *_ = line.split()
        begin, end = (int(one, 16) for one in addresses.split("-"))
        ends.append((begin, end, rights))
    found = 0
    for (begin, middle, rights), (reserved, end, none) in itertools.pairwise(ends):
        found += (begin % _HEAP == 0, middle == reserved, end == begin + _HEAP, rights, none) == (
            True, True, True, "rw-p", "---p",
        )  # fmt: skip
    return found


async def used(folder: Path) -> tuple[int, int]:
    """A server that has been at work with many threads: how many it has, and how many arenas."""
    server = Server(folder, "[auth]\nallow_plaintext = true\nfailure_delay = 0\n")
    await server.accounts(*(f"u{n}@example.test" for n in range(8)), password="x")
    await server.start()
    try:
        clients = [await Imap.open(server.ports["imap"]) for _ in range(8)]
        await asyncio.gather(*(client.sign_in(f"u{n}@example.test", "x") for n, client in enumerate(clients)))
        await asyncio.gather(*(client.ask(b"CREATE a") for client in clients))
        await asyncio.gather(*(client.select("INBOX") for client in clients))
        assert server.process is not None
        pid = server.process.pid
        found = len(os.listdir(f"/proc/{pid}/task")), arenas(pid)
        for client in clients:
            client.close()
        return found
    finally:
        await server.kill()


async def test_many_threads_share_two_arenas(tmp_path: Path) -> None:
    threads, found = await used(tmp_path)
    assert threads > 2 * heap.ARENAS
    assert found <= heap.ARENAS - 1


async def test_the_operator_may_say_otherwise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And this way of counting sees what there is."""
    monkeypatch.setenv("MALLOC_ARENA_MAX", "6")
    threads, found = await used(tmp_path)
    assert heap.ARENAS - 1 < found <= 5 < threads


_FREED = """
from mailhub import heap
from mailhub.hub_status import resident
from mailhub.model.clock import VirtualClock

kept, freed = [], []
for number in range(40_000):  # between those that are freed stand some that stay: the heap's end can not move
    (freed if number % 40 else kept).append(b"x" * 5_000)
full, clock = resident(), VirtualClock()
reserve = heap.Reserve(clock)
del freed
untouched = resident()
reserve.use()
print(full >> 20, untouched >> 20, resident() >> 20)
"""


async def test_what_lies_free_between_blocks_in_use_is_given_back() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _FREED, cwd=REPOSITORY, stdout=asyncio.subprocess.PIPE
    )
    full, untouched, after = map(int, (await process.communicate())[0].split())
    assert untouched > full - 20
    assert after < full - 150
