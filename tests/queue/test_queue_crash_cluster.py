"""The queue's stories, and its lives of any kind, on the cluster's store: a node stops before any statement, before a commit, and after one
that nobody hears of."""

import random
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from support.cluster_crash import ClusterMachine
from support.crash_figures import LIVES, chosen, in_memory, tell
from support.mariadb import Mariadb
from support.queue_crash import Machine
from support.queue_lives import COUNTS, STORIES, QueueLives, lived
from support.stores import emptied

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
DATABASE = "crashes"


@pytest.fixture
def server(mariadb_server: Mariadb) -> Mariadb:
    return mariadb_server


def machine_of(server: Mariadb, folder: Path, chance: random.Random) -> Machine:
    """On tables as new."""
    with emptied(server, folder, DATABASE):
        return ClusterMachine(folder, chance, server, DATABASE)


@pytest.mark.parametrize("name", STORIES)
async def test_a_node_that_stops_at_each_moment_of_a_story(name: str, server: Mariadb) -> None:
    with in_memory() as folder:
        counted, _ = await lived(machine_of(server, folder / "whole", random.Random(0)), STORIES[name], None)
        moments, crashes = counted.total(), 0
        assert counted["statement"] > 5
        assert counted["commit"] > 1
        for moment in chosen(moments):
            machine = machine_of(server, folder / str(moment), random.Random(moment))
            crashes += (await lived(machine, STORIES[name], moment))[1]
            shutil.rmtree(folder / str(moment))
    assert crashes
    tell("cluster", name, moments=moments, tried=len(chosen(moments)), crashes=crashes, kinds=dict(counted))


def test_random_lives_of_a_node(server: Mariadb) -> None:
    class Lives(QueueLives):
        def made(self, folder: Path, chance: random.Random) -> Machine:
            return machine_of(server, folder, chance)

    COUNTS.clear()
    steps = settings(
        max_examples=max(12, LIVES // 3), stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck), database=None,
        phases=[Phase.generate],
    )  # fmt: skip
    run_state_machine_as_test(Lives, settings=steps)
    assert COUNTS["crashes"]
    tell("cluster", "random lives", **COUNTS)
