"""Greylisting (RFC 6647): a stranger's first letter to somebody is put off for a few minutes. A mail server comes again; what sends junk seldom does.

It learns: who came again is known for weeks, and a network from which enough did is asked no more. It never puts off who signed in
or is trusted, whom SPF or a list in DNS vouches for, and whom the recipient wrote to.
"""

import hashlib

from mailhub.config import schema
from mailhub.model import address
from mailhub.model.clock import Clock
from mailhub.model.reply import Reply
from mailhub.model.verdict import Action
from mailhub.net.addresses import Networks, parse
from mailhub.store.api import Attempts, GreylistStore, GuardStore

from .account_limits import digest
from .check import Stage, Statement
from .dnsbl import Dnsbl
from .visit import Visit

_DAY = 86_400.0


class Greylist:
    """A Check. `guard` knows to whom accounts wrote, `lists` who is known to send mail."""

    name = "greylist"
    stage: Stage = "rcpt"
    after: frozenset[str] = frozenset()

    def __init__(
        self, config: schema.Greylist, store: GreylistStore, guard: GuardStore, clock: Clock, lists: Dnsbl | None = None
    ) -> None:
        self._lists = lists
        self.config, self._store, self._guard, self._clock = config, store, guard, clock
        self._allowed = Networks(config.allow)

    def concerns(self, visit: Visit) -> bool:
        """Whoever is not trusted."""
        return not visit.trusted

    async def ask(self, visit: Visit) -> Statement | None:
        """None for whom it does not ask, and for who is known."""
        client, sender, recipient = visit.origin.client, visit.sender or "", address.key(visit.recipient)
        if (network := self._network(client)) == "" or client in self._allowed:
            return None
        if "spf" in visit.statements and visit.statements["spf"].result == "pass":
            return None
        if self._lists is not None and self._lists.spares(visit):
            return None
        if sender and await self._guard.wrote_to(recipient, digest(sender)):
            return None
        now, place = self._clock.now(), _digest("network", network)
        there = await self._store.find(place)
        if there is not None and there.passes >= self.config.network_passes and now < there.until:
            await self._remember(visit, place, there, now)
            return None
        return await self._letter(visit, _digest("letter", network, address.key(sender), recipient), place, there, now)

    async def _letter(
        self, visit: Visit, letter: bytes, place: bytes, there: Attempts | None, now: float
    ) -> Statement | None:
        config = self.config
        found = await self._store.find(letter)
        if found is None or now >= found.until or now < found.first:  # also where the clock was set back
            await self._put(visit, letter, Attempts(now, 0, now + config.retry_window), now)
            return _put_off(config.delay)
        waited = now - found.first
        if not found.passes and waited < config.delay:
            return _put_off(config.delay - waited)
        if found.passes:
            await self._remember(visit, letter, found, now)
            return None
        await self._put(visit, letter, Attempts(found.first, 1, now + config.known_seconds), now)
        passes = 0 if there is None or now >= there.until else there.passes
        await self._put(visit, place, Attempts(now, passes + 1, now + config.known_seconds), now)
        return Statement("pass", reason=f"it came again after {waited:.0f} seconds")

    async def _remember(self, visit: Visit, name: bytes, found: Attempts, now: float) -> None:
        """Once a day is enough."""
        until = now + self.config.known_seconds
        if until - found.until > _DAY:
            await self._put(visit, name, Attempts(found.first, found.passes + 1, until), now)

    async def _put(self, visit: Visit, name: bytes, attempts: Attempts, now: float) -> None:
        if visit.told is None:
            await self._store.put(name, attempts, now, self.config.limit)

    def _network(self, client: str) -> str:
        """Large senders try again from a neighbour; "" for a client without an address."""
        ip = parse(client)
        if ip is None:
            return ""
        bits = ip.max_prefixlen - (self.config.ipv4_prefix if ip.version == 4 else self.config.ipv6_prefix)
        return f"{ip.version} {int(ip) >> bits}"


def _put_off(seconds: float) -> Statement:
    reply = Reply(450, "4.2.0", f"Greylisted, try again in {seconds:.0f} seconds")
    return Statement("wait", reason="not seen before", action=Action.TEMPFAIL, reply=reply)


def _digest(*words: str) -> bytes:
    text = "\0".join(words).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(text, digest_size=12).digest()
