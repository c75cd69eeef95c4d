"""The transports by their names: those that are always there, and those of [transport.NAME]."""

from collections.abc import Callable, Collection, Mapping, Sequence

from mailhub.config import schema
from mailhub.model.clock import Clock
from mailhub.net.resolver import Resolver

from .discard import Discard
from .outbound import Outbound
from .pipe import PipeTransport, Runner
from .relay import LmtpTransport, RelayTransport
from .relay.tls_policy import TlsServices
from .transport import Transport


class Transports:
    """`all`: by name; `relay` and `smtp` are one, unless they are configured apart. `limits`: deliveries at one time, by those
    that have a limit of their own. `delimiter`: of user and tag; `listed`: of what lists hold beside addresses; `own`: our addresses, where a mail host that is asked on that
    port would be ourselves."""

    def __init__(
        self,
        sections: Mapping[str, schema.Transport],
        relay: schema.Relay,
        resolver: Resolver,
        hostname: str,
        clock: Clock,
        local: Transport,
        delimiter: str,
        own: Callable[[int], Collection[str]],
        listed: Sequence[Transport],
        tls: TlsServices | None = None,
        system: Transport | None = None,
        runner: Runner | None = None,
        outbound: Outbound | None = None,
    ) -> None:
        usual = RelayTransport(resolver, relay, hostname, clock, own(relay.port), tls=tls, outbound=outbound)
        self._relays: dict[str, RelayTransport] = {
            "relay": usual,
            "smtp": usual,
            "lmtp": LmtpTransport(resolver, relay, hostname, clock, tls),
        }
        self.limits = {name: section.concurrency for name, section in sections.items() if section.concurrency}
        self.all: dict[str, Transport] = {"local": local, "discard": Discard()}
        self.all |= {transport.name: transport for transport in listed}
        if system is not None:
            self.all[system.name] = system
        for name, section in sections.items():
            differing = section.relay or relay
            match section.protocol:
                case "pipe":
                    self.all[name] = PipeTransport(name, section, delimiter, clock, runner=runner)
                case "lmtp":
                    self._relays[name] = LmtpTransport(resolver, differing, hostname, clock, tls)
                case "smtp":
                    self._relays[name] = RelayTransport(
                        resolver, differing, hostname, clock, own(differing.port), tls=tls, outbound=outbound
                    )
        self.all.update(self._relays)

    async def close(self) -> None:
        """Drop the connections that are kept."""
        for transport in set(self._relays.values()):
            await transport.close()
