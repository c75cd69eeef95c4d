"""What DNS says of a domain and of this host: examined record by record."""

import asyncio

from mailhub.config import dnsbl
from mailhub.message import tls_report
from mailhub.net.addresses import parse
from mailhub.net.resolver import DnsTemporary, NoData, NoSuchName
from mailhub.policy import dmarc as policies
from mailhub.policy.spf import evaluated

from . import zone
from .patient import CannotJudge, Patient, listed, ok, wrong
from .words import Diagnosis

_ENTRY = "2.0.0.127"  # which every list has (RFC 5782 section 5)


def _add(name: str, kind: str, data: str) -> str:
    return f"add the record: {name}. IN {kind} {data}"


async def mx(patient: Patient) -> Diagnosis:
    wanted = patient.facts.hosts
    record = _add(patient.domain, "MX", f"10 {wanted[0]}.")
    try:
        found = [host for _, host in sorted(await patient.resolver.mx(patient.domain))]
    except NoSuchName:
        return wrong("mx", f"{patient.domain} does not exist in DNS", record)
    except NoData:
        return wrong("mx", "there is no MX record", record)
    if lacking := [host for host in wanted if host not in found]:
        said = listed([host or "nowhere (a null MX)" for host in found])
        todo = _add(patient.domain, "MX", f"{10 * (1 + wanted.index(lacking[0]))} {lacking[0]}.")
        return wrong("mx", f"mail goes to {said}, not to {listed(lacking)}", todo)
    homeless = [host for host in wanted if not await patient.addresses(host)]
    if homeless:
        return wrong("mx", f"{listed(homeless)} has no address", f"give {homeless[0]} an A record")
    others = [host for host in found if host not in wanted]
    more = f"; also to {listed(others)}" if others else ""
    return ok("mx", f"mail goes to {listed(wanted)}{more}")


async def host(patient: Patient) -> Diagnosis:
    """A and AAAA of this host."""
    found, known = await patient.addresses(patient.hostname), patient.facts.addresses
    if not found:
        return wrong("host", f"{patient.hostname} has no address in DNS", _host_record(patient))
    strange = [one for one in found if one not in known]
    if inner := await patient.inner_addresses():
        raise CannotJudge(f"the resolver asked here says {listed(inner)}, which only insiders see", "ask from outside")
    if not strange:
        lacking = [one for one in known if one not in found] if patient.config.setup.addresses else []
        if lacking:
            return wrong(
                "host",
                f"{patient.hostname} leads to {listed(found)}, not to {listed(lacking)}",
                _host_record(patient, lacking[0]),
            )
        return ok("host", f"{patient.hostname} leads to {listed(found)}")
    if patient.config.setup.addresses:
        return wrong(
            "host",
            f"{patient.hostname} leads to {listed(strange)}, which setup.addresses does not name",
            _host_record(patient),
        )
    why = f"{patient.hostname} leads to {listed(strange)}, no address of this machine: a router has to pass it on"
    raise CannotJudge(why, "name the public addresses in setup.addresses")


def _host_record(patient: Patient, address: str = "") -> str:
    """`address`: the one that is lacking; "" for the first."""
    for record in zone.addresses(patient.facts):
        if address in ("", record.data):
            return _add(record.name, record.kind, record.data)
    return f"give {patient.hostname} an A record with the public address of this host"


async def ptr(patient: Patient) -> Diagnosis:
    if patient.relayed:
        return ok("ptr", f"mail leaves by {patient.relayed}: nobody asks")
    for address in await patient.outward():
        todo = f"ask who gave you {address} to set its PTR record to {patient.hostname}"
        try:
            names = await patient.resolver.ptr(address)
        except (NoSuchName, NoData):
            return wrong("ptr", f"{address} has no name", todo)
        if patient.hostname not in names:
            return wrong("ptr", f"{address} is called {listed(names)}, and {patient.hostname} in EHLO", todo)
        if address not in await patient.addresses(patient.hostname):
            return wrong("ptr", f"{patient.hostname} does not lead back to {address}", _host_record(patient))
    return ok("ptr", f"{listed(await patient.outward())} and {patient.hostname} name each other")


async def spf(patient: Patient) -> Diagnosis:
    record = _add(patient.domain, "TXT", zone.quoted(zone.spf(patient.facts)))
    found = [text for text in await patient.texts(patient.domain) if text.lower().partition(" ")[0] == "v=spf1"]
    if not found:
        return wrong("spf", "there is no SPF record", record)
    if len(found) > 1:
        return wrong("spf", f"there are {len(found)} SPF records, and so none counts", "leave one of them")
    if patient.relayed:
        why = f"there is a record; whether it names what {patient.relayed} sends from cannot be seen here"
        raise CannotJudge(why, "send a message to a mailbox elsewhere and read its Authentication-Results")
    for address in await patient.outward():
        result, _ = await evaluated(patient.resolver, address, f"postmaster@{patient.domain}", patient.hostname)
        if result == "temperror":
            raise CannotJudge("a name that the record leads to cannot be asked for now")
        if result == "permerror":
            return wrong("spf", f"the record is broken: {found[0][:200]}", record)
        if result != "pass":
            return wrong("spf", f"the record does not let {address} send ({result})", record)
    return ok("spf", f"{listed(await patient.outward())} may send")


