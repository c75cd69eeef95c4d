"""`mailhub dns`: the zone of a domain, read as name servers read it, and compared with what the server really has."""

import asyncio
import hashlib
import json
import ssl
from pathlib import Path
from typing import Any

import aiohttp
import dns.rdatatype
import dns.zone
import msgspec
import pytest
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from support.hubs import running, trusting

from mailhub.cli.root import root
from mailhub.config.schema import Config, Delivery, Listener, Setup, Tls
from mailhub.control import words
from mailhub.control.errors import ControlError
from mailhub.control.setup import sts, zone
from mailhub.hub import Hub
from mailhub.net.tls import self_signed

DOORS = (
    Listener(protocol="smtp", name="mx"),
    Listener(protocol="submission", tls="implicit"),
    Listener(protocol="imap", tls="implicit"),
    Listener(protocol="imap", tls="none", name="plain"),
    Listener(protocol="http", tls="implicit"),
)
OUTSIDE = Setup(addresses=("2001:db8::25", "192.0.2.25"), ports={"mx": 25, "https": 443})


def options(**more: Any) -> dict[str, Any]:
    return {"hostname": "mail.b.test", "domains": ("a.test", "b.test"), "listener": DOORS, "setup": OUTSIDE} | more


def read(found: words.DnsZone) -> dns.zone.Zone:
    return dns.zone.from_text(found.zone, origin=f"{found.domain}.", relativize=False, check_origin=False)


def values(found: words.DnsZone, name: str, kind: str) -> list[str]:
    """Of the zone file, by dnspython."""
    node = read(found).find_rdataset(f"{name}.", kind)
    return sorted(one.to_text() for one in node)


async def asked(hub: Hub, domain: str) -> words.DnsZone:
    return await hub.control.perform(words.DnsShow(domain=domain))


async def test_a_zone_is_what_a_name_server_can_read(tmp_path: Path) -> None:
    async with asyncio.timeout(50), running(tmp_path / "var", **options()) as hub:
        await hub.control.perform(words.DkimCreate(domain="b.test", selector="s"))
        found = await asked(hub, "B.test.")
        assert values(found, "b.test", "MX") == ["10 mail.b.test."]
        assert values(found, "mail.b.test", "A") == ["192.0.2.25"]
        assert values(found, "mail.b.test", "AAAA") == ["2001:db8::25"]
        assert values(found, "b.test", "TXT") == ['"v=spf1 mx ~all"']
        assert values(found, "_dmarc.b.test", "TXT") == ['"v=DMARC1; p=none; rua=mailto:postmaster@b.test"']
        assert values(found, "_mta-sts.b.test", "TXT") == [f'"v=STSv1; id={sts.policy_id(hub.config)}"']
        assert values(found, "mta-sts.b.test", "CNAME") == ["mail.b.test."]
        assert values(found, "_imaps._tcp.b.test", "SRV") == [f"0 1 {hub.port('imaps')} mail.b.test."]
        assert values(found, "_submissions._tcp.b.test", "SRV") == [f"0 1 {hub.port('submissions')} mail.b.test."]
        for lacking in ("_imap", "_pop3", "_pop3s", "_submission"):  # IMAP without TLS is nothing to invite to
            assert values(found, f"{lacking}._tcp.b.test", "SRV") == ["0 0 0 ."]
        keys = await hub.control.perform(words.DkimList(domain="b.test"))
        assert len(keys) == 2
        for key in keys:
            (published,) = read(found).find_rdataset(f"{key.name}.", "TXT")
            assert b"".join(published.strings).decode() == key.record
            assert all(len(one) <= 255 for one in published.strings)
        loopback, backwards = found.notes
        assert loopback.startswith("these listeners answer on loopback alone: submissions, imaps, plain ")
        assert "192.0.2.25 and 2001:db8::25" in backwards


async def test_tlsa_is_the_key_that_the_server_shows(tmp_path: Path) -> None:
    async with asyncio.timeout(50), running(tmp_path / "var", **options()) as hub:
        found = await asked(hub, "b.test")
        _, writer = await asyncio.open_connection("127.0.0.1", hub.port("imaps"), ssl=trusting())
        secured: ssl.SSLObject = writer.get_extra_info("ssl_object")
        certificate = x509.load_der_x509_certificate(secured.getpeercert(binary_form=True) or b"")
        writer.close()
        key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        assert values(found, "_25._tcp.mail.b.test", "TLSA") == [f"3 1 1 {hashlib.sha256(key).hexdigest()}"]


async def test_another_domain_gets_no_records_of_the_hosts_own_zone(tmp_path: Path) -> None:
    async with asyncio.timeout(50), running(tmp_path / "var", **options()) as hub:
        found = await asked(hub, "a.test")
        outside = {(one.name, one.kind) for one in found.records if not one.inside}
        assert outside == {
            ("mail.b.test", "A"), ("mail.b.test", "AAAA"), ("mail.b.test", "TXT"), ("_25._tcp.mail.b.test", "TLSA"),
        }  # fmt: skip
        assert all(name.to_text().endswith("a.test.") for name in read(found).nodes)
        assert "; mail.b.test. IN A 192.0.2.25" in found.zone
        with pytest.raises(ControlError, match="none of our domains"):
            await asked(hub, "c.test")


