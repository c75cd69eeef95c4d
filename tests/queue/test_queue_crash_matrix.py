"""Whatever is done to the queue, and wherever the machine stops meanwhile: each accepted recipient ends in exactly one of
delivered, bounced and queued. A second copy is allowed in one place only: at a host whose reply was lost. `support.queue_crash` counts.

`make crash` runs many more lives than the tests here do, and prints how many moments they covered.
"""

import random
import shutil

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from support.crash_figures import LIVES, chosen, in_memory, kinds, tell
from support.queue_crash import Machine
from support.queue_lives import COUNTS, STORIES, QueueLives, lived


@pytest.mark.slow
@pytest.mark.parametrize("name", STORIES)
async def test_a_crash_at_each_moment_of_a_story(name: str) -> None:
    with in_memory() as folder:
        counted, _ = await lived(Machine(folder / "whole", random.Random(0)), STORIES[name], None)
        moments, crashes = counted.total(), 0
        assert moments > 5
        for moment in chosen(moments):
            machine = Machine(folder / str(moment), random.Random(moment))
            crashes += (await lived(machine, STORIES[name], moment))[1]
            shutil.rmtree(folder / str(moment))
    assert crashes
    tell("queue", name, moments=moments, tried=len(chosen(moments)), crashes=crashes, kinds=kinds(counted))


@pytest.mark.slow
def test_random_lives() -> None:
    steps = settings(
        max_examples=LIVES, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck), database=None,
        phases=[Phase.generate],  # threads make no two lives the same: what failed is told as it was, not made smaller
    )  # fmt: skip
    run_state_machine_as_test(QueueLives, settings=steps)
    assert COUNTS["crashes"]
    tell("queue", "random lives", **COUNTS)
