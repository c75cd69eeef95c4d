"""Sliding counters against a plain list of events, and their bound."""

from hypothesis import given
from hypothesis import strategies as st

from mailhub.policy.counters import Counters, Recent

STEPS = st.lists(st.tuples(st.floats(0, 40), st.sampled_from("abc")), max_size=60)


@given(STEPS)
def test_a_count_lies_between_the_window_and_two_of_it(steps: list[tuple[float, str]]) -> None:
    counters: Counters[str] = Counters(10.0, 100)
    now, events = 100.0, []
    for pause, key in steps:
        now += pause
        events.append((now, key))
        said = counters.add(key, now)
        mine = [when for when, other in events if other == key]
        assert sum(when == now for when in mine) <= said <= sum(when > now - 20.0 for when in mine)


def test_all_within_one_window_count_fully_and_none_after_two() -> None:
    counters: Counters[str] = Counters(60.0, 10)
    assert [counters.add("a", now) for now in (0.0, 10.0, 59.0)] == [1, 2, 3]
    assert counters.count("a", 90.0) == 1.5
    assert counters.count("a", 120.0) == 0
    assert counters.count("b", 0.0) == 0


def test_the_coldest_go_first_and_the_table_does_not_grow() -> None:
    counters: Counters[int] = Counters(3_600.0, 500)
    for n in range(100_000):
        counters.add(n, float(n) / 1_000)
        counters.add(-1, float(n) / 1_000)
        assert len(counters) <= 500
    assert counters.count(-1, 100.0) == 100_000
    assert counters.count(0, 100.0) == 0


def test_what_is_old_goes_even_where_there_is_room() -> None:
    recent: Recent[int, int] = Recent(10.0, 1_000)
    for n in range(100):
        recent.put(n, n, float(n))
    assert len(recent) == 10
    assert recent.get(95, 99.0) == 95
    assert recent.get(95, 105.0) is None
