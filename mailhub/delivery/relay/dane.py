"""DANE for mail hosts (RFC 7672 section 2.2): which names DNSSEC vouches for, and their TLSA records."""

from collections.abc import Collection

from mailhub.net.dane import Tlsa
from mailhub.net.dnssec import ValidatingResolver

_RECORDS = 50  # of one host; more are passed over


class Dane:
    """What a validating resolver vouches for. DnsTemporary where it can not tell, which may mean a forgery."""

    def __init__(self, resolver: ValidatingResolver) -> None:
        self._resolver = resolver

    async def exchangers(self, domain: str) -> Collection[str] | None:
        """The names of the domain's mail hosts, itself where it has none of its own; None where nobody vouches for them."""
        found = await self._resolver.ask(domain, "MX")
        if not found.secure:
            return None
        names = {record.exchange.to_text(omit_final_dot=True).lower() for record in found.records}
        return names or {domain}

    async def records(self, host: str, port: int) -> tuple[str, tuple[Tlsa, ...]]:
        """The TLSA records of a host, and the name they stand at: where an alias leads that is vouched for, else its own. Where
        its addresses are not, none are asked for (section 2.2.2): such zones often can not answer."""
        found = await self._resolver.ask(host, "A")
        if not found.records:
            found = await self._resolver.ask(host, "AAAA")
        if not found.secure:
            return host, ()
        for base in dict.fromkeys((found.name, host)):
            answer = await self._resolver.ask(f"_{port}._tcp.{base}", "TLSA")
            if answer.secure and answer.records:
                records = answer.records[:_RECORDS]
                return base, tuple(Tlsa(one.usage, one.selector, one.mtype, bytes(one.cert)) for one in records)
        return host, ()
