"""TLS by destination with hosts that really speak it: each level, each kind of certificate, and what is said of it."""

import datetime
import hashlib
import logging
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from support.far_hosts import HANG_UP, World, world

from mailhub.config.lookup import Lookup
from mailhub.delivery.relay.demand import Form, Rule, protocols, rule
from mailhub.delivery.relay.tls_policy import TlsServices
from mailhub.model.clock import VirtualClock
from mailhub.store.api import Fate
from mailhub.tables import Tables

PAST = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
AUTHORITY, STRANGER = trustme.CA(), trustme.CA()
TRUSTED = [("good", AUTHORITY, {}), ("expired", AUTHORITY, {"not_after": PAST}), ("unknown authority", STRANGER, {})]

Rules = Callable[[trustme.LeafCert], dict[str, str]]


def tabled(far: World) -> TlsServices:
    return TlsServices(Tables(far.clock))


@asynccontextmanager
async def secured(
    folder: Path, rules: dict[str, str] | Rules | None = None, *, authority: trustme.CA = AUTHORITY, name: str = "mx1.far.test",
    offered: bool = True, certificate: dict[str, Any] | None = None, **options: Any,
) -> AsyncIterator[World]:  # fmt: skip
    """far.test with one host that has that certificate, and a relay with those rules that trusts AUTHORITY."""
    trusted = folder / "ca.pem"
    AUTHORITY.cert_pem.write_to_path(trusted)
    leaf = authority.issue_cert(name, **(certificate or {}))
    written = rules(leaf) if callable(rules) else rules or {}
    table = Lookup((tuple(written.items()),))
    async with world(hosts=1, services=tabled, tls_policy=table, tls_ca=str(trusted), **options) as far:
        if offered:
            far.hosts[0].present(leaf)
        yield far


# --- each level, against each certificate ----------------------------------------------------------------------------

EXPECTED = {
    "none": {"good": "", "expired": "", "unknown authority": "", "other name": "", "no TLS": "", "breaks": ""},
    "may": {"good": "Trusted", "expired": "Untrusted", "unknown authority": "Untrusted", "other name": "Trusted",
            "no TLS": "", "breaks": ""},
    "encrypt": {"good": "Trusted", "expired": "Untrusted", "unknown authority": "Untrusted",
                "other name": "Trusted", "no TLS": "4.7.4 TLS is required, but was not offered by host",
                "breaks": "4.7.5 mx1.far.test[127.0.0.21]: Cannot start TLS: "},
    "secure": {"good": "Verified", "expired": "4.7.5 ", "unknown authority": "4.7.5 ", "other name": "4.7.5 mx1.far.test[127.0.0.21]: Server certificate not verified: it is for mx.other.test, not for far.test, .far.test",
               "no TLS": "4.7.4 TLS is required", "breaks": "4.7.5 "},
    "verify": {"good": "Verified", "expired": "4.7.5 mx1.far.test[127.0.0.21]: Server certificate not trusted: certificate has expired on 2020-01-01",
               "unknown authority": "4.7.5 mx1.far.test[127.0.0.21]: Server certificate not trusted: unable to get local issuer certificate",
               "other name": "4.7.5 mx1.far.test[127.0.0.21]: Server certificate not verified: it is for mx.other.test, not for mx1.far.test",
               "no TLS": "4.7.4 TLS is required", "breaks": "4.7.5 mx1.far.test[127.0.0.21]: Cannot start TLS: "},
}  # fmt: skip


@pytest.mark.parametrize("case", ["good", "expired", "unknown authority", "other name", "no TLS", "breaks"])
@pytest.mark.parametrize("level", list(EXPECTED))
async def test_levels(tmp_path: Path, caplog: pytest.LogCaptureFixture, level: str, case: str) -> None:
    made: dict[str, Any] = {
        "expired": {"certificate": {"not_after": PAST}},
        "unknown authority": {"authority": STRANGER},
        "other name": {"name": "mx.other.test"},
        "no TLS": {"offered": False},
    }.get(case, {})
    async with secured(tmp_path, {"far.test": level}, **made) as far:
        if case == "breaks":
            far.hosts[0].script["STARTTLS"] = HANG_UP
        with caplog.at_level(logging.INFO, "mailhub.relay"):
            (result,) = await far.deliver("b@far.test")
        expected = EXPECTED[level][case]
        if expected[:1] == "4":
            assert result.fate == Fate.DEFERRED
            assert str(result.reply).startswith("451 " + expected)
            assert not far.hosts[0].bodies
            assert not far.hosts[0].commands("MAIL"), "nothing of the message is said to a stranger"
        else:
            assert result.fate == Fate.RELAYED
            assert result.tls.partition(" ")[0] == expected
            told = f"{expected} TLS connection established to mx1.far.test[127.0.0.21]: TLSv1.3 with cipher TLS_AES_"
            assert (told in caplog.text) == bool(expected)


