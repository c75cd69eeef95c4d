"""A domain under examination, and the words for what is found. Every question goes by the resolver, and every one has its time."""

import ipaddress
from collections.abc import Callable, Sequence

from msgspec import Struct

from mailhub.config.schema import Config
from mailhub.model.clock import Clock
from mailhub.net.dnssec import ValidatingResolver
from mailhub.net.https import Https
from mailhub.net.local import Machine
from mailhub.net.resolver import DnsError, NoData, NoSuchName, Resolver
from mailhub.policy import Policy

from .words import Diagnosis
from .zone import Facts

_GREAT = ("com", "net", "org")


class CannotJudge(Exception):
    """It says why; `todo`: what would help."""

    def __init__(self, why: str, todo: str = "") -> None:
        super().__init__(why)
        self.todo = todo


class Patient(Struct, frozen=True):
    """`rehearsing`: a policy that counts nothing; None where no server runs."""

    facts: Facts
    resolver: Resolver
    validating: ValidatingResolver
    https: Https
    clock: Clock
    machine: Machine
    rehearsing: Callable[[], Policy] | None

    @property
    def config(self) -> Config:
        return self.facts.config

    @property
    def domain(self) -> str:
        return self.facts.domain

    @property
    def hostname(self) -> str:
        return self.facts.hostname

    @property
    def relayed(self) -> str:
        """The host that all our mail leaves by, where it does not find its way itself."""
        return self.config.delivery.relayhost

    async def addresses(self, host: str) -> list[str]:
        """Of a host, as our resolver sees it; [] where it has none."""
        try:
            return await self.resolver.addresses(host)
        except (NoSuchName, NoData):
            return []

    async def outward(self) -> list[str]:
        """Public addresses that our mail comes from, as far as they can be known here. CannotJudge where none can."""
        relay = self.config.relay
        known = list(self.facts.addresses) or [a for a in await self.addresses(self.hostname) if is_public(a)]
        for source, version in ((relay.source_ipv4, 4), (relay.source_ipv6, 6)):
            if source and (is_public(source) or source in known):
                known = [a for a in known if ipaddress.ip_address(a).version != version] + [source]
        if not relay.ipv6:
            known = [a for a in known if ipaddress.ip_address(a).version == 4]
        if not known:
            raise CannotJudge("the public address of this host is not known here", "name it in setup.addresses")
        return known

    async def leads_back(self, host: str) -> bool:
        """Whether the way to a host goes over a router that has to lead back to us, which many do not: then that nobody answers,
        or somebody else does, means nothing."""
        found = await self.addresses(host)
        ours = {*self.facts.addresses, *await self.addresses(self.hostname)}
        return any(one in ours and one not in self.machine.own for one in found)

    async def inner_addresses(self) -> list[str]:
        """Those of this host that nobody outside could use."""
        found = await self.addresses(self.hostname)
        return [one for one in found if not is_public(one) and one not in self.facts.addresses]

    async def knows_the_internet(self) -> bool:
        """Whether the resolver has heard of at least one of the great domains."""
        for name in _GREAT:
            try:
                await self.resolver.records(name, "A")
            except NoSuchName:
                continue
            except DnsError:
                return True
            return True
        return False

    async def texts(self, name: str) -> list[str]:
        """TXT records; [] where there are none."""
        try:
            return await self.resolver.records(name, "TXT")
        except (NoSuchName, NoData):
            return []


def is_public(address: str) -> bool:
    return ipaddress.ip_address(address).is_global


def ok(check: str, text: str, todo: str = "") -> Diagnosis:
    return Diagnosis(check=check, state="ok", text=text, todo=todo)


def wrong(check: str, text: str, todo: str) -> Diagnosis:
    return Diagnosis(check=check, state="wrong", text=text, todo=todo)


def unknown(check: str, text: str, todo: str = "") -> Diagnosis:
    return Diagnosis(check=check, state="unknown", text=text, todo=todo)


def listed(words: Sequence[str]) -> str:
    """For people; it may come from outside, so it has an end."""
    shown = ", ".join(words[:5])[:200]
    return f"{shown} and {len(words) - 5} more" if len(words) > 5 else shown
