"""What is seen by going there: policies and set-up by HTTPS, port 25 on the way out, the certificate, DANE, and whether strangers
could send by us."""

import asyncio
import errno
import ssl
from pathlib import Path

import msgspec
from cryptography import x509

from mailhub.config.tls import EXPIRY
from mailhub.delivery.relay import mta_sts
from mailhub.delivery.relay.dane import Dane
from mailhub.delivery.relay.dial import Dialer
from mailhub.delivery.relay.errors import Lost
from mailhub.delivery.relay.mx import Host
from mailhub.model.envelope import Origin
from mailhub.net import certificates, dane, peers
from mailhub.net.https import Answer, HttpsError
from mailhub.net.resolver import DnsTemporary, NoData, NoSuchName
from mailhub.policy.rehearsal import rehearse

from . import services, sts, zone
from .patient import CannotJudge, Patient, listed, ok, wrong
from .words import Diagnosis

_DAY = 86_400
_SIZE = 65_536  # octets read of an answer
_LINE = 512  # of a greeting
_STRANGERS = ("192.0.2.77", "198.51.100.77", "2001:db8::77")  # of nobody (RFC 5737, RFC 3849)
_NO_WAY = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EACCES, errno.EPERM)


async def _got(patient: Patient, host: str, path: str) -> Answer:
    """By HTTPS, from a host that is ours. HttpsError; CannotJudge where it may not be our fault."""
    port = patient.config.relay.mta_sts_port
    url = f"https://{host}{f':{port}' if port != services.HTTPS else ''}{path}"
    try:
        return await patient.https.get(url, timeout=patient.config.setup.timeout, limit=_SIZE)
    except HttpsError as error:
        if await patient.leads_back(host):
            raise CannotJudge(f"{url} cannot be had from inside: {error}", "open it from another network") from error
        raise


async def mta_sts_policy(patient: Patient) -> Diagnosis:
    name, serves = f"_mta-sts.{patient.domain}", zone.publishes_sts(patient.config)
    record = f"v=STSv1; id={sts.policy_id(patient.config)}"
    todo = f"add the record: {name}. IN TXT {zone.quoted(record)}"
    try:
        found = await patient.resolver.txt(name)
    except (NoSuchName, NoData):
        return (
            wrong("mta-sts", "there is no record", todo)
            if serves
            else ok("mta-sts", "there is none, and none is served")
        )
    number = mta_sts.record_id(found)
    if number is None:
        return wrong("mta-sts", "the record is none that counts", todo)
    host = f"mta-sts.{patient.domain}"
    try:
        answer = await _got(patient, host, "/.well-known/mta-sts.txt")
        if answer.status != 200 or answer.kind != "text/plain":
            raise HttpsError(f"status {answer.status}, {answer.kind}")
        policy = mta_sts.read(answer.body)
    except (HttpsError, mta_sts.NoPolicy) as error:
        return wrong("mta-sts", f"the policy of {host} cannot be had: {str(error)[:200]}", _sts_todo(patient, host))
    lacking = [one for one in patient.facts.hosts if policy.mode != "none" and not _covers(policy.mx, one)]
    if lacking:
        return wrong("mta-sts", f"the policy does not name {listed(lacking)}", f"put mx: {lacking[0]} into the policy")
    if serves and number != sts.policy_id(patient.config):
        return wrong("mta-sts", f"the policy has changed, its id in DNS is {number} still", todo)
    return ok("mta-sts", f"mode {policy.mode}, for {listed(policy.mx)}")


def _covers(names: tuple[str, ...], host: str) -> bool:
    return host in names or f"*.{host.partition('.')[2]}" in names


def _sts_todo(patient: Patient, host: str) -> str:
    if zone.publishes_sts(patient.config):
        return f"let {host} lead to {patient.hostname}, with a certificate that names it"
    return f"serve it (a listener with HTTPS at port 443), or take _mta-sts.{patient.domain} out of DNS"


