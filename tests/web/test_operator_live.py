"""The log and the steps of messages as server-sent events."""

import asyncio
import json
import logging
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import pytest
from support.hubs import running, send

from mailhub.config.schema import Listener
from mailhub.config.web import Web
from mailhub.control import words
from mailhub.hub import Hub
from mailhub.web.stream import Feed

API = "/api/mailhub/v1/"
ANN = "ann@mailhub.test"
DOORS = (Listener(protocol="smtp"), Listener(protocol="http", tls="none"))


class Site:
    def __init__(self, hub: Hub, session: aiohttp.ClientSession) -> None:
        self.hub, self.session = hub, session
        self.root = f"http://127.0.0.1:{hub.port('http')}{API}"

    async def follow(self, path: str, *scopes: str) -> aiohttp.ClientResponse:
        made = await self.hub.control.perform(words.TokenAdd(name=uuid4().hex, scopes=scopes))
        answer = await self.session.get(self.root + path, headers={"Authorization": f"Bearer {made.token}"})
        if answer.status == 200:
            assert await answer.content.readline() == b": here\n"
        return answer


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    logging.getLogger("mailhub").setLevel(logging.INFO)
    async with (
        asyncio.timeout(50),
        running(tmp_path / "var", ANN, listener=DOORS, web=Web(waiting_limit=2)) as hub,
        aiohttp.ClientSession() as session,
    ):
        yield Site(hub, session)
    logging.getLogger("mailhub").setLevel(logging.NOTSET)


async def event(answer: aiohttp.ClientResponse) -> tuple[str, Any]:
    while (line := await answer.content.readline()) in (b"\n", b": here\n"):
        pass
    name, data = line, await answer.content.readline()
    assert (name[:7], data[:6]) == (b"event: ", b"data: ")
    return name[7:-1].decode(), json.loads(data[6:])


async def test_steps_of_messages_as_they_happen(site: Site) -> None:
    every = await site.follow("trace.follow", "trace:read")
    some = await site.follow("trace.follow?stage=attempted&address=ANN@mailhub.test", "trace:read")
    await send(site.hub, "bob@far.test", ANN)
    _, accepted = await event(every)
    assert (accepted["stage"], accepted["address"]) == ("accepted", "bob@far.test")
    name, attempted = await event(some)
    assert (name, attempted["stage"], attempted["id"]) == ("step", "attempted", accepted["id"])
    every.close()
    some.close()
    assert (await site.follow("trace.follow?stage=nonsense", "*:read")).status == 400


async def test_lines_of_the_log(site: Site) -> None:
    lines = await site.follow("log.follow?level=warning&text=NEEDLE", "log:read")
    log = logging.getLogger("mailhub.smtp")
    log.info("a needle, but no warning")
    log.warning("hay")
    log.warning("a needle %s", "on the loop")
    assert (await event(lines))[1]["text"] == "a needle on the loop"
    thread = threading.Thread(target=lambda: log.error("a needle of another thread\r\n"))
    thread.start()
    name, line = await event(lines)
    thread.join()
    assert (name, line["level"], line["logger"], line["id"]) == ("line", "error", "smtp", "")
    assert line["text"] == "a needle of another thread\r\n"
    lines.close()


async def test_who_may_and_how_many(site: Site) -> None:
    assert (await site.follow("log.follow", "trace:read", "queue:write")).status == 403
    first, second = await site.follow("log.follow", "log:read"), await site.follow("trace.follow", "trace:read")
    third = await site.follow("log.follow?level=info", "log:read")
    assert third.status == 429
    assert "waiting_limit" in await third.text()
    first.close()
    while (again := await site.follow("log.follow", "log:read")).status != 200:
        await asyncio.sleep(0)
    again.close()
    second.close()
    assert not [one for one in logging.getLogger("mailhub").handlers if type(one).__name__ == "_Tail"][2:]


async def test_who_is_slow_misses_some_and_is_told() -> None:
    feed: Feed[int] = Feed()
    for n in range(1_500):
        feed.put(n)
    assert await feed.take() == list(range(1_000))
    assert feed.missed == 500
