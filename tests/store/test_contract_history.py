"""Figures over time: added up, kept within their bounds, read in rows of any width."""

from typing import Any

from mailhub.store.api import HOUR, MINUTE, Figures

NOON = 1_800_014_400  # a full hour
DAY = 86_400.0


async def test_counts_are_added_and_the_rest_is_the_most(store: Any) -> None:
    await store.history.add(Figures(NOON, accepted=2, delay=1.5, queued=7, lag=0.5, sessions=1), DAY, DAY)
    await store.history.add(Figures(NOON, accepted=1, delay=1.0, queued=3, lag=0.1, sessions=4), DAY, DAY)
    await store.history.add(Figures(NOON + 60, accepted=4, queued=9), DAY, DAY)
    first, second = await store.history.since(0, MINUTE, MINUTE)
    assert first == Figures(NOON, accepted=3, delay=2.5, queued=7, lag=0.5, sessions=4)
    assert second == Figures(NOON + 60, accepted=4, queued=9)
    (hour,) = await store.history.since(0, HOUR, HOUR)
    assert hour == Figures(NOON, accepted=7, delay=2.5, queued=9, lag=0.5, sessions=4)
    assert await store.history.since(NOON + 1, MINUTE, MINUTE) == [second]


async def test_several_rows_are_told_as_one(store: Any) -> None:
    for n in range(6):
        await store.history.add(Figures(NOON + 60 * n, sent=1, oldest=float(n)), DAY, DAY)
    found = await store.history.since(NOON, MINUTE, 3 * MINUTE)
    assert found == [Figures(NOON, sent=3, oldest=2.0), Figures(NOON + 180, sent=3, oldest=5.0)]


async def test_what_is_too_old_goes(store: Any) -> None:
    for n in range(5):
        await store.history.add(Figures(NOON + HOUR * n, sent=1), 2 * HOUR, 3 * HOUR)
    assert [row.at for row in await store.history.since(0, MINUTE, MINUTE)] == [NOON + HOUR * n for n in (2, 3, 4)]
    assert [row.at for row in await store.history.since(0, HOUR, HOUR)] == [NOON + HOUR * n for n in (1, 2, 3, 4)]


async def test_times_of_delivery_are_added_span_by_span(store: Any) -> None:
    await store.history.add(Figures(NOON, sent=3, delays=((0, 2), (7, 1))), DAY, DAY)
    await store.history.add(Figures(NOON, sent=2, delays=((7, 1), (24, 1))), DAY, DAY)
    await store.history.add(Figures(NOON + 60, sent=1, delays=((3, 1),)), DAY, DAY)
    first, second = await store.history.since(0, MINUTE, MINUTE)
    assert (first.delays, second.delays) == (((0, 2), (7, 2), (24, 1)), ((3, 1),))
    (hour,) = await store.history.since(0, HOUR, HOUR)
    assert (hour.sent, hour.delays) == (6, ((0, 2), (3, 1), (7, 2), (24, 1)))
    await store.history.add(Figures(NOON + 5 * HOUR), 2 * HOUR, 3 * HOUR)
    assert [row.delays for row in await store.history.since(0, MINUTE, MINUTE)] == [()]
    assert [row.delays for row in await store.history.since(0, HOUR, HOUR)] == [()]
