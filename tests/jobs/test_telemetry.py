"""Steps of messages as spans of OpenTelemetry, posted to a real HTTP server that takes OTLP."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from support.hubs import config, running, send

from mailhub.config.schema import Trace
from mailhub.jobs.telemetry import EVERY, Telemetry
from mailhub.model import ids
from mailhub.model.clock import VirtualClock
from mailhub.model.trace import Event
from mailhub.net.https import Https
from mailhub.net.resolver import DnsResolver

ANN = "ann@mailhub.test"


class Collector:
    """`statuses`: what it says to the next requests; then 200."""

    def __init__(self) -> None:
        self.spans: list[dict[str, Any]] = []
        self.resources: list[dict[str, str]] = []
        self.statuses: list[int] = []
        self.url = ""

    async def take(self, request: web.Request) -> web.Response:
        assert request.content_type == "application/json"
        status = self.statuses.pop(0) if self.statuses else 200
        if status == 200:
            for resource in (await request.json())["resourceSpans"]:
                self.resources.append(told(resource["resource"]))
                self.spans += [span for scope in resource["scopeSpans"] for span in scope["spans"]]
        return web.json_response({}, status=status)


def told(holder: dict[str, Any]) -> dict[str, str]:
    return {one["key"]: one["value"]["stringValue"] for one in holder["attributes"]}


@asynccontextmanager
async def collecting() -> AsyncIterator[Collector]:
    one, app = Collector(), web.Application()
    app.router.add_post("/v1/traces", one.take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    one.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield one
    finally:
        await runner.cleanup()


async def test_a_messages_way_is_a_trace(tmp_path: Path) -> None:
    async with (
        collecting() as one,
        running(tmp_path / "var", ANN, clock=VirtualClock(1_800_000_000.0), trace=Trace(otlp=one.url + "/")) as hub,
    ):
        await send(hub, "bob@far.test", ANN)
        await hub.queue.idle()
        assert isinstance(hub.clock, VirtualClock)
        await hub.clock.advance(EVERY)
        assert [span["name"] for span in one.spans] == ["accepted", "attempted"]
        first, second = one.spans
        assert first["traceId"] == second["traceId"]
        assert first["spanId"] != second["spanId"]
        assert (len(first["traceId"]), len(first["spanId"])) == (32, 16)
        assert second["startTimeUnixNano"] == first["endTimeUnixNano"] <= second["endTimeUnixNano"]
        assert int(first["endTimeUnixNano"]) == pytest.approx(hub.clock.now() * 1e9, abs=60e9)
        assert told(first)["mailhub.queue_id"] == told(second)["mailhub.queue_id"]
        assert "status=sent" in told(second)["mailhub.step"] or "250" in told(second)["mailhub.step"]
        assert one.resources[0]["service.name"] == "mailhub"


def telemetry(url: str) -> Telemetry:
    clock = VirtualClock()
    section = config(Path("/nowhere")).resolver
    return Telemetry(url, "mx.test", "1", Https(DnsResolver(section, clock), clock), clock)


def step(n: int) -> Event:
    return Event(float(n), ids.number("4kQW3yqBz1"), "attempted", f"step {n}", ANN)


async def test_steps_wait_for_a_collector_that_is_away_and_the_oldest_go() -> None:
    async with collecting() as one:
        telling = telemetry(one.url)
        one.statuses = [503]
        for n in range(3):
            telling.happened(step(n))
        await telling.work()
        assert one.spans == []
        for n in range(3, 10_005):
            telling.happened(step(n))
        await telling.work()
        texts = [told(span)["mailhub.step"] for span in one.spans]
        assert texts == [f"step {n}" for n in range(5, 10_005)], "in their order"


async def test_what_it_will_never_take_is_dropped() -> None:
    async with collecting() as one:
        telling = telemetry(one.url)
        one.statuses = [400]
        telling.happened(step(1))
        await telling.work()
        telling.happened(step(2))
        await telling.work()
        assert [told(span)["mailhub.step"] for span in one.spans] == ["step 2"]


async def test_nobody_is_there() -> None:
    telling = telemetry("http://127.0.0.1:1")
    telling.happened(step(1))
    await telling.work()
    assert json.dumps(list(telling._spans))
