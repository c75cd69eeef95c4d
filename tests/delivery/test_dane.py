"""DANE with a DNS server that says what it has checked, and hosts with certificates of each kind."""

import datetime
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import dns.rcode
import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from support.far_hosts import Text, World, world

from mailhub.config.schema import Resolver
from mailhub.delivery.relay.dane import Dane
from mailhub.delivery.relay.tls_policy import TlsServices
from mailhub.net.dane import Mismatch, Tlsa, check
from mailhub.net.dnssec import ValidatingResolver, servers
from mailhub.store.api import Fate

PAST = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
AUTHORITY, STRANGER = trustme.CA(), trustme.CA()
MIDDLE = AUTHORITY.create_child_ca()
NOW = 1_800_000_000.0


def chain(leaf: trustme.LeafCert, *authorities: trustme.CA) -> list[x509.Certificate]:
    blobs = [leaf.cert_chain_pems[0].bytes(), *(one.cert_pem.bytes() for one in authorities)]
    return [x509.load_pem_x509_certificate(blob) for blob in blobs]


def record(certificate: x509.Certificate, usage: int = 3, selector: int = 1, matching: int = 1) -> Tlsa:
    if selector:
        octets = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    else:
        octets = certificate.public_bytes(Encoding.DER)
    hashed = {0: octets, 1: hashlib.sha256(octets).digest(), 2: hashlib.sha512(octets).digest()}[matching]
    return Tlsa(usage, selector, matching, hashed)


# --- records and chains ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("matching", [0, 1, 2])
@pytest.mark.parametrize("selector", [0, 1])
@pytest.mark.parametrize("usage", [2, 3])
def test_each_kind_of_record(usage: int, selector: int, matching: int) -> None:
    shown = chain(MIDDLE.issue_cert("mx.test"), MIDDLE, AUTHORITY)
    for depth in (0,) if usage == 3 else (1, 2):
        check([record(shown[depth], usage, selector, matching)], shown, ["mx.test"], NOW)
        other = chain(STRANGER.issue_cert("mx.test"), STRANGER, STRANGER)[depth]
        with pytest.raises(Mismatch):
            check([record(other, usage, selector, matching)], shown, ["mx.test"], NOW)


def test_one_record_that_fits_is_enough() -> None:
    shown = chain(AUTHORITY.issue_cert("mx.test"), AUTHORITY)
    check([Tlsa(3, 1, 1, bytes(32)), Tlsa(1, 1, 1, b""), record(shown[0])], shown, ["mx.test"], NOW)


def test_names_and_dates_count_for_an_authority_and_not_for_the_host_itself() -> None:
    old = chain(AUTHORITY.issue_cert("mx.test", not_after=PAST), AUTHORITY)
    check([record(old[0])], old, ["other.test"], NOW)
    with pytest.raises(Mismatch, match="expired") as expired:
        check([record(old[1], 2)], old, ["mx.test"], NOW)
    assert expired.value.result == "certificate-expired"
    good = chain(AUTHORITY.issue_cert("mx.test"), AUTHORITY)
    with pytest.raises(Mismatch) as other:
        check([record(good[1], 2)], good, ["other.test"], NOW)
    assert other.value.result == "certificate-host-mismatch"


def test_a_chain_that_only_looks_like_one() -> None:
    """The authority is the right one, and it has not signed that."""
    forged = chain(STRANGER.issue_cert("mx.test"), AUTHORITY)
    with pytest.raises(Mismatch, match="no TLSA record"):
        check([record(forged[1], 2)], forged, ["mx.test"], NOW)
    leaf = AUTHORITY.issue_cert("somebody.test")
    borrowed = chain(STRANGER.issue_cert("mx.test"), AUTHORITY)[:1] + chain(leaf)
    with pytest.raises(Mismatch):
        check([record(borrowed[1], 2)], borrowed, ["mx.test"], NOW)
    with pytest.raises(Mismatch):
        check([record(forged[1], 3)], [], ["mx.test"], NOW)