async def test_the_second_host_takes_what_the_first_can_not(tmp_path: Path) -> None:
    async with world(hosts=2, tls="encrypt") as far:
        far.hosts[1].secure(AUTHORITY)
        (result,) = await far.deliver("b@far.test")
        assert result.remote == "mx2.far.test[127.0.0.22]"
        assert not far.hosts[0].commands("MAIL")


async def test_no_octet_after_a_handshake_that_was_not_good_enough(tmp_path: Path) -> None:
    async with secured(tmp_path, {"far.test": "secure"}, name="mx.other.test") as far:
        await far.deliver("b@far.test")
        assert far.hosts[0].heard == ["EHLO mx.here.test", "STARTTLS"]


# --- whose certificate -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entry", "name", "good"),
    [
        ("secure", "far.test", True),
        ("secure", "mx1.far.test", True),
        ("secure", "*.far.test", True),
        ("secure", "mx1.notfar.test", False),
        ("secure match=hostname", "far.test", False),
        ("secure match=mx.other.test:.third.test", "mx.other.test", True),
        ("secure match=mx.other.test:.third.test", "a.b.third.test", True),
        ("secure match=mx.other.test:.third.test", "third.test", False),
        ("verify", "*.test", False),
        ("verify", "*.far.test", True),
        ("verify match=nexthop", "mx1.far.test", False),
    ],
)
async def test_names(tmp_path: Path, entry: str, name: str, good: bool) -> None:
    async with secured(tmp_path, {"far.test": entry}, name=name) as far:
        (result,) = await far.deliver("b@far.test")
        assert (result.fate == Fate.RELAYED) is good


@pytest.mark.parametrize("which", ["certificate", "key", "sha512", "wrong"])
async def test_fingerprints(tmp_path: Path, which: str) -> None:
    def rules(leaf: trustme.LeafCert) -> dict[str, str]:
        certificate = x509.load_pem_x509_certificate(leaf.cert_chain_pems[0].bytes())
        der = certificate.public_bytes(Encoding.DER)
        key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        digest = {
            "certificate": hashlib.sha256(der).hexdigest().upper(),
            "key": hashlib.sha256(key).hexdigest(),
            "sha512": hashlib.sha512(der).hexdigest(),
            "wrong": "00" * 32,
        }[which]
        colons = ":".join(digest[n : n + 2] for n in range(0, len(digest), 2))
        return {"far.test": f"fingerprint match={'11' * 32}|{colons}"}

    async with secured(tmp_path, rules, authority=STRANGER, certificate={"not_after": PAST}) as far:
        (result,) = await far.deliver("b@far.test")
        if which == "wrong":
            assert str(result.reply).endswith("Server certificate fingerprint not verified")
        else:
            assert result.tls.startswith("Verified TLSv1.3"), "whoever has made it, and however old it is"


async def test_dates_are_compared_with_our_clock(tmp_path: Path) -> None:
    end = datetime.datetime.fromtimestamp(VirtualClock().now() + 30 * 86_400, datetime.UTC)
    async with secured(tmp_path, {"far.test": "verify"}, certificate={"not_after": end}) as far:
        assert (await far.deliver("b@far.test"))[0].fate == Fate.RELAYED
        await far.clock.advance(31 * 86_400)
        (result,) = await far.deliver("b@far.test")
        assert "certificate has expired on 2027-02-14" in result.reply.text


# --- how it is spoken ------------------------------------------------------------------------------------------------


async def test_protocols(tmp_path: Path) -> None:
    async with secured(tmp_path, {"far.test": "encrypt protocols=!TLSv1.3"}) as far:
        (result,) = await far.deliver("b@far.test")
        assert result.tls.startswith("Trusted TLSv1.2 with cipher ")
    async with secured(tmp_path, {"far.test": "encrypt protocols=>=TLSv1.3"}) as far:
        assert far.hosts[0].tls is not None
        far.hosts[0].tls.maximum_version = ssl.TLSVersion.TLSv1_2
        (result,) = await far.deliver("b@far.test")
        assert result.reply.enhanced == "4.7.5"


