"""Whatever is done to the queue, and wherever the machine stops meanwhile: each accepted recipient ends in exactly one of
delivered, bounced and queued. A second copy is allowed in one place only: at a host whose reply was lost.

`make crash` runs many more lives than the tests here do, and prints how many moments they covered.
"""

import os
import random
from pathlib import Path

import pytest
from support.queue_crash import ALICE, BOB, Machine, random_life
from support.queue_world import LATER, NEVER, TAKEN

from mailhub.store.api import Act, QueueFilter

LIVES = int(os.environ.get("MAILHUB_CRASH_LIVES", "12"))


async def story(machine: Machine) -> None:
    """Small and large mail to all kinds of recipients, deferred, held, released, refused and delivered."""
    machine.mood(LATER)
    await machine.take_in(ALICE, "team@mailhub.test", "nobody@mailhub.test")
    await machine.take_in(BOB, "r@far.test", large=True)
    await machine.rest()
    await machine.act(Act.HOLD, QueueFilter(recipient="@far.test"))
    await machine.act(Act.REQUEUE, QueueFilter(recipient="r@far.test"))
    machine.mood(NEVER)
    await machine.rest()
    machine.mood(TAKEN)
    await machine.act(Act.UNHOLD)
    await machine.rest(301)


async def lived(folder: Path, seed: int, crash_at: int | None) -> int:
    """The story with a crash at one moment, and what follows it. How many moments there were."""
    machine = Machine(folder, random.Random(seed))
    await machine.open()
    await machine.furnish()
    await machine.start()
    first = machine.files.points
    machine.files.crash_at = None if crash_at is None else first + crash_at
    await story(machine)
    moments, machine.files.crash_at = machine.files.points - first, None
    if machine.files.dead:
        await machine.kill()
        await machine.switch_on(crash_at=machine.chance.randint(1, 12))  # and perhaps once more while it recovers
    await machine.finish()
    await machine.stop()
    await machine.close()
    return moments


@pytest.mark.slow
async def test_a_crash_at_each_moment_of_a_story(tmp_path: Path) -> None:
    moments = await lived(tmp_path / "whole", 0, None)
    assert moments > 60
    step = max(1, moments // (LIVES * 3))  # all of them by `make crash`
    for moment in range(1 + LIVES % step, moments, step):
        await lived(tmp_path / str(moment), moment, moment)
    print(f"crashed at {len(range(1 + LIVES % step, moments, step))} of {moments} moments of a story")


@pytest.mark.slow
async def test_random_lives(tmp_path: Path) -> None:
    crashes = points = 0
    for seed in range(LIVES):
        machine = await random_life(tmp_path / str(seed), seed, 12)
        crashes, points = crashes + machine.crashes, points + machine.points
    assert crashes > LIVES
    print(f"{LIVES} lives with {crashes} crashes, {points} moments at which they might have crashed")
