"""Connections that are kept: for whom, how long, how many; and what becomes of one that is dead."""

import asyncio

import pytest
from support.far_hosts import HANG_UP, SILENCE, US, Answer, Text, until, world

from mailhub.store.api import Fate


async def test_the_next_message_goes_over_the_same_connection() -> None:
    async with world() as far:
        for _ in range(3):
            (result,) = await far.deliver("b@far.test")
            assert result.fate == Fate.RELAYED
        assert (far.hosts[0].connections, len(far.hosts[0].bodies)) == (1, 3)


async def test_not_at_the_same_time() -> None:
    async with world() as far:
        far.hosts[0].paused = asyncio.Event()
        both = asyncio.gather(far.deliver("b@far.test"), far.deliver("c@far.test"))
        await until(lambda: len(far.hosts[0].commands("DATA")) == 2)
        far.hosts[0].paused.set()
        await both
        assert far.hosts[0].connections == 2


async def test_it_is_closed_politely_when_its_time_is_over() -> None:
    async with world(keep_seconds=5) as far:
        await far.deliver("b@far.test")
        await far.clock.advance(4.9)
        assert far.hosts[0].commands("QUIT") == []
        await far.clock.advance(0.2)
        await until(lambda: not far.hosts[0].open)
        assert far.hosts[0].commands("QUIT") == ["QUIT"]


@pytest.mark.parametrize("options", [{"messages_per_connection": 2}, {"keep_seconds": 0.0}])
async def test_it_is_used_no_more_than_it_may(options: dict[str, float]) -> None:
    async with world(**options) as far:
        for _ in range(4):
            await far.deliver("b@far.test")
        assert far.hosts[0].connections == (2 if "messages_per_connection" in options else 4)


async def test_of_too_many_the_oldest_goes() -> None:
    async with world(hosts=3, keep_limit=2) as far:
        for number, host in enumerate(far.hosts, 1):
            far.dns.zone[f"only{number}.test", "MX"] = [f"10 {host.name}."]
            await far.deliver("b@far.test", nexthop=f"only{number}.test")
        await until(lambda: not far.hosts[0].open)
        assert [len(host.open) for host in far.hosts] == [0, 1, 1]


async def test_domains_with_the_same_mail_host_share_it() -> None:
    async with world() as far:
        far.dns.zone["other.test", "MX"] = ["5 mx1.far.test."]
        await far.deliver("b@far.test")
        await far.deliver("b@other.test", nexthop="other.test")
        assert far.hosts[0].connections == 1


@pytest.mark.parametrize("pipelining", [True, False])
@pytest.mark.parametrize("answer", [HANG_UP, "421 4.4.2 idle for too long", "nonsense", SILENCE])
async def test_a_dead_one_is_replaced_and_is_no_failure(answer: Answer, pipelining: bool) -> None:
    async with world(hosts=2, keep_seconds=3600.0) as far:
        host = far.hosts[0]
        if not pipelining:
            host.extensions.remove("PIPELINING")
        await far.deliver("b@far.test")
        host.script["MAIL"] = answer
        delivery = asyncio.create_task(far.deliver("b@far.test"))
        await until(lambda: len(host.commands("MAIL")) == 2)
        del host.script["MAIL"]
        if answer == SILENCE:
            await far.waited(delivery)
        (result,) = await delivery
        assert (result.fate, result.remote) == (Fate.RELAYED, "mx1.far.test[127.0.0.21]")
        assert (host.connections, far.hosts[1].connections) == (2, 0)


async def test_one_that_ends_while_it_is_kept_is_not_tried() -> None:
    async with world() as far:
        await far.deliver("b@far.test")
        (writer,) = far.hosts[0].open
        writer.close()
        await until(lambda: not far.hosts[0].open)
        await asyncio.sleep(0)
        (result,) = await far.deliver("b@far.test")
        assert (result.fate, far.hosts[0].connections) == (Fate.RELAYED, 2)


async def test_one_that_dies_behind_the_message_is_a_failure() -> None:
    """The peer may have the message."""
    async with world(hosts=2) as far:
        await far.deliver("b@far.test")
        far.hosts[0].script["."] = HANG_UP
        (result,) = await far.deliver("b@far.test")
        assert (result.fate, far.hosts[0].connections, far.hosts[1].connections) == (Fate.DEFERRED, 1, 0)


async def test_where_it_can_not_be_replaced_the_next_host_is_asked() -> None:
    async with world(hosts=2) as far:
        await far.deliver("b@far.test")
        await far.hosts[0].stop()
        (result,) = await far.deliver("b@far.test")
        assert (result.fate, result.remote) == (Fate.RELAYED, "mx2.far.test[127.0.0.22]")


async def test_a_connection_to_ourselves_is_not_kept() -> None:
    """The peer calls itself by our name: the next message must not find it."""
    async with world() as far:
        far.hosts[0].script["EHLO"] = f"250 {US}"
        for _ in range(2):
            (result,) = await far.deliver("b@far.test")
            assert (result.fate, result.reply.enhanced) == (Fate.FAILED, "5.4.6")
        assert (far.hosts[0].commands("MAIL"), far.hosts[0].connections) == ([], 2)


async def test_one_that_was_kept_without_a_message_is_no_fresh_one() -> None:
    """It may be dead: the message is not said in one breath with the envelope."""
    async with world(hosts=2) as far:
        host = far.hosts[0]
        host.extensions = ["CHUNKING", "PIPELINING", "SIZE 100"]
        await far.deliver("b@far.test", text=Text(b"x" * 101))
        host.script["MAIL"] = HANG_UP
        delivery = asyncio.create_task(far.deliver("b@far.test"))
        await until(lambda: host.commands("MAIL"))
        del host.script["MAIL"]
        (result,) = await delivery
        assert (result.fate, host.connections, len(host.bodies)) == (Fate.RELAYED, 2, 1)


async def test_closing_leaves_none() -> None:
    async with world() as far:
        await far.deliver("b@far.test")
        await far.relay.close()
        await until(lambda: not far.hosts[0].open)
        assert far.hosts[0].commands("QUIT") == []
