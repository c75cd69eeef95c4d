"""Several addresses of one mail host: who answers first has it, on the clock."""

import asyncio
import socket

import pytest
from support.far_hosts import until, world

from mailhub.config import schema
from mailhub.delivery.relay.dial import HEAD_START, Dialer
from mailhub.delivery.relay.errors import Lost
from mailhub.delivery.relay.mx import Host
from mailhub.model.clock import VirtualClock
from mailhub.store.api import Fate


class Played(Dialer):
    """`says[address]`: refused at once, silent, or (not named) connected."""

    def __init__(self, clock: VirtualClock, **says: str) -> None:
        super().__init__(schema.Relay(), clock)
        self.says, self.tried, self.dropped = says, list[str](), list[str]()

    async def one(self, host: Host) -> socket.socket:
        self.tried.append(host.address)
        said = self.says.get(host.address)
        if said == "refused":
            raise Lost(f"{host}: refused")
        if said == "silent":
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                self.dropped.append(host.address)
        return socket.socket()


def hosts(*addresses: str) -> list[Host]:
    return [Host("mx.far.test", address) for address in addresses]


async def test_the_first_address_has_a_head_start_and_the_others_are_left_alone() -> None:
    dialer = Played(VirtualClock())
    host, connected = await dialer.first(hosts("a", "b"))
    connected.close()
    assert (host.address, dialer.tried) == ("a", ["a"])


async def test_silence_is_waited_for_no_longer_than_the_head_start() -> None:
    clock = VirtualClock()
    dialer = Played(clock, a="silent", b="silent")
    first = asyncio.create_task(dialer.first(hosts("a", "b", "c")))
    await until(lambda: dialer.tried)
    await clock.advance(HEAD_START * 0.9)
    assert dialer.tried == ["a"]
    await clock.advance(HEAD_START * 0.2)
    await until(lambda: dialer.tried == ["a", "b"])
    assert not first.done()
    await clock.advance(HEAD_START)
    host, connected = await first
    connected.close()
    assert (host.address, sorted(dialer.dropped)) == ("c", ["a", "b"])


async def test_a_refusal_makes_room_at_once() -> None:
    dialer = Played(VirtualClock(), a="refused")
    host, connected = await dialer.first(hosts("a", "b"))
    connected.close()
    assert (host.address, dialer.tried) == ("b", ["a", "b"])


async def test_where_none_answers_the_last_trouble_is_told() -> None:
    dialer = Played(VirtualClock(), a="refused", b="refused")
    with pytest.raises(Lost, match=r"\[b\]: refused"):
        await dialer.first(hosts("a", "b"))


async def test_who_stops_leaves_nothing_behind() -> None:
    dialer = Played(VirtualClock(), a="silent")
    first = asyncio.create_task(dialer.first(hosts("a", "b")))
    await until(lambda: dialer.tried)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert dialer.dropped == ["a"]


async def test_a_host_whose_ipv6_address_refuses_is_reached_by_ipv4_and_the_other_way_round() -> None:
    async with world() as far:
        far.dns.zone["mx1.far.test", "AAAA"] = ["::1"]
        (result,) = await far.deliver("b@far.test")
        assert (result.fate, result.remote) == (Fate.RELAYED, "mx1.far.test[127.0.0.21]")
    async with world() as far:
        far.dns.zone["mx1.far.test", "AAAA"] = ["::1"]
        await far.hosts[0].stop()
        port = far.port
        await far.hosts[0].start("::1", port)
        (result,) = await far.deliver("b@far.test")
        assert (result.fate, result.remote) == (Fate.RELAYED, "mx1.far.test[::1]")


async def test_an_address_that_refuses_the_session_does_not_hide_the_other() -> None:
    async with world() as far:
        far.dns.zone["mx1.far.test", "AAAA"] = ["::1"]
        six = type(far.hosts[0])("mx1.far.test")
        await six.start("::1", far.port)
        six.script["greeting"] = "554 5.7.1 go away"
        (result,) = await far.deliver("b@far.test")
        assert (result.fate, result.remote) == (Fate.RELAYED, "mx1.far.test[127.0.0.21]")
        assert six.connections == 1
        await six.stop()