@pytest.mark.parametrize(
    ("one", "usable"),
    [
        (Tlsa(3, 1, 1, bytes(32)), True), (Tlsa(3, 1, 1, bytes(31)), False), (Tlsa(3, 1, 2, bytes(64)), True), (Tlsa(0, 1, 1, bytes(32)), False),
        (Tlsa(1, 0, 1, bytes(32)), False), (Tlsa(3, 2, 1, bytes(32)), False), (Tlsa(3, 1, 3, bytes(32)), False), (Tlsa(3, 1, 0, b""), False),
    ],
)  # fmt: skip
def test_usable_records(one: Tlsa, usable: bool) -> None:
    assert one.usable is usable


# --- mail ------------------------------------------------------------------------------------------------------------


def vouching(far: World) -> TlsServices:
    far.dns.vouched = {"test"}
    return TlsServices(vouching=Dane(ValidatingResolver(far.dns.config(), far.clock)))


@asynccontextmanager
async def dane(level: str = "dane", authority: trustme.CA | None = AUTHORITY, **options: Any) -> AsyncIterator[World]:
    """far.test, whose hosts show certificates of that authority, and a relay that obeys TLSA records."""
    async with world(services=vouching, tls=level, **options) as far:
        for host in far.hosts if authority is not None else ():
            leaf = authority.issue_cert(host.name)
            host.present(leaf)
            host.leaf = chain(leaf, authority)
        yield far


def publish(far: World, *records: Tlsa, name: str = "mx1.far.test") -> None:
    far.dns.zone[f"_{far.port}._tcp.{name}", "TLSA"] = [str(one) for one in records]


@pytest.mark.parametrize("level", ["dane", "dane-only"])
async def test_a_record_that_fits(level: str) -> None:
    async with dane(level) as far:
        publish(far, record(far.hosts[0].leaf[0]))
        (result,) = await far.deliver("b@far.test")
        assert result.fate == Fate.RELAYED
        assert result.tls.startswith("Verified TLSv1.3")
        assert far.hosts[0].secured == ["mx1.far.test"]


async def test_a_record_that_does_not_fit_sends_mail_to_the_next_host() -> None:
    async with dane(hosts=2) as far:
        publish(far, record(chain(STRANGER.issue_cert("x.test"))[0]))
        publish(far, record(far.hosts[1].leaf[0]), name="mx2.far.test")
        (result,) = await far.deliver("b@far.test")
        assert result.remote.startswith("mx2.far.test")
        assert not far.hosts[0].bodies
        far.hosts[1].script["MAIL"] = "451 4.3.0 later"
        far.dns.zone[f"_{far.port}._tcp.mx1.far.test", "TLSA"] = [str(record(far.hosts[1].leaf[0]))]
        (result,) = await far.deliver("b@far.test")
        assert result.fate == Fate.DEFERRED


async def test_the_reason_for_a_deferral() -> None:
    async with dane() as far:
        publish(far, record(chain(STRANGER.issue_cert("x.test"))[0]))
        (result,) = await far.deliver("b@far.test")
        assert str(result.reply) == (
            "451 4.7.5 mx1.far.test[127.0.0.21]: no TLSA record matches the server's certificate"
        )
        far.hosts[0].extensions.remove("STARTTLS")
        (result,) = await far.deliver("b@far.test")
        assert result.reply.enhanced == "4.7.4", "TLSA records mean that there is TLS: no downgrade"


@pytest.mark.parametrize("insecure", ["MX", "addresses", "TLSA", "nothing is signed"])
async def test_what_nobody_vouches_for_is_no_dane(insecure: str) -> None:
    async with dane() as far:
        publish(far, record(chain(STRANGER.issue_cert("x.test"))[0]))
        far.dns.vouched = {
            "MX": {"mx1.far.test"},
            "addresses": set[str](),
            "TLSA": set[str](),
            "nothing is signed": set[str](),
        }[insecure]
        if insecure in ("addresses", "TLSA"):
            far.dns.vouched_questions = {("far.test", "MX"), *({("mx1.far.test", "A")} if insecure == "TLSA" else ())}
        (result,) = await far.deliver("b@far.test")
        assert result.fate == Fate.RELAYED
        assert result.tls.startswith("Untrusted")


async def test_dane_only_wants_records() -> None:
    async with dane("dane-only") as far:
        (result,) = await far.deliver("b@far.test")
        assert (result.fate, result.reply.enhanced) == (Fate.DEFERRED, "4.7.5")
        assert "no TLSA records that DNSSEC vouches for" in result.reply.text
        assert not far.hosts[0].connections


