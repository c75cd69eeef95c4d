"""What the relay's TLS policies stand on, made once for a hub and shared by all its relays."""

from mailhub.config import schema
from mailhub.model.clock import Clock
from mailhub.net.dnssec import ValidatingResolver
from mailhub.net.resolver import Resolver
from mailhub.store.api import TlsStore
from mailhub.tables import Tables

from .dane import Dane
from .mta_sts import MtaSts
from .tls_policy import TlsServices
from .tlsrpt import TlsSessions


class RelayTls:
    """`services` for the relays. `sessions`: who counts for reports, None where none are sent."""

    def __init__(
        self,
        relay: schema.Relay,
        names: schema.Resolver,
        tables: Tables,
        resolver: Resolver,
        store: TlsStore,
        clock: Clock,
        sessions: TlsSessions | None = None,
    ) -> None:
        validating = ValidatingResolver(names, clock)
        self._sts = MtaSts(resolver, store, relay, clock, sessions)
        self.services = TlsServices(tables, self._sts, Dane(validating) if validating.there else None, sessions)

    async def close(self) -> None:
        await self._sts.close()
