"""`mailhub doctor`: a domain whose zone is what `mailhub dns` says is well; each thing that breaks is found, and nothing else is."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dns.rcode
import msgspec
import pytest
from click.testing import CliRunner
from support.far_hosts import FarHost
from support.hubs import config as configured

from mailhub.cli.root import root
from mailhub.config.schema import Certificate, Delivery, Dnsbl, Listener, Relay, Resolver, Setup, Smtp, Tls
from mailhub.control import words
from mailhub.control.errors import ControlError
from mailhub.control.setup.examination import CHECKS
from mailhub.hub import Hub
from mailhub.model.clock import SystemClock
from mailhub.net.local import Machine
from mailhub.testing.authority import Authority
from mailhub.testing.dns import DnsServer

US, PROBE = "127.9.0.1", "127.9.0.2"
HOST, DOMAIN = "mail.a.test", "a.test"
NAMES = ("autoconfig", "autodiscover", "mta-sts")
_DAY = 86_400


@dataclass
class Clinic:
    """A server that is all well, and the world that it stands in."""

    hub: Hub
    dns: DnsServer
    authority: Authority
    probe: FarHost

    async def examined(self, *skip: str) -> dict[str, words.Diagnosis]:
        found = await self.hub.control.perform(words.DoctorCheck(domain=DOMAIN, skip=skip))
        assert all(one.todo for one in found if one.state == "wrong")
        return {one.check: one for one in found}

    def change(self, **sections: Any) -> None:
        """Sections of the configuration in force."""
        self.hub.config = msgspec.structs.replace(self.hub.config, **sections)

    def setup(self, **options: Any) -> None:
        self.change(setup=msgspec.structs.replace(self.hub.config.setup, **options))

    def relay(self, **options: Any) -> None:
        self.change(relay=msgspec.structs.replace(self.hub.config.relay, **options))


def backwards(address: str) -> str:
    return f"{'.'.join(reversed(address.split('.')))}.in-addr.arpa"


@contextlib.asynccontextmanager
async def clinic(folder: Path) -> AsyncIterator[Clinic]:
    clock = SystemClock()
    authority = Authority(folder, clock.now())
    probe = FarHost("probe.test")
    port = await probe.start(PROBE, 0)
    more = tuple(Certificate(certificate=str(authority.certificate(f"{name}.{DOMAIN}"))) for name in NAMES)
    own = str(authority.certificate(HOST))
    async with DnsServer() as dns:
        made = configured(
            folder / "var", hostname=HOST, domains=(DOMAIN,),
            listener=(
                Listener(protocol="smtp", address=US, name="mx"), Listener(protocol="imap", address=US, tls="implicit"),
                Listener(protocol="submission", address=US, tls="implicit"), Listener(protocol="http", address=US, tls="implicit"),
            ),
            tls=Tls(certificate=own, key=own, certificates=more), resolver=dns.config(),
            relay=Relay(port=port, ipv6=False, tls_ca=str(authority.file)), dnsbl=Dnsbl(sites=("list.test=127.0.0.[2..9]*3", "good.test*-1")),
            setup=Setup(addresses=(US,), ports={"mx": 25, "https": 443}, probes=("probe.test",), dmarc="reject", mta_sts="enforce"),
        )  # fmt: skip
        async with Hub(made, clock=clock, machine=Machine(own=frozenset((US,)))) as hub:
            there = Clinic(hub, dns, authority, probe)
            there.relay(mta_sts_port=hub.port("https"))
            await hub.control.perform(words.DkimCreate(domain=DOMAIN))
            await hub.control.perform(words.DkimActivate(domain=DOMAIN))
            await publish(there)
            yield there
    await probe.stop()


async def publish(there: Clinic) -> None:
    """What `mailhub dns` says, and what others have to say."""
    zone = await there.hub.control.perform(words.DnsShow(domain=DOMAIN))
    records: dict[tuple[str, str], list[str]] = {}
    for one in zone.records:
        records.setdefault((one.name, one.kind), []).append(one.data)
    there.dns.zone = {
        **records,
        (backwards(US), "PTR"): [f"{HOST}."],
        ("probe.test", "A"): [PROBE],
        ("somebody.com", "A"): ["192.0.2.1"],
        ("2.0.0.127.list.test", "A"): ["127.0.0.2"],
    }
    there.dns.vouched = {"test"}


async def test_a_zone_as_it_is_printed_makes_all_well(tmp_path: Path) -> None:
    async with asyncio.timeout(50), clinic(tmp_path) as there:
        found = await there.examined()
        assert list(found) == list(CHECKS)
        assert {name: one.text for name, one in found.items() if one.state != "ok"} == {}
        assert (found["mta-sts"].text, found["relay"].state) == (f"mode enforce, for {HOST}", "ok")
        assert there.probe.commands("QUIT") == ["QUIT"]


Break = Callable[[Clinic], None]


def record(name: str, kind: str, *values: str) -> Break:
    """Another value of a record, or none."""

    def change(there: Clinic) -> None:
        assert (name, kind) in there.dns.zone or values
        if values:
            there.dns.zone[name, kind] = list(values)
        else:
            del there.dns.zone[name, kind]

    return change


def silence(name: str, kind: str) -> Break:
    def change(there: Clinic) -> None:
        there.dns.broken[name, kind] = dns.rcode.SERVFAIL

    return change


def key(there: Clinic) -> None:
    (name,) = [name for name, kind in there.dns.zone if kind == "TXT" and name.endswith(f"r._domainkey.{DOMAIN}")]
    there.dns.zone[name, "TXT"] = ['"v=DKIM1; k=rsa; p=AAAA"']


def old_certificate(there: Clinic) -> None:
    folder = there.authority.file.parent / "past"
    folder.mkdir()
    past = Authority(folder, there.hub.clock.now() - (3_660 - 5) * _DAY)
    path = str(past.certificate(HOST))
    there.change(tls=Tls(certificate=path, key=path, certificates=there.hub.config.tls.certificates))


def strange_certificate(there: Clinic) -> None:
    path = str(there.authority.certificate("other.test"))
    there.change(tls=Tls(certificate=path, key=path))


def no_tls(there: Clinic) -> None:
    doors = there.hub.listeners
    doors[0].config = msgspec.structs.replace(doors[0].config, tls="none")


def all_networks(there: Clinic) -> None:
    there.change(smtp=Smtp(mynetworks=("0.0.0.0/0",)))


def refusing_probe(there: Clinic) -> None:
    there.probe.script["greeting"] = "554 no"


def closed_port(there: Clinic) -> None:
    there.relay(port=_free(PROBE))


def _free(address: str) -> int:
    with socket.socket() as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])


WRONG: dict[str, tuple[Break, set[str], str]] = {
    "no MX": (record(DOMAIN, "MX"), {"mx", "spf"}, "no MX"),
    "MX of somebody else": (record(DOMAIN, "MX", "10 mx.far.test."), {"mx", "spf"}, "mx.far.test"),
    "null MX": (record(DOMAIN, "MX", "0 ."), {"mx", "spf"}, "null MX"),
    "no PTR": (record(backwards(US), "PTR"), {"ptr"}, "no name"),
    "PTR of the provider": (record(backwards(US), "PTR", "dyn-1.isp.test."), {"ptr"}, "dyn-1.isp.test"),
    "no SPF": (record(DOMAIN, "TXT", '"other"'), {"spf"}, "no SPF"),
    "two SPF": (record(DOMAIN, "TXT", '"v=spf1 mx -all"', '"v=spf1 -all"'), {"spf"}, "2 SPF records"),
    "SPF without us": (record(DOMAIN, "TXT", '"v=spf1 ip4:192.0.2.1 -all"'), {"spf"}, "fail"),
    "broken SPF": (record(DOMAIN, "TXT", '"v=spf1 ip4:x -all"'), {"spf"}, "broken"),
    "another key": (key, {"dkim"}, "another key"),
    "no DMARC": (record(f"_dmarc.{DOMAIN}", "TXT"), {"dmarc"}, "no record"),
    "DMARC misspelt": (record(f"_dmarc.{DOMAIN}", "TXT", '"v=DMARC1; q=none"'), {"dmarc"}, "none that counts"),
    "no MTA-STS record": (record(f"_mta-sts.{DOMAIN}", "TXT"), {"mta-sts"}, "no record"),
    "old MTA-STS id": (record(f"_mta-sts.{DOMAIN}", "TXT", '"v=STSv1; id=1"'), {"mta-sts"}, "has changed"),
    "no MTA-STS host": (record(f"mta-sts.{DOMAIN}", "CNAME"), {"mta-sts"}, "cannot be had"),
    "no TLSRPT": (record(f"_smtp._tls.{DOMAIN}", "TXT"), {"tlsrpt"}, "no record"),
    "no TLSA": (record(f"_25._tcp.{HOST}", "TLSA"), {"dane"}, "no TLSA record"),
    "TLSA of an old key": (record(f"_25._tcp.{HOST}", "TLSA", f"3 1 1 {'ab' * 32}"), {"dane"}, "no TLSA record matches"),
    "SRV of another port": (record(f"_imaps._tcp.{DOMAIN}", "SRV", f"0 1 993 {HOST}."), {"srv"}, "port 993"),
    "no SRV": (record(f"_submissions._tcp.{DOMAIN}", "SRV"), {"srv"}, "not there"),
    "no autoconfig": (record(f"autoconfig.{DOMAIN}", "CNAME"), {"autoconfig"}, "not there"),
    "autodiscover elsewhere": (record(f"autodiscover.{DOMAIN}", "CNAME", "probe.test."), {"autoconfig"}, PROBE),
    "on a list": (record("1.0.9.127.list.test", "A", "127.0.0.4"), {"blocklists"}, f"{US} is on list.test"),
    "a certificate that ends": (old_certificate, {"certificate", "dane"}, "ends in"),
    "a certificate of others": (strange_certificate, {"certificate", "dane"}, "other.test"),
    "TLSA and no TLS": (no_tls, {"dane", "mta-sts"}, "no listener that takes mail has TLS"),
    "an open relay": (all_networks, {"relay"}, "may send to anybody"),
    "port 25 refuses": (refusing_probe, {"out-ipv4"}, "554 no"),
    "port 25 is closed": (closed_port, {"out-ipv4"}, "refused"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
async def test_what_is_wrong_is_found_and_nothing_else(tmp_path: Path, name: str) -> None:
    change, checks, said = WRONG[name]
    async with asyncio.timeout(50), clinic(tmp_path) as there:
        change(there)
        if name == "an open relay":
            there.hub._take_policy(there.hub.config.smtp)
        found = await there.examined()
        wrong = {name: one.text for name, one in found.items() if one.state == "wrong"}
        assert set(wrong) == checks
        assert said in " ".join(wrong.values())


UNKNOWN: dict[str, tuple[Break, set[str]]] = {
    "MX is not answered": (silence(DOMAIN, "MX"), {"mx", "spf"}),
    "PTR is not answered": (silence(backwards(US), "PTR"), {"ptr"}),
    "the list refuses us": (record("2.0.0.127.list.test", "A", "127.255.255.254"), {"blocklists"}),
    "the list is silent": (silence("2.0.0.127.list.test", "A"), {"blocklists"}),
    "DNSSEC is missing": (lambda there: there.dns.vouched.clear(), {"dane"}),
    "nobody checks DNSSEC": (lambda there: there.change(resolver=Resolver(nameservers=("192.0.2.53",))), {"dane"}),
    "no probes": (lambda there: there.setup(probes=()), {"out-ipv4"}),
    "the probe is not in DNS": (record("probe.test", "A"), {"out-ipv4"}),
    "mail leaves by another host": (
        lambda there: there.change(delivery=Delivery(relayhost="[smtp.relay.test]")), {"spf"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", UNKNOWN)
async def test_what_cannot_be_judged_is_no_alarm(tmp_path: Path, name: str) -> None:
    change, checks = UNKNOWN[name]
    async with asyncio.timeout(50), clinic(tmp_path) as there:
        change(there)
        found = await there.examined()
        assert {name: one.state for name, one in found.items() if one.state != "ok"} == dict.fromkeys(checks, "unknown")


async def test_the_record_that_is_lacking_is_the_one_to_add(tmp_path: Path) -> None:
    async with asyncio.timeout(50), clinic(tmp_path) as there:
        there.setup(addresses=(US, "2001:db8::5"), mx=(HOST, "mx2.a.test"))
        found = await there.examined("mta-sts", "autoconfig")
        assert found["host"].todo == f"add the record: {HOST}. IN AAAA 2001:db8::5"
        assert found["mx"].todo == f"add the record: {DOMAIN}. IN MX 20 mx2.a.test."


async def test_a_router_that_does_not_lead_back_is_no_alarm(tmp_path: Path) -> None:
    """From inside nobody is reached by the public address."""
    outer = "127.9.0.9"
    async with asyncio.timeout(50), clinic(tmp_path) as there:
        there.setup(addresses=(outer,))
        there.dns.zone[HOST, "A"] = [outer]
        there.dns.zone[backwards(outer), "PTR"] = [f"{HOST}."]
        found = await there.examined()
        judged = {name: one.state for name, one in found.items() if one.state != "ok"}
        assert judged == {"mta-sts": "unknown", "autoconfig": "unknown"}
        assert "from another network" in found["mta-sts"].todo


async def test_a_machine_that_knows_no_public_address_believes_dns(tmp_path: Path) -> None:
    """Behind a router, and setup.addresses not set: what our name leads to is taken for what our mail comes from."""
    outer = "9.9.9.9"
    async with asyncio.timeout(50), clinic(tmp_path) as there:
        there.setup(addresses=())
        there.relay(source_ipv4="")
        there.dns.zone[HOST, "A"] = [outer]
        there.dns.zone[backwards(outer), "PTR"] = [f"{HOST}."]
        found = await there.examined("mta-sts", "autoconfig")
        assert {name: one.state for name, one in found.items() if one.state != "ok"} == {"host": "unknown"}
        assert found["host"].todo == "name the public addresses in setup.addresses"
        assert outer in found["ptr"].text


async def test_a_resolver_for_insiders_is_no_alarm(tmp_path: Path) -> None:
    """The company's own DNS has the host with its inner address, and nothing of what stands in the outer zone."""
    async with asyncio.timeout(50), clinic(tmp_path) as there:
        there.setup(addresses=("203.0.113.5",))
        for name, kind in list(there.dns.zone):
            if name.endswith(DOMAIN):
                del there.dns.zone[name, kind]
        there.dns.zone[HOST, "A"] = ["10.1.2.3"]
        found = await there.examined("out-ipv4", "certificate", "dane")
        assert {name: one.text for name, one in found.items() if one.state == "wrong"} == {}
        assert "10.1.2.3" in found["host"].text
        assert "for insiders" in found["mx"].text


