"""What the junk filter was taught: counted by owner, unlearnt, bounded; the same on either store."""

import asyncio
from typing import Any

from mailhub.model.junk import Counts
from mailhub.store.api import JunkLimits, Lesson

ANN, SITE = "ann@a.test", ""
LIMITS = JunkLimits(1_000_000, 1e9)
BIG = 2**63 - 1


async def test_lessons_are_counted_by_owner(store: Any) -> None:
    junk = store.junk
    assert await junk.learn([ANN, SITE], Lesson(BIG, (1, 2, BIG, -BIG), True), 1.0, LIMITS)
    assert await junk.learn([ANN], Lesson(-5, (2, 3), False), 1.0, LIMITS)
    assert not await junk.learn([ANN, SITE], Lesson(BIG, (1, 2, BIG, -BIG), True), 1.0, LIMITS)
    assert await junk.learn([SITE], Lesson(-5, (2, 3), False), 1.0, LIMITS)
    assert await junk.totals([ANN]) == Counts(1, 1)
    assert await junk.totals([ANN, SITE]) == Counts(2, 2)
    assert await junk.totals(["bob@a.test"]) == await junk.totals([]) == Counts(0, 0)
    assert await junk.counts([ANN], [1, 2, 3, 9, BIG, -BIG]) == {
        1: Counts(1, 0), 2: Counts(1, 1), 3: Counts(0, 1), BIG: Counts(1, 0), -BIG: Counts(1, 0),
    }  # fmt: skip
    assert await junk.counts([ANN, SITE], [2]) == {2: Counts(2, 2)}
    assert await junk.counts([ANN], []) == {}


async def test_another_opinion_takes_the_place_of_the_first(store: Any) -> None:
    junk = store.junk
    await junk.learn([ANN], Lesson(7, (1, 2), True), 1.0, LIMITS)
    await junk.learn([ANN], Lesson(8, (2, 3), True), 1.0, LIMITS)
    assert await junk.learn([ANN], Lesson(7, (1, 2), False), 1.0, LIMITS)
    assert await junk.counts([ANN], [1, 2, 3]) == {1: Counts(0, 1), 2: Counts(1, 1), 3: Counts(1, 0)}
    assert await junk.learn([ANN], Lesson(7, (1, 2), None), 1.0, LIMITS)
    assert not await junk.learn([ANN], Lesson(7, (1, 2), None), 1.0, LIMITS)
    assert await junk.counts([ANN], [1, 2, 3]) == {2: Counts(1, 0), 3: Counts(1, 0)}
    assert await junk.totals([ANN]) == Counts(1, 0)


async def test_a_lesson_that_comes_several_times_at_once_counts_once(store: Any) -> None:
    lesson = Lesson(7, tuple(range(50)), True)
    news = await asyncio.gather(*(store.junk.learn([ANN, SITE], lesson, 1.0, LIMITS) for _ in range(8)))
    assert news.count(True) >= 1
    others = [Lesson(100 + n, tuple(range(n, 60)), False) for n in range(16)]
    await asyncio.gather(*(store.junk.learn([SITE], other, 1.0, LIMITS) for other in others))
    assert await store.junk.totals([ANN]) == Counts(1, 0)
    assert await store.junk.totals([SITE]) == Counts(1, 16)
    assert await store.junk.counts([SITE], [0, 49]) == {0: Counts(1, 1), 49: Counts(1, 16)}


async def test_owners_and_forgetting(store: Any) -> None:
    junk = store.junk
    for owner in ("é@a.test", SITE, ANN):
        await junk.learn([owner], Lesson(7, (1, 2), True), 1.0, LIMITS)
    assert await junk.sizes("", 10) == [(name, Counts(1, 0), 2) for name in (SITE, ANN, "é@a.test")]
    assert await junk.sizes(ANN, 10) == [("é@a.test", Counts(1, 0), 2)]
    assert await junk.sizes("", 1) == [(SITE, Counts(1, 0), 2)]
    await junk.forget(ANN)
    await junk.forget("nobody")
    assert await junk.totals([ANN]) == Counts(0, 0)
    assert await junk.counts([ANN], [1]) == {}
    assert await junk.learn([ANN], Lesson(7, (1,), True), 1.0, LIMITS)


async def test_what_is_remembered_is_bounded(store: Any) -> None:
    limits = JunkLimits(1_000, 30 * 86_400)
    for n in range(200):
        await store.junk.learn([ANN], Lesson(n, tuple(range(n * 30, n * 30 + 30)), True), n * 3_600.0, limits)
    ((_, counts, words),) = await store.junk.sizes("", 10)
    assert counts == Counts(200, 0)
    assert words <= 1_000 + 100 * 30
    assert await store.junk.counts([ANN], [199 * 30]) == {199 * 30: Counts(1, 0)}
    assert await store.junk.counts([ANN], [0]) == {}
    for n in range(200, 400):
        await store.junk.learn([ANN], Lesson(n, (1_000_000 + n,), True), 99 * 86_400.0, limits)
    ((_, _, words),) = await store.junk.sizes("", 10)
    assert words <= 200, "what was not taught again for long goes"
