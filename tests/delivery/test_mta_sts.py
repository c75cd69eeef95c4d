"""MTA-STS with a real DNS server, a real web server and real mail hosts: what is fetched when, what is obeyed, what is kept."""

import asyncio
import contextlib
import datetime
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import dns.rcode
import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st
from support.dns import DnsServer
from support.far_hosts import Text, World, world
from support.https import Website, website

from mailhub.config import schema
from mailhub.delivery.relay.mta_sts import MtaSts, NoPolicy, read, record_id
from mailhub.delivery.relay.tls_policy import StsPolicy, TlsServices
from mailhub.model.clock import VirtualClock
from mailhub.net.resolver import DnsResolver
from mailhub.store.api import Fate, StsRow
from mailhub.store.sqlite import SqliteStore

AUTHORITY, STRANGER = trustme.CA(), trustme.CA()
WEEK = 604_800
PAST = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)


def text(mode: str = "enforce", *mx: str, max_age: int = WEEK) -> bytes:
    names = mx or ("*.far.test",)
    return "\r\n".join(
        ["version: STSv1", f"mode: {mode}", *(f"mx: {name}" for name in names), f"max_age: {max_age}", ""]
    ).encode()


class Sts:
    """far.test's policy server, and the policies of a hub on a store; `restart` is a new hub on the same store."""

    def __init__(self, folder: Path, dns: DnsServer, site: Website, clock: VirtualClock) -> None:
        self.folder, self.dns, self.site, self.clock = folder, dns, site, clock
        self.limit = 100
        dns.zone["mta-sts.far.test", "A"] = ["127.0.0.1"]
        self.record("1")
        site.text = text()

    def record(self, number: str) -> None:
        self.dns.zone["_mta-sts.far.test", "TXT"] = [f'"v=STSv1; id={number};"']

    async def open(self) -> None:
        self.store = SqliteStore(self.folder, schema.Store(free_space_floor=0), self.clock, "mx.here.test")
        await self.store.open()
        self.resolver = DnsResolver(self.dns.config(negative_ttl=1.0), self.clock)
        self.config = schema.Relay(
            tls_ca=str(self.folder / "ca.pem"), mta_sts_port=self.site.port, mta_sts_limit=self.limit
        )
        self.policies = MtaSts(self.resolver, self.store.tls, self.config, self.clock, None)

    async def close(self) -> None:
        await self.policies.close()
        await self.resolver.close()
        await self.store.close()

    async def restart(self) -> None:
        await self.close()
        await self.open()

    async def found(self) -> StsPolicy | None:
        return await self.policies.policy("far.test")

    async def later(self, seconds: float) -> None:
        """DNS answers are not remembered for that long."""
        await self.clock.advance(seconds)


@asynccontextmanager
async def sts(folder: Path, *, certificate: trustme.LeafCert | None = None) -> AsyncIterator[Sts]:
    AUTHORITY.cert_pem.write_to_path(folder / "ca.pem")
    async with DnsServer() as dns, website(certificate or AUTHORITY.issue_cert("mta-sts.far.test")) as site:
        dns.ttl = 60
        made = Sts(folder, dns, site, VirtualClock())
        await made.open()
        try:
            yield made
        finally:
            await made.close()


# --- finding and fetching --------------------------------------------------------------------------------------------


async def test_a_policy_is_found_once_and_kept(tmp_path: Path) -> None:
    async with sts(tmp_path) as far:
        policy = await far.found()
        assert policy is not None
        assert (policy.mx, policy.enforced) == (("*.far.test",), True)
        assert far.site.asked == ["GET mta-sts.far.test /.well-known/mta-sts.txt"]
        await far.found()
        await far.restart()
        assert await far.found() == policy
        assert len(far.site.asked) == 1, "it survives a restart"


@pytest.mark.parametrize("hosts", [600, 0])
async def test_a_stored_policy_from_before_a_bound_stays_and_one_that_is_none_stops_no_mail(
    tmp_path: Path, hosts: int
) -> None:
    async with sts(tmp_path) as far:
        names = [f"mx: m{n}.far.test" for n in range(hosts)]
        text = "\r\n".join(["version: STSv1", "mode: enforce", "max_age: 604800", *names])
        now = far.clock.now()
        await far.store.tls.put_sts(StsRow("far.test", "1", text, now, now + 604800), 100)
        policy = await far.found()
        assert (None if policy is None else len(policy.mx)) == (hosts or None)
        assert far.site.asked == []


