"""`mailhub dns`: what is known about this host and a domain, gathered and made into a zone."""

import asyncio
import ipaddress
from collections.abc import Callable, Iterator
from pathlib import Path

from mailhub.config.schema import Config
from mailhub.directory import Directory
from mailhub.message import dkim_signing
from mailhub.model.errors import NotFound
from mailhub.net import certificates
from mailhub.net.local import Machine
from mailhub.net.names import ascii_name, people_name
from mailhub.store.api import DkimStore

from . import services, zone
from .words import DnsShow, DnsZone


class Zones:
    """`config`: as it is now, with the ports that listeners have."""

    def __init__(self, config: Callable[[], Config], directory: Directory, dkim: DkimStore, machine: Machine) -> None:
        self._config, self._directory, self._dkim, self._machine = config, directory, dkim, machine

    async def show(self, request: DnsShow) -> DnsZone:
        """NotFound for domains that are not ours."""
        facts = await self.facts(request.domain)
        found, notes = zone.records(facts), list(_notes(facts))
        return DnsZone(
            domain=facts.domain,
            hostname=facts.hostname,
            records=tuple(found),
            notes=tuple(notes),
            zone=zone.file(facts.domain, found, notes),
        )

    async def facts(self, domain: str) -> zone.Facts:
        """NotFound for domains that are not ours."""
        name, config = people_name(domain.lower().rstrip(".")), self._config()
        if not await self._directory.domain(name):
            raise NotFound(f"{name} is none of our domains")
        keys = [
            (
                f"{key.selector}._domainkey.{ascii_name(name)}",
                dkim_signing.record(dkim_signing.loaded(key.pem)),
                key.state,
            )
            for key in await self._dkim.of(name)
        ]
        shown = []
        if services.mail_by_tls(config):
            tls, host = services.tls(config, "smtp"), config.hostname
            shown = await asyncio.to_thread(certificates.shown, tls, Path(config.data), host, host)
        return zone.Facts(ascii_name(name), config, public(config, self._machine), keys, shown[0] if shown else None)


def public(config: Config, machine: Machine) -> tuple[str, ...]:
    """Addresses that others reach this host by, as far as it is known here; IPv4 first."""
    known = config.setup.addresses or [one for one in machine.own if ipaddress.ip_address(one).is_global]
    return tuple(sorted(known, key=lambda one: (ipaddress.ip_address(one).version, ipaddress.ip_address(one))))


def _notes(facts: zone.Facts) -> Iterator[str]:
    config = facts.config
    if not facts.addresses:
        yield f"no public address of this host is known here: give {facts.hostname} its A and AAAA records (setup.addresses)"
    if not facts.dkim:
        yield f"no DKIM key: make one by `mailhub dkim create {facts.domain}`"
    if not services.mail_by_tls(config):
        yield "no listener that takes mail has TLS: no MTA-STS policy, no TLSA record (listener, tls)"
    elif facts.certificate is None:
        yield "no certificate can be read, so there is no TLSA record"
    if config.delivery.relayhost:
        yield f"mail leaves by {config.delivery.relayhost}: its operator says what has to stand in SPF (setup.spf)"
    if services.web(config) != services.HTTPS:
        yield "no listener with HTTPS is reached by port 443: no MTA-STS policy and no set-up of mail programs (setup.ports)"
    found = services.services(config)
    if not any(one.kind == "smtp" and one.port == 25 for one in found) and facts.hostname in facts.hosts:
        yield "no listener takes mail by port 25, which all others send to (listener, setup.ports)"
    if inner := [one.listener for one in found if one.inner]:
        yield f"these listeners answer on loopback alone: {', '.join(inner)} (listener, setup.ports)"
    if facts.addresses:
        yield f"who gave you {' and '.join(facts.addresses)} sets what PTR says: it has to be {facts.hostname}"
