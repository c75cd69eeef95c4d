"""Reports to one address are counted by the hour, in a table of a fixed size."""

from mailhub.queue.bounce_rate import BounceRate


def test_an_hour_has_so_many_and_the_next_one_too() -> None:
    rate = BounceRate()
    assert [rate.allows("a@b.test", now, 2) for now in (0.0, 1.0, 2.0, 3_599.0)] == [True, True, False, False]
    assert rate.allows("c@b.test", 3.0, 2)
    assert [rate.allows("a@b.test", now, 2) for now in (3_600.0, 3_601.0, 3_602.0)] == [True, True, False]


def test_no_limit() -> None:
    rate = BounceRate()
    assert all(rate.allows("a@b.test", 0.0, 0) for _ in range(1_000))


def test_a_clock_that_goes_back_begins_anew() -> None:
    rate = BounceRate()
    assert [rate.allows("a@b.test", now, 1) for now in (10_000.0, 5.0, 6.0)] == [True, True, False]


def test_the_table_is_bounded() -> None:
    rate = BounceRate()
    for n in range(30_000):
        rate.allows(f"{n}@b.test", float(n) / 100, 1)
    assert len(rate._counts) == 10_000
    assert not rate.allows("29999@b.test", 300.0, 1)
    assert rate.allows("0@b.test", 300.0, 1), "forgotten"
