"""The way of an address, as the router tells it, aliases followed."""

from collections.abc import AsyncIterator, Iterable

from mailhub.delivery.router import Router
from mailhub.delivery.routes import Expand, Hold, Local, Refuse, Relay, Route
from mailhub.model import steps
from mailhub.model.address import key

from .route_words import RouteShow, Stop

STOPS_LIMIT = 1_000  # addresses that are followed


class Routes:
    """Reads only."""

    def __init__(self, router: Router) -> None:
        self._router = router

    async def show(self, request: RouteShow) -> tuple[Stop, ...]:
        """Each address once, in the order in which they come up."""
        stops = []
        async for address, route, by in self._followed(request.address, request.sender):
            way, to = _told(route)
            sender = route.sender or "" if isinstance(route, Relay) else ""
            stops.append(Stop(address=address, way=way, to=to, sender=sender, by=by))
        return tuple(stops)

    async def belongs(self, address: str, account: str) -> bool:
        """Whether mail for the address comes into the account's mailbox and goes nowhere else."""
        ends = [route async for _, route, _ in self._followed(address, "") if not isinstance(route, Expand)]
        return bool(ends) and all(isinstance(end, Local) and end.account == account for end in ends)

    async def passed(self, addresses: Iterable[str]) -> set[str]:
        """Keys of all that mail for these addresses goes by, and the accounts it ends in."""
        found: set[str] = set()
        for first in addresses:
            async for address, route, _ in self._followed(first, ""):
                found.add(key(address))
                if isinstance(route, Local):
                    found.add(route.account)
        return found

    async def _followed(self, first: str, sender: str) -> AsyncIterator[tuple[str, Route, str]]:
        """Address, way, and the line of a table that said so."""
        waiting: list[tuple[str, tuple[str, ...]]] = [(first, ())]
        seen: set[str] = set()
        for _ in range(STOPS_LIMIT):
            if not waiting:
                return
            address, path = waiting.pop(0)
            route, line = await self._router.explain(address, path, sender)
            yield address, route, line.line if line else ""
            if isinstance(route, Expand):
                for target, way_there in route.children(address, path):
                    name = steps.name(target, way_there)
                    if name not in seen or name == steps.name(address, path):
                        seen.add(name)
                        waiting.append((target, way_there))


def _told(route: Route) -> tuple[str, str]:
    match route:
        case Local(account, _, detail):
            return "local", account if detail is None else f"{account} (+{detail})"
        case Relay(nexthop, transport):
            return transport, nexthop
        case Expand(targets, asides):
            return "expand", ", ".join((*targets, *asides))
        case Hold(reply):
            return "hold", str(reply)
        case Refuse(reply):
            return "error" if reply.permanent else "retry", str(reply)