async def test_all_wait_for_one_fetch(tmp_path: Path) -> None:
    async with sts(tmp_path) as far:
        assert len({await found for found in asyncio.as_completed([far.found() for _ in range(20)])}) == 1
        assert len(far.site.asked) == 1


async def test_without_a_record_nothing_is_fetched(tmp_path: Path) -> None:
    async with sts(tmp_path) as far:
        del far.dns.zone["_mta-sts.far.test", "TXT"]
        assert await far.found() is None
        assert far.site.asked == []


async def test_a_new_id_brings_a_new_policy(tmp_path: Path) -> None:
    async with sts(tmp_path) as far:
        await far.found()
        far.record("2")
        far.site.text = text("testing", "mx9.far.test")
        await far.later(61)
        lines = ("version: STSv1", "mode: testing", "mx: mx9.far.test", f"max_age: {WEEK}")
        assert await far.found() == StsPolicy(("mx9.far.test",), False, lines)
        assert len(far.site.asked) == 2


async def test_it_is_fetched_again_when_half_its_time_is_over_and_expires_at_the_end(tmp_path: Path) -> None:
    async with sts(tmp_path) as far:
        await far.found()
        await far.later(WEEK / 2 - 1)
        await far.found()
        assert len(far.site.asked) == 1
        await far.later(1)
        await far.found()
        assert len(far.site.asked) == 2
        far.site.status = 500
        await far.later(WEEK - 1)
        assert await far.found() is not None, "the one before stays in force"
        await far.later(1)
        assert await far.found() is None, "until it expires"


async def test_it_stays_in_force_where_the_record_is_gone_or_dns_is_silent(tmp_path: Path) -> None:
    async with sts(tmp_path) as far:
        await far.found()
        record = far.dns.zone.pop(("_mta-sts.far.test", "TXT"))
        await far.later(61)
        assert await far.found() is not None
        far.dns.zone["_mta-sts.far.test", "TXT"] = record
        far.dns.broken["_mta-sts.far.test"] = dns.rcode.SERVFAIL
        await far.later(61)
        asked = far.dns.asked["_mta-sts.far.test", "TXT"]
        for _ in range(3):
            assert await far.found() is not None
        assert far.dns.asked["_mta-sts.far.test", "TXT"] == asked + 1, "trouble is not asked for with every message"


async def test_policies_that_grow_old_are_fetched_without_mail(tmp_path: Path) -> None:
    async with sts(tmp_path) as far:
        await far.found()
        await far.policies.refresh()
        assert len(far.site.asked) == 1, "it is young"
        for week in range(1, 5):
            await far.later(WEEK / 2)
            await far.policies.refresh()
            assert len(far.site.asked) == week + 1
        assert await far.store.tls.sts("far.test") is not None
        del far.dns.zone["_mta-sts.far.test", "TXT"]
        await far.later(WEEK)
        await far.policies.refresh()
        assert await far.store.tls.sts("far.test") is None, "it has expired"


async def test_a_failed_fetch_is_not_made_for_every_message(tmp_path: Path) -> None:
    async with sts(tmp_path) as far:
        far.site.status = 503
        for _ in range(3):
            assert await far.found() is None
        assert len(far.site.asked) == 1
        far.site.status = 200
        await far.later(301)
        assert await far.found() is not None


async def test_the_store_keeps_so_many_and_no_more(tmp_path: Path) -> None:
    async with sts(
        tmp_path, certificate=AUTHORITY.issue_cert("*.test", *(f"mta-sts.d{n}.test" for n in range(5)))
    ) as far:
        far.limit = 3
        await far.restart()
        for number in range(5):
            far.dns.zone[f"_mta-sts.d{number}.test", "TXT"] = ['"v=STSv1; id=1"']
            far.dns.zone[f"mta-sts.d{number}.test", "A"] = ["127.0.0.1"]
            far.site.text = text("enforce", f"mx.d{number}.test")
            await far.policies.policy(f"d{number}.test")
            await far.clock.advance(1)
        kept = [number for number in range(5) if await far.store.tls.sts(f"d{number}.test")]
        assert 1 <= len(kept) <= 3
        assert kept[-1] == 4


