"""The resolver against a real DNS server: what is an answer, what is none, what is unknown; and how long each is kept."""

import asyncio
import gc
import logging
from collections.abc import AsyncIterator

import pytest
from dns.rcode import Rcode
from support.dns import DnsServer

from mailhub.model.clock import VirtualClock
from mailhub.net.resolver import DnsError, DnsResolver, DnsTemporary, NoData, NoSuchName


class Net:
    """A DNS server, a clock and a resolver that asks the one on the other."""

    def __init__(self, server: DnsServer, clock: VirtualClock) -> None:
        self.dns, self.clock = server, clock
        self.resolver = DnsResolver(server.config(), clock)

    async def impatient(self) -> None:
        """From now on silence is soon trouble."""
        await self.resolver.close()
        self.resolver = DnsResolver(self.dns.config(timeout=0.5), self.clock)


@pytest.fixture
async def net() -> AsyncIterator[Net]:
    zone = {
        ("a.test", "MX"): ["20 mx2.a.test.", "10 mx1.a.test."],
        ("mx1.a.test", "A"): ["192.0.2.1"],
        ("mx1.a.test", "AAAA"): ["2001:db8::1"],
        ("mx2.a.test", "A"): ["192.0.2.2"],
        ("null.test", "MX"): ["0 ."],
        ("alias.test", "CNAME"): ["a.test."],
        ("a.test", "TXT"): ['"v=spf1 " "-all"'],
        ("1.2.0.192.in-addr.arpa", "PTR"): ["mx1.a.test."],
        ("xn--bcher-kva.test", "MX"): ["10 mx1.a.test."],
    }
    async with DnsServer(zone) as server:
        net = Net(server, VirtualClock())
        yield net
        await net.resolver.close()


async def test_mail_hosts(net: Net) -> None:
    assert sorted(await net.resolver.mx("a.test")) == [(10, "mx1.a.test"), (20, "mx2.a.test")]
    assert sorted(await net.resolver.mx("A.Test.")) == [(10, "mx1.a.test"), (20, "mx2.a.test")]
    assert net.dns.asked["a.test", "MX"] == 1
    assert await net.resolver.mx("null.test") == [(0, "")]
    assert len(await net.resolver.mx("alias.test")) == 2
    assert await net.resolver.mx("Bücher.test") == [(10, "mx1.a.test")]


async def test_addresses_of_both_kinds(net: Net) -> None:
    assert await net.resolver.addresses("mx1.a.test") == ["2001:db8::1", "192.0.2.1"]
    assert await net.resolver.addresses("mx1.a.test", ipv6=False) == ["192.0.2.1"]
    assert await net.resolver.addresses("mx2.a.test") == ["192.0.2.2"]


async def test_text_and_names_of_addresses(net: Net) -> None:
    assert await net.resolver.txt("a.test") == [b"v=spf1 -all"]
    assert await net.resolver.ptr("192.0.2.1") == ["mx1.a.test"]


async def test_what_is_not_there(net: Net) -> None:
    with pytest.raises(NoSuchName):
        await net.resolver.mx("nowhere.test")
    with pytest.raises(NoData):
        await net.resolver.mx("mx1.a.test")
    with pytest.raises(NoData):
        await net.resolver.addresses("a.test")
    with pytest.raises(NoSuchName):
        await net.resolver.addresses("nowhere.test")


@pytest.mark.parametrize(
    "name", ["", ".", "a..test", "x" * 64 + ".test", "a b.test", "a\\.b.test", "a\0.test", "-a.test"]
)
async def test_what_can_not_be_a_name_is_not_asked(net: Net, name: str) -> None:
    with pytest.raises(NoSuchName):
        await net.resolver.mx(name)
    assert not net.dns.asked


@pytest.mark.parametrize("trouble", [Rcode.SERVFAIL, Rcode.REFUSED, None])
async def test_trouble_is_temporary_and_not_kept(net: Net, trouble: Rcode | None) -> None:
    await net.impatient()
    net.dns.broken["a.test"] = trouble
    with pytest.raises(DnsTemporary):
        await net.resolver.mx("a.test")
    del net.dns.broken["a.test"]
    assert len(await net.resolver.mx("a.test")) == 2


async def test_one_kind_of_address_is_better_than_none(net: Net) -> None:
    await net.impatient()
    net.dns.broken["mx1.a.test", "AAAA"] = None
    assert await net.resolver.addresses("mx1.a.test") == ["192.0.2.1"]
    net.dns.broken["mx3.a.test", "AAAA"] = None
    with pytest.raises(DnsTemporary):
        await net.resolver.addresses("mx3.a.test")  # there may be one: not "no such name"


async def test_a_large_answer_comes_by_tcp(net: Net) -> None:
    net.dns.zone["large.test", "MX"] = [f"{number} host-{number}.large.test." for number in range(100)]
    assert len(await net.resolver.mx("large.test")) == 100
    assert net.dns.by_tcp["large.test", "MX"] == 1


