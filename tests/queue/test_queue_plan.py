"""Expansion and jobs as values."""

from mailhub.config import schema
from mailhub.delivery.routes import Expand, Local, Refuse, Relay
from mailhub.queue import plan
from mailhub.store.api import Fate, Item, QueuedRecipient, State


def recipient(n: int, address: str, depth: int = 0, path: tuple[str, ...] = ()) -> QueuedRecipient:
    return QueuedRecipient(n, address, None, 0, depth, path, State.INCOMING, 0.0)


def item(*recipients: QueuedRecipient) -> Item:
    return Item(1, None, "s@x.test", 0.0, recipients)  # type: ignore[arg-type]


def test_numbers_of_children_are_above_their_parents_and_apart() -> None:
    names = [f"u{n}@x.test" for n in range(5000)]
    numbers = [plan.child_number(recipient(parent, "l@x.test"), name) for parent in (0, 1) for name in names]
    assert len(set(numbers)) == 10_000
    assert min(numbers) > 1_000
    deepest = plan.child_number(recipient(max(numbers), "m@x.test", depth=999), "z@x.test")
    assert max(numbers) < deepest < 1 << 62


def test_only_what_is_expanded_has_an_outcome_and_duplicates_are_left_out() -> None:
    stays, goes, too = recipient(0, "A@x.test"), recipient(1, "l@x.test"), recipient(2, "m@x.test")
    whole = item(stays, goes, too)
    routed: list[plan.Routed] = [
        (stays, Local("a@x.test")),
        (goes, Expand(("a@x.test", "b@x.test", "m@x.test"))),
        (too, Expand(("B@x.test",))),
    ]
    first, second = plan.expand(whole, routed, 5.0)
    assert (first.n, first.fate, first.due) == (1, Fate.EXPANDED, 5.0)
    assert [child.address for child in first.children] == ["b@x.test", "m@x.test"]  # m goes away itself: it is kept
    assert [child.path for child in first.children] == [("l@x.test",)] * 2
    assert (second.n, second.children) == (2, ())
    assert plan.expand(whole, routed[:1], 5.0) == []


def test_two_that_stand_for_each_other_do_not_vanish() -> None:
    a, b = recipient(0, "a@x.test"), recipient(1, "b@x.test")
    outcomes = plan.expand(item(a, b), [(a, Expand(("b@x.test",))), (b, Expand(("a@x.test",)))], 0.0)
    assert [child.address for outcome in outcomes for child in outcome.children] == ["b@x.test", "a@x.test"]


def test_the_limits_of_expansion() -> None:
    config = schema.Queue(expansion_depth=2, expansion_limit=2)
    pair = Expand(("a@x.test", "b@x.test"))
    assert plan.bounded(pair, recipient(0, "l@x.test", depth=1), config) == pair
    assert plan.bounded(pair, recipient(0, "l@x.test", depth=2), config) == Refuse(plan.TOO_DEEP)
    assert plan.bounded(Expand(("a", "b", "c")), recipient(0, "l@x.test"), config) == Refuse(plan.TOO_WIDE)
    assert plan.bounded(Relay("x.test"), recipient(0, "l@x.test", depth=9), config) == Relay("x.test")


def test_a_job_for_each_transport_and_sender() -> None:
    some = [recipient(n, f"u{n}@x.test") for n in range(4)]
    ways = [
        Relay("x.test"),
        Relay("x.test", "lmtp"),
        Relay("x.test", sender="srs@y.test"),
        Relay("x.test", sender="s@x.test"),
    ]
    jobs = plan.jobs(item(*some), list(zip(some, ways, strict=True)))
    found = {(job.transport, job.sender): [r.n for r in job.recipients] for job in jobs}
    assert found == {("relay", "s@x.test"): [0, 3], ("lmtp", "s@x.test"): [1], ("relay", "srs@y.test"): [2]}
    assert [job.destination for job in jobs] == ["x.test", "lmtp:x.test", "x.test"]


def test_a_job_for_each_destination() -> None:
    some = [recipient(n, f"u{n}@x.test") for n in range(4)]
    routed: list[plan.Routed] = [
        (some[0], Relay("x.test")),
        (some[1], Local("u1@y.test")),
        (some[2], Relay("z.test")),
        (some[3], Relay("x.test")),
    ]
    jobs = plan.jobs(item(*some), routed)
    assert {job.nexthop: [r.n for r in job.recipients] for job in jobs} == {"x.test": [0, 3], "": [1], "z.test": [2]}
    assert [r.local for job in jobs for r in job.recipients if not job.nexthop] == [Local("u1@y.test")]