# --- a server that means harm, or is broken --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "trouble",
    [
        {"status": 301, "headers": {"Location": "https://mta-sts.far.test/other"}}, {"status": 404}, {"kind": "text/html"},
        {"text": b""}, {"text": b"\xff"}, {"text": text(max_age=1)[:-12]}, {"text": text("enforce", "a b")},
        {"text": text().replace(b"STSv1", b"STSv2")}, {"text": text("strict")},
        {"text": text() + b"x" * 65_536},
    ],
    ids=lambda trouble: next(iter(trouble)),
)  # fmt: skip
async def test_what_is_no_policy_changes_nothing(tmp_path: Path, trouble: dict[str, Any]) -> None:
    async with sts(tmp_path) as far:
        before = await far.found()
        good = far.site.text
        for name, value in trouble.items():
            setattr(far.site, name, value)
        far.record("2")
        await far.later(61)
        assert await far.found() == before
        assert len(far.site.asked) == 2, "no redirect was followed"
        far.site.status, far.site.kind, far.site.text, far.site.headers = 200, "text/plain", good, {}


async def test_a_text_without_end_is_not_read_to_its_end(tmp_path: Path) -> None:
    async with sts(tmp_path) as far:
        far.site.endless = True
        assert await far.found() is None
        assert far.site.sent < 20_000_000


async def test_silence_ends_by_the_clock(tmp_path: Path) -> None:
    async with sts(tmp_path) as far:
        far.site.silent = asyncio.Event()
        asked = asyncio.create_task(far.found())
        while not far.site.asked:
            await asyncio.sleep(0)
        await far.clock.advance(61)
        assert await asked is None
        far.site.silent.set()


@pytest.mark.parametrize(
    "certificate",
    [
        STRANGER.issue_cert("mta-sts.far.test"),
        AUTHORITY.issue_cert("far.test"),
        AUTHORITY.issue_cert("mta-sts.far.test", not_after=PAST),
    ],
    ids=["unknown authority", "other name", "expired"],
)
async def test_a_certificate_that_proves_nothing(tmp_path: Path, certificate: trustme.LeafCert) -> None:
    async with sts(tmp_path, certificate=certificate) as far:
        assert await far.found() is None
        assert far.site.asked == []


# --- the texts -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("records", "number"),
    [
        ([b"v=STSv1; id=20160831085700Z;"], "20160831085700Z"),
        ([b"v=STSv1;id=1"], "1"),
        ([b"v=spf1 -all", b"v=STSv1; x=y; id=7; z=1"], "7"),
        ([b"v=STSv1; id=1", b"v=STSv1; id=2"], None),
        ([b"v=STSv1; id=a-b"], None),
        ([b"v=STSv1; id=" + b"1" * 33], None),
        ([b"V=STSv1; id=1"], None),
        ([b"id=1; v=STSv1"], None),
        ([], None),
    ],
)
def test_records(records: list[bytes], number: str | None) -> None:
    assert record_id(records) == number


def test_policies() -> None:
    assert read(b"version: STSv1\nmode: none\nmax_age: 86400\n").mode == "none"
    assert read(text(max_age=10**9)).max_age == 31_557_600
    assert read(b"mode: testing\nx-new: 1\nmx: A.test.\nversion: STSv1\nmax_age:0").mx == ("a.test",)
    with pytest.raises(NoPolicy):
        read(b"version: STSv1\nmode: enforce\nmax_age: 5\n")
    with pytest.raises(NoPolicy, match="more than 500 mx"):
        read(text("enforce", *(f"mx{number}.test" for number in range(501))))
    assert len(read(text("enforce", *(f"mx{number}.test" for number in range(500)))).mx) == 500


@given(st.binary(max_size=300), st.sampled_from([b"", b"version: STSv1\n", text(), b"v=STSv1; id="]))
def test_any_octets_are_a_policy_or_none(octets: bytes, before: bytes) -> None:
    with contextlib.suppress(NoPolicy):
        found = read(before + octets)
        assert 0 <= found.max_age <= 31_557_600
    number = record_id([before + octets])
    assert number is None or number.isalnum()


@pytest.mark.parametrize(
    ("name", "covered"),
    [
        ("mx1.far.test", True),
        ("far.test", False),
        ("a.mx1.far.test", False),
        ("mail.test", True),
        ("MAIL.test", True),
        ("xmail.test", False),
    ],
)
def test_which_hosts_a_policy_covers(name: str, covered: bool) -> None:
    assert StsPolicy(("*.far.test", "mail.test"), True).covers(name) is covered


