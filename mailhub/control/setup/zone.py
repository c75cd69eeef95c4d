"""The records of a domain, made of what is known about this host. Pure but for what it is given."""

import hashlib
import ipaddress
from collections.abc import Iterator, Sequence

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from msgspec import Struct

from mailhub.config.schema import Config

from . import services, sts
from .words import DnsRecord

STRING = 255  # octets of one string of a TXT record (RFC 1035 section 3.3.14)
TTL = 3_600
NONE = "0 0 0 ."  # of SRV: there is no such service here (RFC 2782)

# SRV label by protocol and TLS, with the priority of the services that it names: TLS from the first octet first (RFC 8314 section 5.1).
_SRV = {
    ("submission", "implicit"): ("_submissions", 0),
    ("submission", "starttls"): ("_submission", 10),
    ("imap", "implicit"): ("_imaps", 0),
    ("imap", "starttls"): ("_imap", 10),
    ("pop3", "implicit"): ("_pop3s", 20),
    ("pop3", "starttls"): ("_pop3", 30),
    ("managesieve", "starttls"): ("_sieve", 0),
}
_MAY_LACK = ("_sieve",)  # of which nobody has to be told that it is not there


class Facts(Struct, frozen=True):
    """`domain`: as DNS has it. `addresses`: those that others reach this host by. `dkim`: (name, record, state) of each key.
    `certificate`: what the host's name is shown; None where there is none yet."""

    domain: str
    config: Config
    addresses: Sequence[str]
    dkim: Sequence[tuple[str, str, str]]
    certificate: x509.Certificate | None

    @property
    def hostname(self) -> str:
        return self.config.hostname.lower().rstrip(".")

    @property
    def hosts(self) -> tuple[str, ...]:
        return services.mail_hosts(self.config)


def records(facts: Facts) -> list[DnsRecord]:
    """All of them, in the order of a reader's interest."""
    return [*_mail(facts), *_senders(facts), *_transport(facts), *_programs(facts)]


def addresses(facts: Facts) -> Iterator[DnsRecord]:
    for address in facts.addresses:
        kind = "AAAA" if ipaddress.ip_address(address).version == 6 else "A"
        yield _record(facts, facts.hostname, kind, address, "this host")


def _mail(facts: Facts) -> Iterator[DnsRecord]:
    for n, host in enumerate(facts.hosts, 1):
        yield _record(facts, facts.domain, "MX", f"{10 * n} {host}.", "where mail for the domain goes")
    yield from addresses(facts)


def spf(facts: Facts) -> str:
    """The host that takes our mail sends it, too; others are told of by [setup]."""
    setup, relay = facts.config.setup, facts.config.relay
    own = [f"ip{ipaddress.ip_address(a).version}:{a}" for a in (relay.source_ipv4, relay.source_ipv6) if _is_global(a)]
    host = [] if facts.hostname in facts.hosts else [f"a:{facts.hostname}"]
    return " ".join(["v=spf1", "mx", *host, *own, *setup.spf, "~all"])


def dmarc(facts: Facts) -> str:
    to = services.reports_to(facts.config, facts.domain)
    return f"v=DMARC1; p={facts.config.setup.dmarc}; rua=mailto:{to}"


def tls_reports(facts: Facts) -> str:
    return f"v=TLSRPTv1; rua=mailto:{services.reports_to(facts.config, facts.domain)}"


def _senders(facts: Facts) -> Iterator[DnsRecord]:
    yield _txt(facts, facts.domain, spf(facts), "SPF: who sends for the domain (RFC 7208)")
    if facts.hostname != facts.domain:
        yield _txt(facts, facts.hostname, "v=spf1 a -all", "SPF of the name in EHLO, for bounces")
    for name, record, state in facts.dkim:
        yield _txt(facts, name, record, f"DKIM: a key that is {state} (RFC 6376)")
    yield _txt(facts, f"_dmarc.{facts.domain}", dmarc(facts), "DMARC: what others do where nothing speaks for mail")
    elsewhere = services.reports_to(facts.config, facts.domain).rpartition("@")[2].lower()
    if elsewhere != facts.domain:
        name = f"{facts.domain}._report._dmarc.{elsewhere}"
        yield _txt(facts, name, "v=DMARC1", "DMARC: that domain takes the reports")


