"""The way of an address, as the router tells it, aliases followed."""

from mailhub.delivery.router import Router
from mailhub.delivery.routes import Expand, Hold, Local, Refuse, Relay, Route
from mailhub.model.address import key

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
                new = [target for target in route.targets if key(target) == key(address) or key(target) not in seen]
                seen.update(map(key, new))
                waiting += [(target, (*path, key(address))) for target in new]
        return tuple(stops)


def _told(route: Route) -> tuple[str, str]:
    match route:
        case Local(account, _, detail):
            return "local", account if detail is None else f"{account} (+{detail})"
        case Relay(nexthop, transport):
            return transport, nexthop
        case Expand(targets):
            return "expand", ", ".join(targets)
        case Hold(reply):
            return "hold", str(reply)
        case Refuse(reply):
            return "error" if reply.permanent else "retry", str(reply)