async def autoconfig(patient: Patient) -> Diagnosis:
    if services.web(patient.config) != services.HTTPS:
        return ok("autoconfig", "not served: no listener with HTTPS is reached by port 443")
    ours = set(await patient.addresses(patient.hostname))
    for name in (f"autoconfig.{patient.domain}", f"autodiscover.{patient.domain}"):
        todo = f"add the record: {name}. IN CNAME {patient.hostname}."
        found = await patient.addresses(name)
        if not ours.intersection(found):
            return wrong("autoconfig", f"{name} {f'leads to {listed(found)}' if found else 'is not there'}", todo)
    host = f"autoconfig.{patient.domain}"
    try:
        answer = await _got(patient, host, f"/mail/config-v1.1.xml?emailaddress=postmaster@{patient.domain}")
    except HttpsError as error:
        return wrong(
            "autoconfig", f"{host} does not answer: {str(error)[:200]}", f"get a certificate that names {host}"
        )
    if answer.status != 200 or b"<clientConfig" not in answer.body:
        return wrong(
            "autoconfig", f"{host} answers with status {answer.status}", "see what stands before this server there"
        )
    return ok("autoconfig", f"{host} tells how to reach {patient.hostname}")


# --- port 25 ---------------------------------------------------------------------------------------------------------


async def out_ipv4(patient: Patient) -> Diagnosis:
    return await _out(patient, "out-ipv4", "A")


async def out_ipv6(patient: Patient) -> Diagnosis:
    if not patient.config.relay.ipv6:
        return ok("out-ipv6", "not used (relay.ipv6)")
    return await _out(patient, "out-ipv6", "AAAA")


async def _out(patient: Patient, check: str, kind: str) -> Diagnosis:
    if patient.relayed:
        return ok(check, f"mail leaves by {patient.relayed}")
    setup = patient.config.setup
    troubles, asked = [], 0
    each = msgspec.structs.replace(patient.config.relay, connect_timeout=setup.timeout / (len(setup.probes) + 1))
    for host in setup.probes:
        try:
            addresses = await patient.resolver.records(host, kind)
        except (NoSuchName, NoData, DnsTemporary) as error:
            troubles.append(str(error))
            continue
        try:
            greeting = await _greeting(patient, Dialer(each, patient.clock), Host(host, addresses[0]))
        except Lost as lost:
            cause = lost.__cause__
            asked += not (isinstance(cause, OSError) and cause.errno in _NO_WAY)
            troubles.append(str(lost))
            continue
        if greeting.startswith("220"):
            return ok(check, f"{host} greets")
        asked += 1
        troubles.append(f"{host} says {greeting[:100]!r}")
    if not asked:
        raise CannotJudge(listed(troubles) or "setup.probes names no host to ask")
    todo = "ask your provider to open port 25, or send by another host (delivery.relayhost)"
    if kind == "AAAA":
        todo = "ask your provider to open port 25 for IPv6, or send by IPv4 alone (relay.ipv6 = false)"
    return wrong(check, f"nobody is reached by port {patient.config.relay.port}: {listed(troubles)}", todo)


async def _greeting(patient: Patient, dialer: Dialer, host: Host) -> str:
    made = await dialer.one(host)
    loop = asyncio.get_running_loop()
    line = b""
    try:
        async with patient.clock.timeout(patient.config.setup.timeout / 3):
            while b"\n" not in line and len(line) < _LINE and (block := await loop.sock_recv(made, _LINE)):
                line += block
            await loop.sock_sendall(made, b"QUIT\r\n")
    except TimeoutError as error:
        raise Lost(f"{host} does not greet") from error
    except OSError as error:
        raise Lost(f"{host}: {error.strerror or error}") from error
    finally:
        made.close()
    return "".join(c if " " <= c <= "~" else "?" for c in line.decode("latin-1").partition("\n")[0].rstrip("\r"))


# --- who we are ------------------------------------------------------------------------------------------------------


