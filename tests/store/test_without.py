"""What has nothing is remembered, until it may have something."""

import asyncio
from contextlib import suppress
from typing import Any

from mailhub.store.api import ScriptLimits
from mailhub.store.without import LIMIT, Without

ANN = "ann@a.test"


def test_who_is_cut_off_while_it_changes_is_read_each_time() -> None:
    names = Without()
    names.add("a")
    assert "a" in names
    with names.changing("a"):
        names.add("a")
        assert "a" not in names
        with suppress(asyncio.CancelledError), names.changing("b"):
            raise asyncio.CancelledError
    names.add("a")
    assert "a" in names
    with names.changing("b"):
        pass
    names.add("b")
    assert "b" not in names


def test_there_are_not_too_many() -> None:
    names = Without()
    for n in range(3 * LIMIT):
        names.add(str(n))
        assert len(names._names) <= LIMIT


async def test_a_script_is_there_once_it_is_activated(store: Any) -> None:
    """Also where who activates it does not wait for the answer."""
    limits = ScriptLimits(10, 10_000)
    await store.sieve.put(ANN, "one", b"keep;", limits)
    assert await store.sieve.active(ANN) is None
    asked = asyncio.create_task(store.sieve.activate(ANN, "one"))
    await asyncio.sleep(0)
    asked.cancel()
    with suppress(asyncio.CancelledError):
        await asked
    for _ in range(1_000):
        if await store.sieve.active(ANN) is not None:
            break
        await asyncio.sleep(0.01)
    assert await store.sieve.active(ANN) == b"keep;"
    await store.sieve.activate(ANN, "")
    assert await store.sieve.active(ANN) is None
