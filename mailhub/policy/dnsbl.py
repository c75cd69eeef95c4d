"""Lists of clients in DNS (RFC 5782): those that send junk, and those that are known to send mail. Each has a weight."""

import asyncio
import logging

from msgspec import Struct

from mailhub.config import dnsbl, schema
from mailhub.model.clock import Clock
from mailhub.model.reply import Reply
from mailhub.model.verdict import Action
from mailhub.net.addresses import parse
from mailhub.net.resolver import DnsError, DnsTemporary, NoData, NoSuchName, Resolver

from .check import Stage, Statement
from .visit import Visit

log = logging.getLogger("mailhub.policy")

_TEXT = 200  # characters of what a list has to say
ALLOWED = "allowed"  # the word for who is known to send mail


class _Answer(Struct, frozen=True):
    """`addresses`: what the list says, none where the client is not on it; `silent`: it did not answer in time."""

    addresses: tuple[str, ...] = ()
    silent: bool = False


class Dnsbl:
    """A Check. `config.sites` are well formed."""

    name = "dnsbl"
    stage: Stage = "connect"
    after: frozenset[str] = frozenset()

    def __init__(self, config: schema.Dnsbl, resolver: Resolver, clock: Clock) -> None:
        self.config, self._resolver, self._clock = config, resolver, clock
        self._sites = tuple(map(dnsbl.site, config.sites))

    def concerns(self, visit: Visit) -> bool:
        """Whoever is not trusted."""
        return not visit.trusted

    async def ask(self, visit: Visit) -> Statement | None:
        """None for a client that has no address of the Internet, and for who is on no list."""
        ip = parse(visit.origin.client)
        if ip is None or not ip.is_global:
            return None
        reverse = ip.reverse_pointer.removesuffix(".in-addr.arpa").removesuffix(".ip6.arpa")
        domains = list(dict.fromkeys(site.domain for site in self._sites))
        answers = dict(
            zip(domains, await asyncio.gather(*(self._asked(f"{reverse}.{name}") for name in domains)), strict=True)
        )
        found = [site for site in self._sites if any(map(site.lists, answers[site.domain].addresses))]
        silent = [name for name in domains if answers[name].silent]
        if not found:
            return Statement("none", reason=f"no answer: {', '.join(silent)}") if silent else None
        total = sum(site.weight for site in found)
        reason = ", ".join(f"{site.domain} {site.weight:+g}" for site in found)
        if self.config.threshold and total >= self.config.threshold:
            return Statement("listed", total, reason, Action.REJECT, await self._refusal(str(ip), reverse, found))
        return Statement(ALLOWED if total < 0 else "listed", total, reason)

    def spares(self, visit: Visit) -> bool:
        """Whether lists speak for the client so much that it is not greylisted."""
        said = visit.statements.get(self.name)
        limit = self.config.allowlist_threshold
        return said is not None and limit < 0 and said.score <= limit

    async def _asked(self, name: str) -> _Answer:
        try:
            async with self._clock.timeout(self.config.timeout):
                return _Answer(tuple(await self._resolver.records(name, "A")))
        except (NoSuchName, NoData):
            return _Answer()
        except (DnsTemporary, TimeoutError) as error:
            log.info("%s: %s", name, error or "no answer in time")
            return _Answer(silent=True)

    async def _refusal(self, client: str, reverse: str, found: list[dnsbl.Site]) -> Reply:
        worst = max(found, key=lambda site: site.weight)
        told = ""
        try:
            async with self._clock.timeout(self.config.timeout):
                texts = await self._resolver.records(f"{reverse}.{worst.domain}", "TXT")
            told = "".join(c if " " <= c <= "~" else "?" for c in texts[0][:_TEXT])
        except (DnsError, TimeoutError):
            log.debug("%s does not say why", worst.domain)
        text = f"Service unavailable; client [{client}] blocked using {worst.domain}"
        return Reply(550, "5.7.1", f"{text}; {told}" if told else text)