async def certificate(patient: Patient) -> Diagnosis:
    config, now = patient.config, patient.clock.now()
    get = f"get a certificate for {', '.join(_names(patient))} (tls.certificate)"
    for name in _names(patient):
        shows = services.tls(config, "smtp" if name == patient.hostname else "http")
        chain = await asyncio.to_thread(certificates.shown, shows, Path(config.data), config.hostname, name)
        if not chain:
            return wrong("certificate", "no certificate can be read", get)
        if trouble := peers.dates(chain[:1], now):
            return wrong("certificate", f"for {name}: {trouble}", get)
        if not peers.is_named(chain[0], [name]):
            return wrong("certificate", f"it is for {listed(peers.names(chain[0]))}, not for {name}", get)
        days = int((chain[0].not_valid_after_utc.timestamp() - now) / _DAY)
        if days < EXPIRY:
            return wrong("certificate", f"for {name}: it ends in {days} days", "renew it")
        known = await asyncio.to_thread(_authorities, config.relay.tls_ca)
        if known and not await asyncio.to_thread(peers.vouched, chain, known, now):
            return wrong("certificate", f"for {name}: no authority that others know has signed it", get)
    return ok("certificate", f"for {', '.join(_names(patient))}, {days} days left")


def _names(patient: Patient) -> list[str]:
    """Names that clients ask this server itself for, by TLS."""
    names = [patient.hostname]
    doors = patient.config.listener
    ports = patient.config.setup.ports
    if any(
        d.protocol == "http" and d.tls == "implicit" and ports.get(d.label, d.port) == services.HTTPS for d in doors
    ):
        names += [f"{label}.{patient.domain}" for label in ("autoconfig", "autodiscover")]
        names += [f"mta-sts.{patient.domain}"] if zone.publishes_sts(patient.config) else []
    return names


def _authorities(file: str) -> list[x509.Certificate]:
    """Those that others know; [] where the system has none to show."""
    place = file or ssl.get_default_verify_paths().cafile or ""
    try:
        return peers.authorities(place)
    except (OSError, ValueError):
        return []


async def dane_records(patient: Patient) -> Diagnosis:
    if not patient.validating.there:
        raise CannotJudge("nobody here checks DNSSEC", "name a resolver that does in resolver.validating")
    found = await patient.validating.ask(patient.hostname, "A")
    if not found.secure:
        raise CannotJudge(f"the zone of {patient.hostname} is not signed (DNSSEC): TLSA records would say nothing")
    place, records = await Dane(patient.validating).records(patient.hostname, 25)
    if not services.mail_by_tls(patient.config):
        if not records:
            return ok("dane", "no TLSA record, and no listener that takes mail has TLS")
        todo = f"let a listener with smtp have TLS, or take _25._tcp.{place} out of DNS"
        return wrong("dane", "there are TLSA records, and no listener that takes mail has TLS", todo)
    shows, host = services.tls(patient.config, "smtp"), patient.hostname
    chain = await asyncio.to_thread(certificates.shown, shows, Path(patient.config.data), host, host)
    if not chain:
        raise CannotJudge("no certificate can be read")
    todo = f"add the record: _25._tcp.{place}. IN TLSA {zone.tlsa(chain[0])}"
    if not records:
        return wrong("dane", f"the zone is signed, and has no TLSA record for {patient.hostname}", todo)
    try:
        dane.check(records, chain, [patient.hostname], patient.clock.now())
    except dane.Mismatch as mismatch:
        return wrong("dane", f"{mismatch}: mail of those who look is held back", todo)
    return ok("dane", f"{len(records)} TLSA records, one of which fits")


async def open_relay(patient: Patient) -> Diagnosis:
    """Strangers from nowhere, asked about as `mailhub explain` does: who connects from here is no stranger."""
    if patient.rehearsing is None:
        raise CannotJudge("the rules of a running server are asked", "start it with `mailhub serve`")
    put_off = ""
    for client in _STRANGERS:
        origin = Origin("ESMTP", client, "stranger.example")
        done = await rehearse(patient.rehearsing(), origin, "a@example.net", ("b@example.com",), None)
        command, reply = done.replies[-1]
        if done.accepted:
            todo = "see `mailhub explain` for that client; smtp.mynetworks and smtp.relay_restrictions decide"
            return wrong("relay", f"{client} may send to anybody", todo)
        if not reply.permanent:
            put_off = f"{client} was put off, not refused: {command}: {reply}"
    if put_off:
        raise CannotJudge(put_off)
    return ok("relay", "strangers may send to nobody but us")