def _transport(facts: Facts) -> Iterator[DnsRecord]:
    if publishes_sts(facts.config):
        text = f"v=STSv1; id={sts.policy_id(facts.config)}"
        yield _txt(facts, f"_mta-sts.{facts.domain}", text, "MTA-STS: mail comes by TLS (RFC 8461)")
        yield _alias(facts, f"mta-sts.{facts.domain}", "MTA-STS: where its policy is")
    yield _txt(facts, f"_smtp._tls.{facts.domain}", tls_reports(facts), "TLSRPT: reports about TLS (RFC 8460)")
    if facts.certificate is not None:
        name = f"_25._tcp.{facts.hostname}"
        yield _record(
            facts, name, "TLSA", tlsa(facts.certificate), "DANE: the key of this host; of use where the zone is signed"
        )


def publishes_sts(config: Config) -> bool:
    """A policy is fetched by port 443 and no other (RFC 8461 section 3.3)."""
    return bool(sts.policy(config)) and services.web(config) == services.HTTPS


def tlsa(certificate: x509.Certificate) -> str:
    """The server's own key: usage 3, selector 1, SHA-256 (RFC 7672 section 3.1)."""
    key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return f"3 1 1 {hashlib.sha256(key).hexdigest()}"


def _programs(facts: Facts) -> Iterator[DnsRecord]:
    for label, data in srv(facts):
        yield _record(facts, f"{label}._tcp.{facts.domain}", "SRV", data, "how mail programs find the host (RFC 6186)")
    if services.web(facts.config) == services.HTTPS:
        yield _alias(facts, f"autoconfig.{facts.domain}", "set-up of Thunderbird and others")
        yield _alias(facts, f"autodiscover.{facts.domain}", "set-up of Outlook")


def srv(facts: Facts) -> list[tuple[str, str]]:
    """(label, data): services that are there, then those that are not."""
    found = {}
    for one in services.for_clients(facts.config):
        if (one.kind, one.tls) in _SRV:
            label, priority = _SRV[one.kind, one.tls]
            found[label] = f"{priority} 1 {one.port} {facts.hostname}."
    lacking = {label: NONE for label, _ in _SRV.values() if label not in found and label not in _MAY_LACK}
    return [*found.items(), *lacking.items()]


def _alias(facts: Facts, name: str, why: str) -> DnsRecord:
    return _record(facts, name, "CNAME", f"{facts.hostname}.", why)


def _txt(facts: Facts, name: str, text: str, why: str) -> DnsRecord:
    made = _record(facts, name, "TXT", quoted(text), why)
    return DnsRecord(name=made.name, kind="TXT", data=made.data, text=text, why=why, inside=made.inside)


def _record(facts: Facts, name: str, kind: str, data: str, why: str) -> DnsRecord:
    inside = f".{name}".endswith(f".{facts.domain}")
    return DnsRecord(name=name, kind=kind, data=data, why=why, inside=inside)


def quoted(text: str) -> str:
    """Strings of at most 255 octets in quotes."""
    octets = text.encode()
    strings = [octets[at : at + STRING] for at in range(0, len(octets), STRING)] or [b""]
    return " ".join('"' + "".join(map(_octet, string)) + '"' for string in strings)


def _octet(octet: int) -> str:
    if octet in b'"\\':
        return f"\\{octet:c}"
    return chr(octet) if 0x20 <= octet < 0x7F else f"\\{octet:03d}"


def file(domain: str, found: Sequence[DnsRecord], notes: Sequence[str]) -> str:
    """A zone file (RFC 1035 section 5): what belongs to other zones, and the notes, are comments."""
    lines = [f"; What {domain} needs in DNS.", f"$TTL {TTL}"]
    why = ""
    for inside in (True, False):
        some = [one for one in found if one.inside == inside]
        if some and not inside:
            lines += ["", "; These belong into other zones:"]
        for one in some:
            lines += [f"; {one.why}"] if one.why != why else []
            why = one.why
            lines.append(f"{'' if inside else '; '}{one.name}. IN {one.kind} {one.data}")
    lines += ["", *(f"; Note: {note}" for note in notes)] if notes else []
    return "\n".join(lines) + "\n"


def _is_global(address: str) -> bool:
    return bool(address) and ipaddress.ip_address(address).is_global
