"""Lists of clients in DNS, asked of a real name server: who is on them, which answers count, silence, refusal, and who is spared."""

from collections.abc import AsyncIterator
from pathlib import Path

import dns.rcode
import msgspec
import pytest

from mailhub.config import dnsbl, load
from mailhub.config.schema import Dnsbl as Section
from mailhub.config.schema import Greylist as GreylistSection
from mailhub.model.clock import SystemClock, VirtualClock
from mailhub.model.envelope import Origin
from mailhub.model.verdict import Action
from mailhub.net.resolver import DnsResolver
from mailhub.policy.caller import Caller
from mailhub.policy.check import Statement
from mailhub.policy.dnsbl import Dnsbl
from mailhub.policy.greylist import Greylist
from mailhub.policy.visit import Visit
from mailhub.testing.dns import DnsServer

SITES = ("bad.test=127.0.0.[2..11]*5", "worse.test*2.5", "good.test=127.0.[0..255].[2;3]*-3")


class World:
    """A name server, and a check that asks it."""

    def __init__(self, server: DnsServer) -> None:
        self.server = server
        self.resolver = DnsResolver(server.config(), SystemClock())

    def check(self, *sites: str, **options: object) -> Dnsbl:
        config = msgspec.structs.replace(Section(), sites=sites or SITES, **options)
        return Dnsbl(config, self.resolver, SystemClock())

    async def says(self, client: str, *sites: str, **options: object) -> Statement | None:
        return await self.check(*sites, **options).ask(visit(client))


def visit(client: str, *, trusted: bool = False) -> Visit:
    made = Visit(Origin(client=client), "smtp", None, Caller(client, None))
    made.sender, made.recipient, made.trusted = "x@far.test", "ann@mailhub.test", trusted
    return made


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with DnsServer() as server:
        world = World(server)
        yield world
        await world.resolver.close()


async def test_weights_of_all_lists_are_added(world: World) -> None:
    world.server.zone["4.3.2.9.bad.test", "A"] = ["127.0.0.4"]
    world.server.zone["4.3.2.9.worse.test", "A"] = ["127.0.0.9"]
    said = await world.says("9.2.3.4")
    assert said == Statement("listed", 7.5, "bad.test +5, worse.test +2.5")
    assert await world.says("9.2.3.5") is None
    world.server.zone["6.3.2.9.good.test", "A"] = ["127.0.9.3"]
    said = await world.says("9.2.3.6", "good.test=127.0.[0..255].[2;3]*-3", "good.test=127.0.[0..255].1*-1")
    assert said == Statement("allowed", -3.0, "good.test -3")


async def test_ipv6_is_asked_by_nibbles(world: World) -> None:
    name = ".".join(reversed("2a000000000000000000000000000001")) + ".bad.test"
    world.server.zone[name, "A"] = ["127.0.0.2"]
    said = await world.says("2a00::1")
    assert said is not None
    assert said.score == 5
    mapped = await world.says("::ffff:9.9.9.9")
    assert mapped is None
    assert world.server.asked["9.9.9.9.bad.test", "A"] == 1


@pytest.mark.parametrize(
    ("answer", "counts"),
    [
        ("127.0.0.2", True), ("127.0.0.11", True), ("127.0.0.12", False), ("127.255.255.254", False),
        ("127.255.255.252", False), ("192.0.2.1", False),
    ],
)  # fmt: skip
async def test_which_answers_count(world: World, answer: str, counts: bool) -> None:
    world.server.zone["4.3.2.9.bad.test", "A"] = [answer]
    world.server.zone["4.3.2.9.worse.test", "A"] = [answer if not answer.startswith("127.0") else "127.0.0.1"]
    said = await world.says("9.2.3.4")
    assert (said is not None and "bad.test" in said.reason) == counts
    assert (said is not None and "worse.test" in said.reason) == answer.startswith("127.0")


async def test_a_list_that_is_silent_or_broken_says_nothing_and_keeps_no_other_from_speaking(world: World) -> None:
    world.server.broken["4.3.2.9.bad.test"] = None
    world.server.broken["4.3.2.9.good.test"] = dns.rcode.SERVFAIL
    said = await world.says("9.2.3.4", timeout=0.2)
    assert said == Statement("none", 0.0, "no answer: bad.test, good.test")
    world.server.zone["4.3.2.9.worse.test", "A"] = ["127.0.0.2"]
    world.resolver = DnsResolver(world.server.config(), SystemClock())
    said = await world.says("9.2.3.4", timeout=0.2)
    assert said == Statement("listed", 2.5, "worse.test +2.5")
    await world.resolver.close()


async def test_from_the_threshold_on_the_client_is_refused_with_the_words_of_the_list(world: World) -> None:
    world.server.zone["4.3.2.9.bad.test", "A"] = ["127.0.0.2"]
    said = await world.says("9.2.3.4", threshold=5)
    assert said is not None
    assert said.action is Action.REJECT
    assert str(said.reply) == "550 5.7.1 Service unavailable; client [9.2.3.4] blocked using bad.test"
    world.server.zone["5.3.2.9.bad.test", "A"] = ["127.0.0.2"]
    world.server.zone["5.3.2.9.bad.test", "TXT"] = ['"see https://bad.test/9.2.3.5"']
    said = await world.says("9.2.3.5", threshold=5)
    assert said is not None
    assert str(said.reply).endswith("using bad.test; see https://bad.test/9.2.3.5")
    said = await world.says("9.2.3.4", threshold=5.5)
    assert said is not None
    assert said.reply is None


async def test_who_is_not_asked_about(world: World) -> None:
    for client in ("", "unix:", "127.0.0.1", "10.1.2.3", "fe80::1", "::1"):
        assert await world.says(client) is None
    assert not world.check().concerns(visit("9.9.9.9", trusted=True))
    assert not world.server.asked


async def test_whom_a_list_vouches_for_is_not_greylisted(world: World) -> None:
    class Nothing:
        async def find(self, digest: bytes) -> None:
            return None

        async def wrote_to(self, account: str, recipient: bytes) -> bool:
            return False

        async def put(self, *row: object) -> None:
            return None

    world.server.zone["4.3.2.9.good.test", "A"] = ["127.0.5.2"]
    for limit, spared in ((-1.0, True), (-3.0, True), (-3.5, False), (0.0, False)):
        lists = world.check(allowlist_threshold=limit)
        grey = Greylist(GreylistSection(), Nothing(), Nothing(), VirtualClock(), lists)  # type: ignore[arg-type]
        asked = visit("9.2.3.4")
        said = await lists.ask(asked)
        assert said is not None
        asked.statements["dnsbl"] = said
        assert (await grey.ask(asked) is None) == spared


@pytest.mark.parametrize(
    "text",
    ["", "=127.0.0.1", "a b.test", "x.test=127.0.0", "x.test=127.0.0.[3..2]", "x.test=127.0.0.[2", "x.test=127.0.0.256",
     "x.test*", "x.test*many", "x.test*1001", "x.test=127.0.0.1.2", "x.test=a.b.c.d"],
)  # fmt: skip
def test_what_is_no_site_is_named_with_its_line(tmp_path: Path, text: str) -> None:
    with pytest.raises(dnsbl.Malformed):
        dnsbl.site(text)
    file = tmp_path / "config.toml"
    file.write_text(f'[dnsbl]\nsites = ["ok.test", "{text}"]\n')
    with pytest.raises(load.ConfigError) as error:
        load.load(file)
    assert "2" in str(error.value)
    assert "dnsbl.sites" in str(error.value)
