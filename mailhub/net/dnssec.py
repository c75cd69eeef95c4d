"""DNS answers with the word of a resolver that validates them (DNSSEC), for DANE. Its AD bit counts because nobody stands between:
the server is on this host, or the operator trusts the way to it. Nothing is validated here.

aiodns drops the header's flags; dnspython is asked for these questions alone.
"""

import ipaddress
from collections import OrderedDict
from typing import Any

from msgspec import Struct

from mailhub.config import schema
from mailhub.model.clock import Clock

from .resolver import DnsTemporary

_SIZE = 1_232  # octets of an answer by UDP; a longer one is asked for again by TCP


class Vouched(Struct, frozen=True):
    """`records`: none where there are none. `secure`: all of it is vouched for, also that there is none. `name`: where an alias led."""

    name: str
    records: tuple[Any, ...]
    secure: bool


def servers(config: schema.Resolver) -> tuple[str, ...]:
    """Those whose AD bit counts: resolver.validating, else those of resolver.nameservers on this host."""
    if config.validating:
        return config.validating
    return tuple(server for server in config.nameservers if ipaddress.ip_address(divided(server)[0]).is_loopback)


def divided(server: str) -> tuple[str, int]:
    """ "address", "address:port" or "[address]:port", taken apart."""
    if server.count(":") > 1 and not server.startswith("["):
        return server, 53
    address, _, port = server.rpartition(":")
    return (address.strip("[]"), int(port)) if address else (server, 53)


class ValidatingResolver:
    """`ask` for records of a name. Answers are kept for their TTL, on the clock; trouble is not kept."""

    def __init__(self, config: schema.Resolver, clock: Clock) -> None:
        self._config, self._clock, self._servers = config, clock, servers(config)
        self._cache: OrderedDict[tuple[str, str], tuple[float, Vouched]] = OrderedDict()

    @property
    def there(self) -> bool:
        """Whether there is a server to ask."""
        return bool(self._servers)

    async def ask(self, name: str, kind: str) -> Vouched:
        """DnsTemporary for SERVFAIL (what a validating resolver says of a forgery), and where nobody answers."""
        key = (name.lower(), kind)
        kept = self._cache.get(key)
        if kept is not None and kept[0] > self._clock.monotonic():
            self._cache.move_to_end(key)
            return kept[1]
        trouble = DnsTemporary("there is no validating resolver")
        for server in self._servers * self._config.tries:
            try:
                ttl, found = await self._answer(server, *key)
            except DnsTemporary as error:
                trouble = error
                continue
            self._cache[key] = (self._clock.monotonic() + ttl, found)
            while len(self._cache) > self._config.cache_limit:
                self._cache.popitem(last=False)
            return found
        raise trouble

    async def _answer(self, server: str, name: str, kind: str) -> tuple[float, Vouched]:
        import dns.asyncquery
        import dns.exception
        import dns.flags
        import dns.message
        import dns.rcode

        address, port = divided(server)
        try:
            query = dns.message.make_query(name, kind, use_edns=0, payload=_SIZE, want_dnssec=True)
            query.flags |= dns.flags.AD
            async with self._clock.timeout(self._config.timeout):
                reply, _ = await dns.asyncquery.udp_with_fallback(query, address, port=port, ignore_unexpected=True)
            known = reply.rcode() in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN)
            if not known or not isinstance(reply, dns.message.QueryMessage):
                raise DnsTemporary(f"{kind} of {name}: {dns.rcode.to_text(reply.rcode())}")
            chain = reply.resolve_chaining()
        except TimeoutError as error:
            raise DnsTemporary(f"{kind} of {name}: no answer in time") from error
        except (dns.exception.DNSException, OSError, EOFError) as error:
            raise DnsTemporary(f"{kind} of {name}: {error or type(error).__name__}") from error
        records = tuple(chain.answer or ())
        ttl = min(chain.minimum_ttl, self._config.ttl_max if records else self._config.negative_ttl)
        canonical = chain.canonical_name.to_text(omit_final_dot=True).lower()
        return ttl, Vouched(canonical, records, bool(reply.flags & dns.flags.AD))