async def dkim(patient: Patient) -> Diagnosis:
    keys = [key for key in patient.facts.dkim if key[2] != "retired"]
    if not keys:
        return wrong("dkim", "there are no keys: mail is not signed", f"mailhub dkim create {patient.domain}")
    for name, record, state in keys:
        wanted = record.rpartition("p=")[2]
        shown = ["".join(text.split()).rpartition("p=")[2].partition(";")[0] for text in await patient.texts(name)]
        if wanted not in shown:
            said = "another key" if shown else "nothing"
            return wrong(
                "dkim", f"{name} (a key that is {state}) has {said} in DNS", _add(name, "TXT", zone.quoted(record))
            )
    return ok("dkim", f"{len(keys)} keys are in DNS")


async def dmarc(patient: Patient) -> Diagnosis:
    found = await policies.walk(patient.resolver, patient.domain)
    if found.record is None:
        record = _add(f"_dmarc.{patient.domain}", "TXT", zone.quoted(zone.dmarc(patient.facts)))
        many = len([text for text in await patient.texts(f"_dmarc.{patient.domain}") if "DMARC1" in text])
        return wrong(
            "dmarc", f"there are {many} records, and none that counts" if many else "there is no record", record
        )
    policy = found.record.policy if found.place == patient.domain else found.record.subdomains
    todo = "read the reports, then ask for quarantine (setup.dmarc)" if policy == "none" else ""
    return ok("dmarc", f"p={policy}, by _dmarc.{found.place}", todo)


async def tlsrpt(patient: Patient) -> Diagnosis:
    name = f"_smtp._tls.{patient.domain}"
    found = [text.encode() for text in await patient.texts(name)]
    if not (to := tls_report.rua(found)):
        said = "there is a record that asks for nothing" if found else "there is no record"
        return wrong("tlsrpt", said, _add(name, "TXT", zone.quoted(zone.tls_reports(patient.facts))))
    return ok("tlsrpt", f"reports go to {listed(to)}")


async def srv(patient: Patient) -> Diagnosis:
    """How mail programs find what is served (RFC 6186)."""
    served = [(label, data) for label, data in zone.srv(patient.facts) if data != zone.NONE]
    for label, data in served:
        name = f"{label}._tcp.{patient.domain}"
        try:
            found = await patient.resolver.records(name, "SRV")
        except (NoSuchName, NoData):
            found = []
        if not any(one.split()[2:] == data.rstrip(".").split()[2:] for one in found):
            said = (
                f"leads to {listed([' port '.join(reversed(one.split()[2:])) for one in found])}"
                if found
                else "is not there"
            )
            return wrong("srv", f"{name} {said}", _add(name, "SRV", data))
    return ok("srv", f"{len(served)} services can be found")


async def blocklists(patient: Patient) -> Diagnosis:
    sites = [site for site in map(dnsbl.site, patient.config.dnsbl.sites) if site.weight > 0]
    domains = list(dict.fromkeys(site.domain for site in sites))
    if not domains:
        raise CannotJudge("dnsbl.sites names no list")
    answering = [
        name
        for name, there in zip(domains, await _all(patient, [f"{_ENTRY}.{d}" for d in domains]), strict=True)
        if there
    ]
    for address in await patient.outward():
        ip = parse(address)
        if ip is None or not answering:
            continue
        reverse = ip.reverse_pointer.removesuffix(".in-addr.arpa").removesuffix(".ip6.arpa")
        answers = dict(zip(answering, await _all(patient, [f"{reverse}.{d}" for d in answering]), strict=True))
        for site in sites:
            if any(map(site.lists, answers.get(site.domain, ()))):
                todo = f"see the site of {site.domain} why, mend that, and ask them to take it off"
                return wrong("blocklists", f"{address} is on {site.domain}", todo)
    silent = [name for name in domains if name not in answering]
    if not answering:
        raise CannotJudge(
            f"no list answers here: {listed(silent)}", "ask by a resolver of your own: many lists refuse public ones"
        )
    more = f"; no answer from {listed(silent)}" if silent else ""
    return ok("blocklists", f"on none of {listed(answering)}{more}")


async def _all(patient: Patient, names: list[str]) -> list[list[str]]:
    return list(await asyncio.gather(*(_entry(patient, name) for name in names)))


async def _entry(patient: Patient, name: str) -> list[str]:
    """What a list says; nothing where it refuses to answer (127.255.255.x), or does not."""
    try:
        async with patient.clock.timeout(patient.config.setup.timeout / 3):
            found = await patient.resolver.records(name, "A")
    except (NoSuchName, NoData, DnsTemporary, TimeoutError):
        return []
    return [one for one in found if one.startswith("127.") and not one.startswith("127.255.255.")]