async def test_unusable_records_mean_tls_with_whomever() -> None:
    async with dane() as far:
        publish(far, Tlsa(1, 1, 1, bytes(32)))
        (result,) = await far.deliver("b@far.test")
        assert result.tls.startswith("Untrusted")
        far.hosts[0].extensions.remove("STARTTLS")
        await far.clock.advance(10)
        (result,) = await far.deliver("b@far.test")
        assert result.reply.enhanced == "4.7.4"


@pytest.mark.parametrize("rcode", [dns.rcode.SERVFAIL, dns.rcode.REFUSED])
async def test_a_forgery_or_trouble_at_the_records_skips_the_host(rcode: dns.rcode.Rcode) -> None:
    async with dane(hosts=2) as far:
        far.dns.broken[f"_{far.port}._tcp.mx1.far.test"] = rcode
        (result,) = await far.deliver("b@far.test")
        assert result.remote.startswith("mx2.far.test")
        far.dns.broken[f"_{far.port}._tcp.mx2.far.test"] = rcode
        await far.clock.advance(301)
        (result,) = await far.deliver("b@far.test")
        assert result.fate == Fate.DEFERRED
        assert "TLSA lookup error" in result.reply.text


async def test_a_mail_host_that_dnssec_does_not_know_gets_nothing() -> None:
    """Somebody forges the answer to our plain question; the validating resolver knows better."""
    async with dane() as far:
        publish(far, record(far.hosts[0].leaf[0]))
        await far.relay._exchangers.find("far.test")
        far.dns.zone["far.test", "MX"] = ["10 mx.true.test."]
        (result,) = await far.deliver("b@far.test")
        assert "not among the mail hosts that DNSSEC vouches for" in result.reply.text
        assert not far.hosts[0].connections


async def test_records_of_an_alias() -> None:
    async with dane(authority=MIDDLE) as far:
        far.dns.zone["far.test", "MX"] = ["10 alias.far.test."]
        far.dns.zone["alias.far.test", "CNAME"] = ["mx1.far.test."]
        publish(far, record(far.hosts[0].leaf[1], 2), name="mx1.far.test")
        (result,) = await far.deliver("b@far.test")
        assert result.tls.startswith("Verified")
        assert far.hosts[0].secured == ["mx1.far.test"], "the name where the records stand"


async def test_records_are_asked_again_when_their_time_is_over() -> None:
    async with dane() as far:
        publish(far, record(far.hosts[0].leaf[0]))
        far.dns.ttl = 60
        for _ in range(2):
            await far.deliver("b@far.test")
        assert far.dns.asked[f"_{far.port}._tcp.mx1.far.test", "TLSA"] == 1
        publish(far, record(chain(STRANGER.issue_cert("x.test"))[0]))
        await far.clock.advance(61)
        (result,) = await far.deliver("b@far.test")
        assert result.fate == Fate.DEFERRED


async def test_who_says_tls_is_not_required_is_not_held_up() -> None:
    """RFC 8689 section 5."""
    async with dane() as far:
        publish(far, record(chain(STRANGER.issue_cert("x.test"))[0]))
        (result,) = await far.deliver("b@far.test", text=Text(b"TLS-Required: no\r\n\r\nx\r\n"))
        assert result.fate == Fate.RELAYED


@pytest.mark.parametrize(("level", "fate"), [("dane", Fate.RELAYED), ("dane-only", Fate.DEFERRED)])
async def test_without_a_validating_resolver(level: str, fate: Fate) -> None:
    async with world(tls=level) as far:
        far.hosts[0].secure(AUTHORITY)
        (result,) = await far.deliver("b@far.test")
        assert result.fate == fate


def test_whose_word_counts() -> None:
    assert servers(Resolver()) == ()
    assert servers(Resolver(nameservers=("192.0.2.1", "127.0.0.1:53", "[::1]:5353", "2001:db8::1"))) == (
        "127.0.0.1:53",
        "[::1]:5353",
    )
    assert servers(Resolver(nameservers=("127.0.0.1",), validating=("192.0.2.9",))) == ("192.0.2.9",)
