"""`mailhub doctor`: every check of a domain at one time, each within its own time; what cannot be judged is said to be so."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping

from mailhub.config.schema import Config
from mailhub.model.clock import Clock
from mailhub.model.errors import LimitReached, MailError
from mailhub.net.dnssec import ValidatingResolver
from mailhub.net.https import Https
from mailhub.net.local import Machine
from mailhub.net.resolver import DnsError, Resolver
from mailhub.policy import Policy

from ..errors import ControlError
from . import checks_names as names
from . import checks_ways as ways
from .dns import Zones
from .patient import CannotJudge, Patient, unknown
from .words import Diagnosis, DoctorCheck

log = logging.getLogger("mailhub.control")

_AT_ONE_TIME = 4  # examinations
_PATIENCE = 4  # times setup.timeout for a check that asks many questions

CHECKS: Mapping[str, Callable[[Patient], Awaitable[Diagnosis]]] = {
    "mx": names.mx,
    "host": names.host,
    "ptr": names.ptr,
    "spf": names.spf,
    "dkim": names.dkim,
    "dmarc": names.dmarc,
    "mta-sts": ways.mta_sts_policy,
    "tlsrpt": names.tlsrpt,
    "dane": ways.dane_records,
    "srv": names.srv,
    "autoconfig": ways.autoconfig,
    "out-ipv4": ways.out_ipv4,
    "out-ipv6": ways.out_ipv6,
    "blocklists": names.blocklists,
    "certificate": ways.certificate,
    "relay": ways.open_relay,
}

_AT_HAND = frozenset(("out-ipv4", "out-ipv6", "certificate", "relay"))  # found wrong whatever DNS says


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
            chosen = [name for name in CHECKS if name not in request.skip]
            found = await asyncio.gather(*(self._judged(name, patient) for name in chosen))
            narrow = await _narrow(patient)
            return tuple(_doubted(one, narrow) for one in found)
        finally:
            self._busy -= 1

    async def _judged(self, name: str, patient: Patient) -> Diagnosis:
        try:
            async with self._clock.timeout(patient.config.setup.timeout * _PATIENCE):
                return await CHECKS[name](patient)
        except CannotJudge as cannot:
            return unknown(name, str(cannot), cannot.todo)
        except (DnsError, MailError) as error:
            return unknown(name, str(error))
        except TimeoutError:
            return unknown(name, "no answer in time")
        except Exception as error:
            log.exception("the check %s failed", name)
            return unknown(name, f"internal trouble, see the log: {type(error).__name__}")


async def _narrow(patient: Patient) -> str:
    """Why what is not in DNS here may be there for others: the resolver knows no Internet, or is one for insiders. "": it may not."""
    try:
        if not await patient.knows_the_internet():
            return "the resolver asked here knows nothing of the Internet"
        inner = await patient.inner_addresses()
    except DnsError:
        return ""
    return f"the resolver asked here is one for insiders: {patient.hostname} is {inner[0]} to it" if inner else ""


def _doubted(found: Diagnosis, narrow: str) -> Diagnosis:
    if found.state != "wrong" or not narrow or found.check in _AT_HAND:
        return found
    return unknown(
        found.check, f"{found.text}; but {narrow}", "name one that sees what others see in resolver.nameservers"
    )
