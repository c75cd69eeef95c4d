"""An examination: every check at one time, each within its own time; what cannot be judged is said to be so."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping

from mailhub.model.errors import MailError
from mailhub.net.resolver import DnsError

from . import checks_names as names
from . import checks_ways as ways
from .patient import CannotJudge, Patient, unknown
from .words import Diagnosis

log = logging.getLogger("mailhub.control")

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


async def examined(patient: Patient, skip: Collection[str]) -> tuple[Diagnosis, ...]:
    """In the order of the table, without those that are skipped."""
    chosen = [name for name in CHECKS if name not in skip]
    found = await asyncio.gather(*(_judged(name, patient) for name in chosen))
    narrow = await _narrow(patient)
    return tuple(_doubted(one, narrow) for one in found)


async def _judged(name: str, patient: Patient) -> Diagnosis:
    try:
        async with patient.clock.timeout(patient.config.setup.timeout * _PATIENCE):
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