# --- the cache -------------------------------------------------------------------------------------------------------


async def test_an_answer_lives_for_its_ttl_on_the_clock(net: Net) -> None:
    net.dns.zone["b.test", "MX"] = ["10 old.b.test."]
    net.dns.ttls["b.test", "MX"] = 60
    assert await net.resolver.mx("b.test") == [(10, "old.b.test")]
    net.dns.zone["b.test", "MX"] = ["10 new.b.test."]
    net.dns.ttls["b.test", "MX"] = 60
    await net.clock.advance(59)
    assert await net.resolver.mx("b.test") == [(10, "old.b.test")]
    await net.clock.advance(1)
    assert await net.resolver.mx("b.test") == [(10, "new.b.test")]
    assert net.dns.asked["b.test", "MX"] == 2


async def test_an_answer_by_an_alias_lives_no_longer_than_the_alias(net: Net) -> None:
    net.dns.zone["short.test", "CNAME"] = ["a.test."]
    net.dns.ttls["short.test", "CNAME"] = 5
    await net.resolver.mx("short.test")
    await net.clock.advance(5)
    await net.resolver.mx("short.test")
    assert net.dns.asked["short.test", "MX"] == 2


async def test_no_answer_is_kept_longer_than_the_option_says(net: Net) -> None:
    net.dns.zone["b.test", "MX"] = ["10 mx.b.test."]
    net.dns.ttls["b.test", "MX"] = 10**6
    await net.resolver.mx("b.test")
    await net.clock.advance(86_400)
    await net.resolver.mx("b.test")
    assert net.dns.asked["b.test", "MX"] == 2


@pytest.mark.parametrize(("name", "error"), [("new.test", NoSuchName), ("mx2.a.test", NoData)])
async def test_that_there_is_none_is_kept_for_a_while(net: Net, name: str, error: type[DnsError]) -> None:
    for _ in range(3):
        with pytest.raises(error):
            await net.resolver.mx(name)
    assert net.dns.asked[name, "MX"] == 1
    net.dns.zone[name, "MX"] = ["10 mx1.a.test."]
    await net.clock.advance(60)
    assert await net.resolver.mx(name) == [(10, "mx1.a.test")]


async def test_equal_questions_share_one_query(net: Net) -> None:
    answers = await asyncio.gather(*(net.resolver.mx(name) for name in ("a.test", "A.TEST", "a.test.")))
    assert answers[0] == answers[1] == answers[2]
    assert net.dns.asked["a.test", "MX"] == 1


async def test_the_cache_is_bounded(net: Net) -> None:
    resolver = DnsResolver(net.dns.config(cache_limit=2), net.clock)
    for name in ("a.test", "null.test", "alias.test", "null.test", "a.test"):
        await resolver.mx(name)
    assert net.dns.asked["null.test", "MX"] == 1
    assert net.dns.asked["a.test", "MX"] == 2
    await resolver.close()


# --- those who go away -----------------------------------------------------------------------------------------------


async def test_who_stops_waiting_does_not_stop_the_others(net: Net) -> None:
    first = asyncio.create_task(net.resolver.mx("a.test"))
    second = asyncio.create_task(net.resolver.mx("a.test"))
    await asyncio.sleep(0)
    first.cancel()
    assert len(await second) == 2


async def test_an_error_that_nobody_waits_for_is_not_complained_of(net: Net, caplog: pytest.LogCaptureFixture) -> None:
    net.dns.broken["a.test"] = Rcode.SERVFAIL
    asked = asyncio.create_task(net.resolver.mx("a.test"))
    while not net.dns.asked["a.test", "MX"]:
        await asyncio.sleep(0)
    asked.cancel()
    with caplog.at_level(logging.ERROR), pytest.raises(DnsTemporary):
        await net.resolver.mx("a.test")
    gc.collect()
    assert not caplog.records


async def test_closing_answers_those_who_wait(net: Net) -> None:
    net.dns.broken["a.test"] = None
    asked = asyncio.create_task(net.resolver.mx("a.test"))
    while not net.dns.asked["a.test", "MX"]:
        await asyncio.sleep(0)
    await net.resolver.close()
    with pytest.raises(DnsTemporary):
        await asked
    with pytest.raises(DnsTemporary):
        await net.resolver.mx("a.test")


async def test_questions_under_way_outlive_a_change_of_channels(net: Net) -> None:
    net.dns.zone["b.test", "MX"] = ["10 mx.b.test."]
    net.dns.ttls["b.test", "MX"] = 1
    await net.resolver.mx("b.test")
    await net.clock.advance(1)
    both = await asyncio.gather(net.resolver.mx("a.test"), net.resolver.mx("b.test"))
    assert [len(answers) for answers in both] == [2, 1]
