"""`/health`: whether the server lives, and whether it takes mail."""

from collections.abc import Callable

from aiohttp import web

from .routes import Route, answered

Trouble = Callable[[], str]  # why no mail is taken now, "" where it is
Alarms = Callable[[], dict[str, str]]  # what is wrong, by room


def routes(trouble: Trouble, alarms: Alarms = dict) -> list[Route]:
    """A server that takes mail may have something to complain of: anybody may hear in which rooms, and the operator by `mailhub status` what."""

    async def live(request: web.Request) -> web.Response:
        return answered({"status": "live"})

    async def ready(request: web.Request) -> web.Response:
        reason = trouble()
        said = {"alarms": sorted(found), "see": "mailhub status"} if (found := alarms()) else {}
        if reason:
            return answered({"status": "not ready", "reason": reason, **said}, 503)
        return answered({"status": "ready", **said})

    return [
        Route("GET", "/health", ready, "Whether the server takes mail"),
        Route("GET", "/health/live", live, "Whether the process lives"),
        Route("GET", "/health/ready", ready, "Whether the server takes mail"),
    ]
