"""Which hosts take mail for a domain, and in which order; with a DNS server that is really asked."""

import random
from collections.abc import AsyncIterator, Sequence

import pytest
from dns.rcode import Rcode
from support.dns import DnsServer

from mailhub.config.schema import Listener
from mailhub.delivery.relay.mx import Exchangers, own_addresses
from mailhub.model.clock import VirtualClock
from mailhub.model.errors import Permanent, Temporary
from mailhub.net.local import Machine
from mailhub.net.resolver import DnsResolver


class Net:
    """A DNS server, and who asks it."""

    def __init__(self, server: DnsServer, clock: VirtualClock) -> None:
        self.dns, self.clock = server, clock
        self.resolver = DnsResolver(server.config(), clock)

    async def find(
        self, nexthop: str, *, own: Sequence[str] = (), seed: int = 1, ipv6: bool = True, limit: int = 5
    ) -> list[str]:
        exchangers = Exchangers(self.resolver, random.Random(seed), own, ipv6=ipv6, limit=limit)
        return [str(host) for host in (await exchangers.find(nexthop)).hosts]


@pytest.fixture
async def net() -> AsyncIterator[Net]:
    zone = {
        ("a.test", "MX"): ["20 mx2.a.test.", "10 mx1.a.test."],
        ("mx1.a.test", "A"): ["192.0.2.1"],
        ("mx2.a.test", "A"): ["192.0.2.2"],
        ("mx2.a.test", "AAAA"): ["2001:db8::2"],
        ("alone.test", "A"): ["192.0.2.3"],
        ("alone.test", "AAAA"): ["2001:db8::3"],
        ("null.test", "MX"): ["0 ."],
        ("alias.test", "CNAME"): ["a.test."],
        ("alias2.test", "CNAME"): ["alone.test."],
        ("renamed.test", "MX"): ["10 mx.renamed.test."],
        ("mx.renamed.test", "CNAME"): ["mx1.a.test."],
        ("dangling.test", "MX"): ["10 gone.dangling.test.", "20 away.elsewhere.test."],
        ("half.test", "MX"): ["10 gone.half.test.", "20 mx1.a.test."],
        ("equal.test", "MX"): [f"10 mx{n}.equal.test." for n in range(4)],
        **{(f"mx{n}.equal.test", "A"): [f"192.0.2.{10 + n}"] for n in range(4)},
    }
    async with DnsServer(zone) as server:
        net = Net(server, VirtualClock())
        yield net
        await net.resolver.close()


async def test_the_better_preference_first_and_ipv6_before_ipv4(net: Net) -> None:
    assert await net.find("a.test") == ["mx1.a.test[192.0.2.1]", "mx2.a.test[2001:db8::2]", "mx2.a.test[192.0.2.2]"]
    assert await net.find("a.test", ipv6=False) == ["mx1.a.test[192.0.2.1]", "mx2.a.test[192.0.2.2]"]


async def test_hosts_of_equal_preference_in_any_order(net: Net) -> None:
    orders = {tuple(await net.find("equal.test", seed=seed)) for seed in range(20)}
    assert len(orders) > 5
    assert {host for order in orders for host in order} == {f"mx{n}.equal.test[192.0.2.{10 + n}]" for n in range(4)}
    assert net.dns.asked["equal.test", "MX"] == 1, "answers are kept"


async def test_a_domain_without_an_mx_is_its_own_mail_host(net: Net) -> None:
    assert await net.find("alone.test") == ["alone.test[2001:db8::3]", "alone.test[192.0.2.3]"]
    assert await net.find("alias2.test") == ["alias2.test[2001:db8::3]", "alias2.test[192.0.2.3]"]


async def test_aliases_of_domains_and_of_mail_hosts_are_followed(net: Net) -> None:
    assert (await net.find("alias.test"))[0] == "mx1.a.test[192.0.2.1]"
    assert await net.find("renamed.test") == ["mx.renamed.test[192.0.2.1]"]


@pytest.mark.parametrize(
    ("domain", "code"),
    [("null.test", "5.1.10"), ("nowhere.test", "5.1.2"), ("dangling.test", "5.4.4"), ("[192.0.2.300]", "5.1.2")],
)
async def test_where_no_mail_can_be_sent(net: Net, domain: str, code: str) -> None:
    with pytest.raises(Permanent) as error:
        await net.find(domain)
    assert error.value.reply.enhanced == code


async def test_one_host_that_is_there_is_enough(net: Net) -> None:
    assert await net.find("half.test") == ["mx1.a.test[192.0.2.1]"]


async def test_what_dns_does_not_say_now_may_be_said_later(net: Net) -> None:
    net.dns.broken["a.test", "MX"] = Rcode.SERVFAIL
    net.dns.broken["away.elsewhere.test"] = Rcode.SERVFAIL
    for domain in ("a.test", "dangling.test"):
        with pytest.raises(Temporary) as error:
            await net.find(domain)
        assert error.value.reply.enhanced == "4.4.3"
    net.dns.broken.clear()
    assert len(await net.find("a.test")) == 3


async def test_that_there_is_none_is_kept_for_a_while(net: Net) -> None:
    for _ in range(2):
        with pytest.raises(Permanent):
            await net.find("nowhere.test")
    assert net.dns.asked["nowhere.test", "MX"] == 1
    net.dns.zone["nowhere.test", "MX"] = ["10 mx1.a.test."]
    await net.clock.advance(61)
    assert await net.find("nowhere.test") == ["mx1.a.test[192.0.2.1]"]


@pytest.mark.parametrize("own", ["mx2.a.test", "MX2.A.test", "192.0.2.2", "2001:db8::2"])
async def test_the_list_ends_before_ourselves(net: Net, own: str) -> None:
    assert await net.find("a.test", own=[own]) == ["mx1.a.test[192.0.2.1]"]


@pytest.mark.parametrize(
    ("nexthop", "own"), [("a.test", "mx1.a.test"), ("a.test", "192.0.2.1"), ("[192.0.2.1]", "192.0.2.1")]
)
async def test_where_we_are_the_best_it_is_a_loop(net: Net, nexthop: str, own: str) -> None:
    with pytest.raises(Permanent) as error:
        await net.find(nexthop, own=[own])
    assert error.value.reply.enhanced == "5.4.6"


async def test_at_another_port_there_is_another_program(net: Net) -> None:
    assert await net.find("[mx1.a.test]:10025", own=["mx1.a.test", "192.0.2.1"]) == ["mx1.a.test[192.0.2.1]"]


async def test_many_hosts_and_addresses_are_bounded(net: Net) -> None:
    net.dns.zone["mx1.a.test", "A"] = [f"192.0.2.{n}" for n in range(20, 60)]
    found = await net.find("a.test", limit=5)
    assert len(found) <= 5
    assert any(host.startswith("mx2.") for host in found), "the second host is not hidden by the first one's addresses"


def test_our_own_addresses_are_those_where_a_mail_host_is_asked() -> None:
    machine = Machine(own=frozenset({"192.0.2.9", "2001:db8::9"}))
    doors = [
        Listener(protocol="smtp", address="192.0.2.1", port=25),
        Listener(protocol="smtp", address="192.0.2.2", port=2525),
        Listener(protocol="submission", address="192.0.2.3", port=25),
        Listener(protocol="smtp", path="smtp.sock", port=25),
    ]
    assert own_addresses(doors, machine, 25) == {"192.0.2.1"}
    everywhere = [Listener(protocol="smtp", address="0.0.0.0", port=25)]
    assert own_addresses(everywhere, machine, 25) == {"192.0.2.9", "2001:db8::9", "127.0.0.1", "::1"}
