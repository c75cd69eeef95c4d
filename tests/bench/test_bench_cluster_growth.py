"""The simulation of a growing cluster says what multiplication says where nobody waits, and that there is an end where there is one."""

from random import Random

import pytest

from bench import cluster_growth
from bench.cluster_growth import Cost, simulated

COST = Cost(node=0.006, server=0.002, statements=40.0, octets=20_000.0, commits=2.0, polls=9.0, order=0.0002)


def test_a_small_site_waits_for_nothing_but_its_own_work() -> None:
    day = simulated(10_000, COST, Random(1))
    assert day.rate == pytest.approx(10_000 * 20 * 2 / 3 / 28_800 * 4 / 3)
    assert (day.nodes, day.octets, day.statements) == (
        3,
        pytest.approx(day.rate * 20_000),
        pytest.approx(day.rate * 40 + 27),
    )
    alone = COST.node + COST.server + COST.order * COST.commits + cluster_growth.ROUND
    assert alone < day.late < 3 * alone
    assert day.again < 0.001


def test_there_is_an_end_where_commits_come_faster_than_they_are_put_in_order() -> None:
    slow = Cost(node=0.006, server=0.002, statements=40.0, octets=20_000.0, commits=2.0, polls=9.0, order=0.001)
    assert simulated(500_000, slow, Random(1)).late < 1.0
    assert simulated(1_000_000, slow, Random(1)).late == float("inf")


def test_who_meets_himself_on_two_nodes_begins_anew() -> None:
    few, many = simulated(20_000, COST, Random(1)), simulated(1_000_000, COST, Random(1))
    assert few.most < many.most, "of more accounts one gets more"
    assert few.again < many.again, "messages of an account come closer together"