async def test_a_resolver_without_the_internet_is_no_alarm(tmp_path: Path) -> None:
    async with asyncio.timeout(50), clinic(tmp_path) as there:
        there.dns.zone = {("printer.lan", "A"): ["10.0.0.9"]}
        found = await there.examined()
        assert {name for name, one in found.items() if one.state == "wrong"} == set()
        assert "knows nothing of the Internet" in found["mx"].text


async def test_checks_are_skipped_by_name(tmp_path: Path) -> None:
    async with asyncio.timeout(50), clinic(tmp_path) as there:
        assert set(CHECKS) - set(await there.examined("dane", "relay")) == {"dane", "relay"}
        with pytest.raises(ControlError, match="no check is called 'dnae'"):
            await there.examined("dnae")
        with pytest.raises(ControlError, match="none of our domains"):
            await there.hub.control.perform(words.DoctorCheck(domain="b.test"))


async def test_the_command_says_it_by_its_exit_code(tmp_path: Path) -> None:
    async with asyncio.timeout(50), clinic(tmp_path) as there:
        place = tmp_path / "config.toml"
        place.write_text('data = "var"\n')

        def run(*words: str) -> Any:
            return CliRunner().invoke(root, ["--config", str(place), "doctor", DOMAIN, *words], catch_exceptions=False)

        well = await asyncio.to_thread(run)
        assert (well.exit_code, "WRONG" in well.stdout) == (0, False)
        del there.dns.zone[f"_smtp._tls.{DOMAIN}", "TXT"]
        there.hub.resolver._cache.clear()  # type: ignore[attr-defined]
        ill = await asyncio.to_thread(run)
        assert ill.exit_code == 1
        lines = ill.stdout.splitlines()
        (at,) = [n for n, line in enumerate(lines) if "WRONG" in line]
        assert lines[at].split()[:2] == ["tlsrpt", "WRONG"]
        assert f"-> add the record: _smtp._tls.{DOMAIN}. IN TXT" in lines[at + 1]
        as_json = json.loads((await asyncio.to_thread(run, "--json")).stdout)
        assert {one["check"]: one["state"] for one in as_json}["tlsrpt"] == "wrong"
        assert (await asyncio.to_thread(run, "--skip", "tlsrpt")).exit_code == 0


async def test_a_host_in_dns_speaks_no_control_characters(tmp_path: Path) -> None:
    async with asyncio.timeout(50), clinic(tmp_path) as there:
        there.probe.script["greeting"] = "554 \x1b[2J\x07"
        assert "\x1b" not in (await there.examined())["out-ipv4"].text
