"""Which server is asked first: the first that is configured, but for one that hung not long ago."""

from mailhub.model.clock import VirtualClock
from mailhub.net.mysql import Hosts


async def test_who_hung_is_asked_last_for_a_while() -> None:
    clock = VirtualClock()
    hosts = Hosts(["a", "b", "c"], clock)
    assert hosts.order() == ("a", "b", "c")
    hosts.leave("a")
    assert hosts.order() == ("b", "c", "a")
    hosts.leave("b")
    hosts.leave("b")  # of many calls that hung at one time each says so
    assert hosts.order() == ("c", "a", "b")
    hosts.leave("of another configuration")
    assert hosts.order() == ("c", "a", "b")
    await clock.advance(61)
    assert hosts.order() == ("a", "b", "c")