def test_words_of_the_table() -> None:
    assert rule("may") == Rule("may")
    assert rule("secure match=a.test:.b.test ciphers=medium") == Rule("secure", ("a.test", ".b.test"))
    assert rule("verify, match=a.test|b.test").match == ("a.test", "b.test")
    assert rule("encrypt ciphers=high protocols=TLSv1.2").form == Form(771, 771, "HIGH:!aNULL:!MD5:!SHA1")
    assert protocols(">=TLSv1.2") == (771, 772)
    assert protocols("!SSLv2:!SSLv3:!TLSv1") == (771, 772)
    assert protocols("TLSv1.2:TLSv1.3") == (771, 772)
    for wrong in (
        "", "maybe", "may match=x", "fingerprint", "fingerprint match=zz", "verify color=red", "encrypt protocols=TLSv9",
        "encrypt protocols=!TLSv1.2:!TLSv1.3", "encrypt ciphers=null",
    ):  # fmt: skip
        with pytest.raises(ValueError, match=r"."):
            rule(wrong)


@pytest.mark.parametrize(
    ("key", "found"),
    [("far.test", True), (".test", True), (".far.test", False), ("other.test", False), ("FAR.test", True)],
)
async def test_keys_of_the_table(tmp_path: Path, key: str, found: bool) -> None:
    async with secured(tmp_path, {key: "encrypt"}, offered=False) as far:
        (result,) = await far.deliver("b@far.test")
        assert (result.fate == Fate.DEFERRED) is found


@pytest.mark.parametrize("entry", ["nonsense", "secure protocols=TLSv7"])
async def test_an_entry_that_can_not_be_used_keeps_the_mail(tmp_path: Path, entry: str) -> None:
    async with secured(tmp_path, {"far.test": entry}) as far:
        (result,) = await far.deliver("b@far.test")
        assert (result.fate, result.reply.enhanced) == (Fate.DEFERRED, "4.7.5")
        assert not far.hosts[0].connections


async def test_a_nexthop_in_brackets_has_its_own_key(tmp_path: Path) -> None:
    async with secured(tmp_path, {"[mx1.far.test]": "verify", "far.test": "none"}) as far:
        (result,) = await far.deliver("b@elsewhere.test", nexthop="[mx1.far.test]")
        assert result.tls.startswith("Verified")


async def test_authorities_that_can_not_be_read_keep_the_mail() -> None:
    async with world(hosts=1, tls="verify", tls_ca="/nowhere/ca.pem") as far:
        far.hosts[0].secure(AUTHORITY)
        (result,) = await far.deliver("b@far.test")
        assert (result.fate, result.reply.enhanced) == (Fate.DEFERRED, "4.7.5")


# --- connections that are kept ---------------------------------------------------------------------------------------


async def test_a_kept_connection_serves_only_whom_it_is_good_enough_for(tmp_path: Path) -> None:
    rules = {"far.test": "may", "strict.test": "verify"}
    async with secured(tmp_path, rules) as far:
        far.dns.zone["strict.test", "MX"] = ["10 mx1.far.test."]
        far.dns.zone["third.test", "MX"] = ["10 mx1.far.test."]
        await far.deliver("b@far.test")
        await far.deliver("b@third.test", nexthop="third.test")
        assert far.hosts[0].connections == 1, "may, as before"
        (result,) = await far.deliver("b@strict.test", nexthop="strict.test")
        assert far.hosts[0].connections == 2
        assert result.tls.startswith("Verified")


# --- what somebody in the middle may try -----------------------------------------------------------------------------


@pytest.mark.parametrize("level", ["may", "encrypt"])
@pytest.mark.parametrize("injected", [b"250 injected\r\n", b"250-injected", b"\0"])
async def test_words_pressed_in_behind_the_go_ahead(tmp_path: Path, injected: bytes, level: str) -> None:
    """Said in the clear, they would count as said inside (CVE-2011-0411): the connection ends."""
    async with secured(tmp_path, {"far.test": level}) as far:
        far.hosts[0].script["STARTTLS"] = b"220 go\r\n" + injected
        (result,) = await far.deliver("b@far.test")
        if level == "may":
            assert (result.fate, result.tls) == (Fate.RELAYED, ""), "on a new connection, in the clear"
            assert far.hosts[0].connections == 2
        else:
            assert (result.fate, result.reply.enhanced) == (Fate.DEFERRED, "4.7.5")


async def test_what_the_clear_ehlo_offered_is_forgotten(tmp_path: Path) -> None:
    async with secured(tmp_path) as far:
        host = far.hosts[0]
        host.extensions += ["SIZE 5"]
        host.after_tls = lambda: host.extensions.remove("SIZE 5")
        (result,) = await far.deliver("b@far.test")
        assert result.fate == Fate.RELAYED
