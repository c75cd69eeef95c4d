"""Ranges of UIDs beside plain sets of them (RFC 7162)."""

from hypothesis import given
from hypothesis import strategies as st

from mailhub.mailbox.resync import agreed, common, gaps, runs
from mailhub.model.search import Ranges

UIDS = st.sets(st.integers(1, 40)).map(sorted)


def numbers(ranges: Ranges) -> set[int]:
    return {number for low, high in ranges for number in range(low, high + 1)}


@given(UIDS, st.integers(1, 45), st.integers(0, 45))
def test_gaps(uids: list[int], low: int, high: int) -> None:
    assert numbers(gaps(uids, low, high)) == set(range(low, high + 1)) - set(uids)


@given(UIDS, UIDS)
def test_runs_and_common(left: list[int], right: list[int]) -> None:
    assert numbers(runs(left)) == set(left)
    assert numbers(common(runs(left), runs(right))) == set(left) & set(right)


@given(UIDS, st.data())
def test_a_message_that_kept_its_number_has_all_before_it(client: list[int], data: st.DataObject) -> None:
    """The client has known `client`; the server has some of them, and new ones."""
    server = [uid for uid in client if data.draw(st.booleans())] + list(range(41, 41 + data.draw(st.integers(0, 3))))
    told = [n for n in range(1, len(client) + 1) if data.draw(st.booleans())]
    found = agreed(server, (runs(told), runs(client[n - 1] for n in told)))
    assert [uid for uid in client if uid <= found] == [uid for uid in server if uid <= found]
    best = max((client[n - 1] for n in told if n <= len(server) and server[n - 1] == client[n - 1]), default=0)
    assert found == best


def test_enormous_ranges_cost_nothing() -> None:
    everything = ((1, 4_294_967_295),)
    assert agreed([1, 2, 3, 7], (everything, everything)) == 3
    assert gaps([5], 1, 4_294_967_295) == ((1, 4), (6, 4_294_967_295))
    assert common(everything, ((7, 9),)) == ((7, 9),)
