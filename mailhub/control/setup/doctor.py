"""`mailhub doctor`: who examines, and how many at one time. What the checks need is imported by the first examination."""

from collections.abc import Callable

from mailhub.config.schema import Config
from mailhub.model.clock import Clock
from mailhub.model.errors import LimitReached
from mailhub.net.local import Machine
from mailhub.net.resolver import Resolver
from mailhub.policy import Policy

from ..errors import ControlError
from .dns import Zones
from .words import Diagnosis, DoctorCheck

_AT_ONE_TIME = 4  # examinations


class Doctor:
    """`config`: as it is now; `rehearsing`: a policy that counts nothing, None where no server runs."""

    def __init__(
        self,
        config: Callable[[], Config],
        zones: Zones,
        resolver: Resolver,
        clock: Clock,
        machine: Machine,
        rehearsing: Callable[[], Policy] | None = None,
    ) -> None:
        self._config, self.zones, self._resolver, self._clock = config, zones, resolver, clock
        self._machine, self._rehearsing = machine, rehearsing
        self._busy = 0

    async def check(self, request: DoctorCheck) -> tuple[Diagnosis, ...]:
        """NotFound for domains that are not ours; LimitReached."""
        from mailhub.net.dnssec import ValidatingResolver
        from mailhub.net.https import Https

        from .examination import CHECKS, examined
        from .patient import Patient

        if strange := sorted(set(request.skip) - CHECKS.keys()):
            raise ControlError("usage", f"no check is called {strange[0]!r}; there are {', '.join(CHECKS)}")
        if self._busy >= _AT_ONE_TIME:
            raise LimitReached(f"{_AT_ONE_TIME} examinations are under way")
        self._busy += 1
        try:
            config = self._config()
            patient = Patient(
                await self.zones.facts(request.domain),
                self._resolver,
                ValidatingResolver(config.resolver, self._clock),
                Https(self._resolver, self._clock, config.relay.tls_ca),
                self._clock,
                self._machine,
                self._rehearsing,
            )
            return await examined(patient, request.skip)
        finally:
            self._busy -= 1
