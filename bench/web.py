"""Mail in the browser over a large folder: a page of the list, a message, a search; and what another client's IMAP feels meanwhile."""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

import aiohttp
from support.server import free_port

from bench import imap_search
from bench.clients import Imap
from bench.imap_search import Load
from bench.meters import percentile
from bench.target import PASSWORD, READER, Target

FULL = imap_search.loads((1_000, 100_000))
SHORT = FULL[:1]
_TIMES = 200
_ORDERS = {"list": "", "by_subject": "sort=subject&ascending=1", "conversations": "threads=1"}
_SEARCHES = {"search_from": "from:person7", "search_words": "word1234x"}


@asynccontextmanager
async def mailhub(folders: Sequence[Load]) -> AsyncIterator[Target]:
    """With a door for browsers."""
    port = free_port()
    extra = f'[web]\nrequests_per_minute = 1_000_000\n[[listener]]\nprotocol = "http"\nport = {port}\ntls = "none"\n'
    async with imap_search.mailhub(folders, extra) as target:
        yield replace(target, ports={**target.ports, "http": port})


async def measure(target: Target, load: Load) -> dict[str, object]:
    """Milliseconds; `_first`: the first time that it is asked. The client's own time is in all of them."""
    row: dict[str, object] = {"load": f"{load.messages} messages"}
    root = f"http://{target.host}:{target.ports['http']}/api/mailhub/v1/own/"
    choice = random.Random(1)
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http:
        async with http.post(root + "session", json={"login": READER, "password": PASSWORD}) as answer:
            answer.raise_for_status()
        place = f"{root}folders/{load.folder}/messages"
        reader = await Imap.open(target.host, target.ports["imap"], READER, PASSWORD)
        await reader.command("SELECT INBOX")

        async def ask(query: str) -> list[dict[str, int]]:
            async with http.get(f"{place}?{query}") as answer:
                answer.raise_for_status()
                return list((await answer.json())["messages"])

        for name, order in _ORDERS.items():
            row[f"{name}_first_ms"] = percentile([await _timed(lambda order=order: ask(order))], 1)  # type: ignore[misc]
            asked = [f"{order}&limit=50&offset={choice.randrange(max(1, load.messages - 50))}" for _ in range(_TIMES)]
            _tell(row, name, *await _beside(reader, [lambda query=query: ask(query) for query in asked]))  # type: ignore[misc]
        uids = [one["uid"] for one in await ask("limit=200")]

        async def read(path: str) -> int:
            async with http.get(place + path) as answer:
                answer.raise_for_status()
                return len(await answer.read())

        opened = [f"/{choice.choice(uids)}" for _ in range(_TIMES)]
        _tell(row, "open", *await _beside(reader, [lambda path=path: read(path) for path in opened]))  # type: ignore[misc]
        for name, words in _SEARCHES.items():
            row[f"{name}_first_ms"] = percentile([await _timed(lambda words=words: ask(f"q={words}"))], 1)  # type: ignore[misc]
            again = [f"q={words}+-is:starred+-n{n}" for n in range(10)]  # none of them is remembered
            _tell(row, name, *await _beside(reader, [lambda query=query: ask(query) for query in again]))  # type: ignore[misc]
        reader.close()
    return row


async def _timed(what: Callable[[], Awaitable[object]]) -> float:
    started = time.perf_counter()
    await what()
    return time.perf_counter() - started


async def _beside(reader: Imap, tasks: Sequence[Callable[[], Awaitable[object]]]) -> tuple[list[float], list[float]]:
    """Seconds of those, one after the other, and of NOOPs of another client meanwhile."""
    noops: list[float] = []

    async def noop() -> None:
        while True:
            noops.append(await _timed(lambda: reader.command("NOOP")))
            await asyncio.sleep(0.005)

    other = asyncio.create_task(noop())
    times = [await _timed(task) for task in tasks]
    await asyncio.sleep(0.02)
    other.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await other
    return times, noops


def _tell(row: dict[str, object], name: str, times: list[float], noops: list[float]) -> None:
    row[f"{name}_p50_ms"] = percentile(times, 0.5)
    row[f"{name}_p99_ms"] = percentile(times, 0.99)
    row[f"{name}_noop_p99_ms"] = percentile(noops, 0.99)
