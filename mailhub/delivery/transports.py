"""The transports by their names: those that are always there, and those of [transport.NAME]."""

from collections.abc import Collection, Mapping

from mailhub.config import schema
from mailhub.model.clock import Clock
from mailhub.net.resolver import Resolver

from .discard import Discard
from .pipe import PipeTransport
from .relay import RelayTransport
from .relay.tls_policy import TlsServices
from .transport import Transport


class Transports:
    """`all`: by name. `relay` and `smtp` are one, unless they are configured apart. `delimiter`: of user and tag."""

    def __init__(
        self,
        sections: Mapping[str, schema.Transport],
        relay: schema.Relay,
        resolver: Resolver,
        hostname: str,
        clock: Clock,
        local: Transport,
        delimiter: str,
        own: Collection[str] = (),
        tls: TlsServices | None = None,
    ) -> None:
        usual = RelayTransport(resolver, relay, hostname, clock, own, tls=tls)
        self._relays = {"relay": usual, "smtp": usual}
        self.all: dict[str, Transport] = {"local": local, "discard": Discard()}
        for name, section in sections.items():
            if section.protocol == "pipe":
                self.all[name] = PipeTransport(name, section, delimiter, clock)
            else:
                self._relays[name] = RelayTransport(resolver, section.relay or relay, hostname, clock, own, tls=tls)
        self.all.update(self._relays)

    async def close(self) -> None:
        """Drop the connections that are kept."""
        for transport in set(self._relays.values()):
            await transport.close()
