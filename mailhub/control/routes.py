"""The way of an address, as the router tells it, aliases followed."""

from mailhub.delivery.router import Router
from mailhub.delivery.routes import Expand, Hold, Local, Refuse, Relay, Route
from mailhub.model import steps

from .route_words import RouteShow, Stop

STOPS_LIMIT = 1_000  # addresses that are followed


class Routes:
    """Reads only."""

    def __init__(self, router: Router) -> None:
        self._router = router

    async def show(self, request: RouteShow) -> tuple[Stop, ...]:
        """Each address once, in the order in which they come up."""
        waiting: list[tuple[str, tuple[str, ...]]] = [(request.address, ())]
        seen: set[str] = set()
        stops: list[Stop] = []
        while waiting and len(stops) < STOPS_LIMIT:
            address, path = waiting.pop(0)
            route, line = await self._router.explain(address, path, request.sender)
            way, to = _told(route)
            sender = route.sender or "" if isinstance(route, Relay) else ""
            stops.append(Stop(address=address, way=way, to=to, sender=sender, by=line.line if line else ""))
            if isinstance(route, Expand):
                for target, way_there in route.children(address, path):
                    name = steps.name(target, way_there)
                    if name not in seen or name == steps.name(address, path):
                        seen.add(name)
                        waiting.append((target, way_there))
        return tuple(stops)


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
