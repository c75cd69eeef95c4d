"""The gateway guard: addresses behind which anybody may stand get no trust by address, and no ban.

A container's published port is often served by a proxy or by NAT on its gateway: then every client of the internet seems to
come from one private address, which `mynetworks` may well trust and one attacker would get banned for all. Two signs, and
`smtp.trust_gateway` overrides both:

- we are in a container, and the address is a gateway of ours or an address of our own that is not loopback, in a private network;
- the address is a gateway of ours and the only client but loopback that ONLY_CLIENT connections have come from.

Loopback keeps its trust.
"""

import logging
from collections import Counter

from mailhub.net import addresses
from mailhub.net.local import Machine

log = logging.getLogger("mailhub.policy")

ONLY_CLIENT = 100  # connections from one gateway and from nobody else, after which it is taken for a proxy


class Gateways:
    """One per hub. `machine`: as found at the start. `trust`: `smtp.trust_gateway`."""

    def __init__(self, machine: Machine, trust: bool = False) -> None:
        self.trust = trust
        self._machine = machine
        self._shared: dict[str, str] = {}  # address -> why; bounded by the addresses of the machine
        self._connections: Counter[str] = Counter()  # likewise
        self._others = False
        if machine.container:
            for kind, found in (("a gateway", machine.gateways), ("an address", machine.own)):
                for address in sorted(found):
                    if _is_private(address):
                        why = f"{kind} of this container ({machine.container}): any client may stand behind it"
                        self._shared.setdefault(address, why)

    def seen(self, client: str) -> None:
        """A connection from there. The first one of a shared address is told in the log."""
        ip = addresses.parse(client)
        if ip is None or ip.is_loopback:
            return
        address = str(ip)
        if address not in self._shared and address not in self._machine.gateways:
            self._others = True
            return
        self._connections[address] += 1
        if address in self._shared:
            if self._connections[address] == 1 and not self.trust:
                self._tell(address)
        elif not self._others and len(self._connections) == 1 and self._connections[address] >= ONLY_CLIENT:
            self._shared[address] = f"a gateway of this machine, and all of {ONLY_CLIENT} connections came from it"
            if not self.trust:
                self._tell(address)

    def _tell(self, address: str) -> None:
        log.warning(
            "gateway guard: clients from %s get no trust by address and no ban: %s; `smtp.trust_gateway` overrides",
            address, self._shared[address],
        )  # fmt: skip

    def shared(self, client: str) -> bool:
        """Whether anybody may stand behind that address."""
        if self.trust or not self._shared:
            return False
        ip = addresses.parse(client)
        return ip is not None and str(ip) in self._shared

    def reasons(self) -> tuple[tuple[str, str, int], ...]:
        """(address, why, connections that came from it), for `status` and `check`."""
        if self.trust:
            return ()
        return tuple((address, why, self._connections[address]) for address, why in self._shared.items())


def _is_private(address: str) -> bool:
    """Networks that containers get: the private ones, unique and link local ones, 100.64.0.0/10."""
    ip = addresses.parse(address)
    return ip is not None and not ip.is_global and not ip.is_loopback