async def test_what_is_not_served_is_not_promised(tmp_path: Path) -> None:
    setup = Setup(
        mta_sts="enforce", spf=("include:_spf.relay.example",), dmarc="reject", reports="all@reports.test",
        mx=("mx1.far.test", "mx2.far.test"),
    )  # fmt: skip
    changed = options(setup=setup, delivery=Delivery(relayhost="[smtp.relay.example]"))
    async with asyncio.timeout(50), running(tmp_path / "var", **changed) as hub:
        found = await asked(hub, "a.test")
        names = {one.name for one in found.records}
        assert names.isdisjoint({"_mta-sts.a.test", "mta-sts.a.test", "autoconfig.a.test", "autodiscover.a.test"})
        assert values(found, "a.test", "MX") == ["10 mx1.far.test.", "20 mx2.far.test."]
        assert values(found, "a.test", "TXT") == ['"v=spf1 mx a:mail.b.test include:_spf.relay.example ~all"']
        assert values(found, "_dmarc.a.test", "TXT") == ['"v=DMARC1; p=reject; rua=mailto:all@reports.test"']
        assert "a.test._report._dmarc.reports.test" in {one.name for one in found.records if not one.inside}
        told = "\n".join(found.notes)
        for word in ("setup.addresses", "dkim create a.test", "smtp.relay.example", "port 443", "loopback alone"):
            assert word in told


async def test_tls_is_promised_only_where_mail_can_come_by_it(tmp_path: Path) -> None:
    """A policy or a TLSA record without STARTTLS would keep mail away."""
    clear = (msgspec.structs.replace(DOORS[0], tls="none"), *DOORS[1:])
    async with asyncio.timeout(50), running(tmp_path / "var", **options(listener=clear)) as hub:
        found = await asked(hub, "b.test")
        assert {one.name for one in found.records}.isdisjoint(
            {"_mta-sts.b.test", "mta-sts.b.test", "_25._tcp.mail.b.test"}
        )
        assert "no listener that takes mail has TLS" in "\n".join(found.notes)
        assert "autoconfig.b.test" in {one.name for one in found.records}


async def test_tlsa_is_of_the_certificate_of_the_door_for_mail(tmp_path: Path) -> None:
    pem = tmp_path / "own.pem"
    pem.write_bytes(b"".join(self_signed("mail.b.test", 1_800_000_000)))
    own = msgspec.structs.replace(DOORS[0], tls_options=Tls(certificate=str(pem), key=str(pem)))
    async with asyncio.timeout(50), running(tmp_path / "var", **options(listener=(own, *DOORS[1:]))) as hub:
        (tlsa,) = values(await asked(hub, "b.test"), "_25._tcp.mail.b.test", "TLSA")
        assert tlsa == zone.tlsa(x509.load_pem_x509_certificate(pem.read_bytes()))


async def test_a_domain_of_another_script_stands_there_as_dns_has_it(tmp_path: Path) -> None:
    async with asyncio.timeout(50), running(tmp_path / "var", **options(domains=("bücher.test",))) as hub:
        found = await asked(hub, "Bücher.test")
        assert await asked(hub, "xn--bcher-kva.test") == found
        assert values(found, "xn--bcher-kva.test", "MX") == ["10 mail.b.test."]
        assert found.zone.isascii()


def test_any_text_becomes_strings_that_mean_it() -> None:
    for text in ("", 'a"b\\c;d', "x" * 255, "y" * 256, "z" * 1000, "é" * 200):
        record = dns.rdatatype.TXT, zone.quoted(text)
        parsed = dns.zone.from_text(f"@ 60 IN TXT {record[1]}", origin="a.test.", check_origin=False)
        (rdata,) = parsed.find_rdataset("@", "TXT")
        assert b"".join(rdata.strings).decode() == text
        assert all(len(one) <= 255 for one in rdata.strings)


def test_the_id_of_a_policy_changes_with_it() -> None:
    one, other = Config(), Config(setup=Setup(mta_sts="enforce"))
    assert sts.policy_id(one) != sts.policy_id(other)
    assert sts.policy(one).splitlines() == ["version: STSv1", "mode: testing", "mx: mailhub.test", "max_age: 604800"]
    assert "mx:" not in sts.policy(Config(setup=Setup(mta_sts="none")))
    assert sts.policy(Config(setup=Setup(mta_sts="off"))) == ""


def test_the_command_tells_it_without_a_server(tmp_path: Path) -> None:
    certificate, key = self_signed("mail.a.test", 1_800_000_000)
    (tmp_path / "both.pem").write_bytes(certificate + key)
    place = tmp_path / "config.toml"
    place.write_text(
        'hostname = "mail.a.test"\ndomains = ["a.test"]\n[tls]\ncertificate = "both.pem"\nkey = "both.pem"\n'
    )

    def run(*words: str) -> Any:
        return CliRunner().invoke(root, ["--config", str(place), "dns", *words], catch_exceptions=False)

    done = run("a.test")
    assert done.exit_code == 0, done.output
    assert "\na.test. IN MX 10 mail.a.test.\n" in done.stdout
    assert "_25._tcp.mail.a.test. IN TLSA 3 1 1 " in done.stdout
    as_json = json.loads(run("a.test", "--json").stdout)
    assert as_json["zone"] == done.stdout
    assert run("b.test").exit_code == 3


async def test_the_http_interface_has_it_for_a_scope_of_its_own(tmp_path: Path) -> None:
    doors = (*DOORS, Listener(protocol="http", tls="none", name="web"))
    async with (
        asyncio.timeout(50),
        running(tmp_path / "var", **options(listener=doors, tls=Tls())) as hub,
        aiohttp.ClientSession() as session,
    ):
        made = await hub.control.perform(words.TokenAdd(name="t", scopes=("dns:read",)))
        url = f"http://127.0.0.1:{hub.port('web')}/api/mailhub/v1/dns.show?domain=a.test"
        async with session.get(url, headers={"Authorization": f"Bearer {made.token}"}) as answer:
            assert answer.status == 200
            assert (await answer.json())["zone"] == (await asked(hub, "a.test")).zone
