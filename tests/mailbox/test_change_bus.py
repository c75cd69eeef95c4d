"""The bus: whoever looks at a folder is marked, and nobody else; a mark does not grow."""

import asyncio

from mailhub.mailbox.changes import ChangeBus
from mailhub.model.mailbox import Changed


def test_listeners_of_the_folder_are_marked() -> None:
    bus = ChangeBus()
    one, two, other = asyncio.Event(), asyncio.Event(), asyncio.Event()
    bus.listen(1, one)
    bus.listen(1, two)
    bus.listen(2, other)
    bus.publish([Changed("a@b", None), Changed("a@b", 1, 5)])
    assert (one.is_set(), two.is_set(), other.is_set()) == (True, True, False)


def test_a_slow_listener_costs_one_mark_however_much_happens() -> None:
    bus, event = ChangeBus(), asyncio.Event()
    bus.listen(1, event)
    bus.publish([Changed("a@b", 1, modseq) for modseq in range(10_000)])
    assert event.is_set()
    event.clear()
    bus.publish([Changed("a@b", 1, 10_001)])
    assert event.is_set()


def test_forgotten_listeners_hear_nothing_and_leave_nothing() -> None:
    bus, event = ChangeBus(), asyncio.Event()
    bus.forget(1, event)
    bus.listen(1, event)
    bus.forget(1, event)
    bus.forget(1, event)
    bus.publish([Changed("a@b", 1, 1)])
    assert not event.is_set()
    assert bus._listeners == {}
