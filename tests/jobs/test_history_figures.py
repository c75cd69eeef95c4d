"""The server's figures over time: written each minute, told by control, by HTTP and to the page's words."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.hubs import running, send

from mailhub.config.history import History
from mailhub.config.schema import Delivery
from mailhub.control import words
from mailhub.hub import Hub
from mailhub.model.clock import VirtualClock
from mailhub.model.errors import Temporary
from mailhub.store.api import DELAYS, Figures

ANN = "ann@mailhub.test"
NOON = 1_800_014_400.0


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Hub]:
    clock = VirtualClock(NOON)
    options = {"history": History(), "delivery": Delivery(relayhost="[127.0.0.1]:1")}
    async with running(tmp_path, ANN, clock=clock, **options) as hub:
        yield hub


async def rows(hub: Hub, **asked: float) -> tuple[words.HistoryRow, ...]:
    return (await hub.control.perform(words.HistoryShow(**asked))).rows  # type: ignore[arg-type]


async def test_each_minute_has_its_row(hub: Hub) -> None:
    assert isinstance(hub.clock, VirtualClock)
    await send(hub, "eve@far.test", ANN)
    await send(hub, ANN, "carl@far.test")
    await hub.queue.idle()
    assert await rows(hub) == (), "the minute is not over"
    await hub.clock.advance(120)
    first, second = await rows(hub, seconds=3_600, rows=60)
    assert (first.at, first.accepted, first.sent, first.deferred, first.queued) == (NOON, 2, 1, 1, 1)
    assert (first.oldest, first.memory > 0) == (60.0, True)
    assert (second.at, second.accepted, second.sent, second.oldest) == (NOON + 60, 0, 0, 120.0)


async def test_a_long_time_is_told_by_the_hour(hub: Hub) -> None:
    assert isinstance(hub.clock, VirtualClock)
    await send(hub, "eve@far.test", ANN)
    await hub.queue.idle()
    await hub.clock.advance(3_660)
    found = await hub.control.perform(words.HistoryShow(seconds=2 * 86_400, rows=48))
    assert (found.width, [(row.at, row.accepted) for row in found.rows]) == (3_600, [(NOON, 1), (NOON + 3_600, 0)])
    (one,) = await rows(hub, seconds=86_400, rows=1)
    assert one.accepted == 1


async def test_what_can_not_be_kept_is_told_with_the_next_minute(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(hub.clock, VirtualClock)

    async def away(row: Figures, minutes: float, hours: float) -> None:
        raise Temporary("the disk is full")

    await send(hub, "eve@far.test", ANN)
    await hub.queue.idle()
    with monkeypatch.context() as broken:
        broken.setattr(hub.store.history, "add", away)
        await hub.clock.advance(60)
    assert await rows(hub) == ()
    await hub.clock.advance(60)
    (row,) = await rows(hub, seconds=3_600, rows=60)
    assert (row.at, row.accepted) == (NOON + 60, 1)


async def test_the_last_minute_is_kept_where_the_server_stops(tmp_path: Path) -> None:
    async with running(tmp_path, ANN, clock=VirtualClock(NOON + 30), history=History()) as hub:
        await send(hub, "eve@far.test", ANN)
        await hub.queue.idle()
    async with running(tmp_path, clock=VirtualClock(NOON + 120), history=History()) as hub:
        assert [(row.at, row.accepted) for row in await rows(hub)] == [(NOON, 1)]


async def test_how_long_delivery_took_for_half_and_for_nearly_all(hub: Hub) -> None:
    assert isinstance(hub.clock, VirtualClock)
    await hub.clock.advance(1)
    for _ in range(3):
        await send(hub, "eve@far.test", ANN)
    await hub.queue.idle()
    await hub.clock.advance(60)
    (row,) = await rows(hub, seconds=3_600, rows=60)
    assert row.sent == 3
    assert row.delay_p50 is not None
    assert row.delay_p99 is not None
    assert 0 < row.delay_p50 < row.delay_p99 <= 0.01, "at once, on this clock"
    await hub.clock.advance(60)
    later = (await rows(hub, seconds=3_600, rows=60))[-1]
    assert (later.sent, later.delay_p50, later.delay_p99) == (0, None, None)


async def test_the_spans_are_told_as_times(hub: Hub) -> None:
    """90 between 0.2 and 0.5 seconds, 9 between 100 and 200, one beyond all spans."""
    spans = ((5, 90), (13, 9), (len(DELAYS), 1))
    row = Figures(int(NOON) - 600, sent=100, delays=spans)
    await hub.store.history.add(row, 1e6, 1e6)
    (told,) = await rows(hub, seconds=3_600, rows=60)
    assert (DELAYS[5], DELAYS[13]) == (0.5, 200)
    assert told.delay_p50 == pytest.approx(0.2 + 0.3 * 50 / 90)
    assert told.delay_p99 == pytest.approx(200)
    await hub.store.history.add(Figures(row.at, sent=3, delays=((len(DELAYS), 3),)), 1e6, 1e6)
    (told,) = await rows(hub, seconds=3_600, rows=60)
    assert told.delay_p99 == DELAYS[-1]