# --- mail ------------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def mail(folder: Path, policy: bytes, host: trustme.LeafCert | None, **options: Any) -> AsyncIterator[World]:
    """far.test with that policy, and one mail host that shows that certificate, or none."""
    AUTHORITY.cert_pem.write_to_path(folder / "ca.pem")
    async with AsyncExitStack() as stack:
        site = await stack.enter_async_context(website(AUTHORITY.issue_cert("mta-sts.far.test")))
        site.text = policy
        clock = VirtualClock()
        store = SqliteStore(folder, schema.Store(free_space_floor=0), clock, "mx.here.test")
        await store.open()
        stack.push_async_callback(store.close)

        def services(far: World) -> TlsServices:
            far.dns.zone["_mta-sts.far.test", "TXT"] = ['"v=STSv1; id=1"']
            far.dns.zone["mta-sts.far.test", "A"] = ["127.0.0.1"]
            return TlsServices(sts=MtaSts(far.resolver, store.tls, far.settings, far.clock, None))

        ca = str(folder / "ca.pem")
        far = await stack.enter_async_context(world(services=services, tls_ca=ca, mta_sts_port=site.port, **options))
        if host is not None:
            far.hosts[0].present(host)
        yield far


GOOD = AUTHORITY.issue_cert("mx1.far.test")
HOSTS = {"good": GOOD, "other name": AUTHORITY.issue_cert("mx.far.test"), "expired": AUTHORITY.issue_cert("mx1.far.test", not_after=PAST),
         "self-made": STRANGER.issue_cert("mx1.far.test"), "none": None}  # fmt: skip


@pytest.mark.parametrize("shown", list(HOSTS))
@pytest.mark.parametrize("mode", ["enforce", "testing", "none"])
async def test_mail_under_each_mode(tmp_path: Path, mode: str, shown: str) -> None:
    async with mail(tmp_path, text(mode), HOSTS[shown]) as far:
        (result,) = await far.deliver("b@far.test")
        if mode == "enforce" and shown != "good":
            assert (result.fate, result.reply.code) == (Fate.DEFERRED, 451)
            assert result.reply.enhanced == ("4.7.4" if shown == "none" else "4.7.5")
            assert not far.hosts[0].bodies
        else:
            assert result.fate == Fate.RELAYED
            words = {"good": "Trusted", "other name": "Trusted", "none": ""}
            word = "Verified" if shown == "good" and mode != "none" else words.get(shown, "Untrusted")
            assert result.tls.partition(" ")[0] == word


async def test_a_host_that_the_policy_does_not_name_gets_nothing(tmp_path: Path) -> None:
    async with mail(tmp_path, text("enforce", "mx2.far.test"), GOOD, hosts=2) as far:
        far.hosts[1].present(AUTHORITY.issue_cert("mx2.far.test"))
        (result,) = await far.deliver("b@far.test")
        assert result.remote.startswith("mx2.far.test")
        assert not far.hosts[0].connections
    async with mail(tmp_path, text("enforce", "mx9.far.test"), GOOD) as far:
        far.dns.zone["_mta-sts.far.test", "TXT"] = ['"v=STSv1; id=2"']
        (result,) = await far.deliver("b@far.test")
        assert "not a mail host of the domain's MTA-STS policy" in result.reply.text
    async with mail(tmp_path, text("testing", "mx9.far.test"), GOOD) as far:
        far.dns.zone["_mta-sts.far.test", "TXT"] = ['"v=STSv1; id=3"']
        (result,) = await far.deliver("b@far.test")
        assert result.fate == Fate.RELAYED


async def test_who_says_tls_is_not_required_is_not_held_up(tmp_path: Path) -> None:
    """RFC 8689 section 5."""
    async with mail(tmp_path, text(), HOSTS["self-made"]) as far:
        (result,) = await far.deliver("b@far.test", text=Text(b"TLS-Required: No\r\n\r\nx\r\n"))
        assert result.fate == Fate.RELAYED
        (result,) = await far.deliver("b@far.test", text=Text(b"Subject: x\r\n\r\nTLS-Required: No\r\n"))
        assert result.fate == Fate.DEFERRED


async def test_switched_off(tmp_path: Path) -> None:
    async with mail(tmp_path, text(), HOSTS["self-made"], mta_sts=False) as far:
        (result,) = await far.deliver("b@far.test")
        assert result.fate == Fate.RELAYED
        assert not far.dns.asked["_mta-sts.far.test", "TXT"]
