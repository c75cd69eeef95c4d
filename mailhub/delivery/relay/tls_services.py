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
    """`services` for the relays."""

    def __init__(
        self,
        relay: schema.Relay,
        names: schema.Resolver,
        reports: schema.TlsReports,
        tables: Tables,
        resolver: Resolver,
        store: TlsStore,
        clock: Clock,
    ) -> None:
        sessions = TlsSessions(store, clock, reports.limit) if reports.send else None
        validating = ValidatingResolver(names, clock)
        self._sts = MtaSts(resolver, store, relay, clock, sessions)
        self.services = TlsServices(tables, self._sts, Dane(validating) if validating.there else None, sessions)

    async def refresh(self) -> None:
        """Fetch the MTA-STS policies that grow old."""
        await self._sts.refresh()

    async def close(self) -> None:
        await self._sts.close()
