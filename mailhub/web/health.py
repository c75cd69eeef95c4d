"""`/health`: whether the server lives, and whether it takes mail."""

from collections.abc import Callable

from aiohttp import web

from .routes import Route, answered

Trouble = Callable[[], str]  # why no mail is taken now, "" where it is


def routes(trouble: Trouble) -> list[Route]:
    async def live(request: web.Request) -> web.Response:
        return answered({"status": "live"})

    async def ready(request: web.Request) -> web.Response:
        reason = trouble()
        return answered({"status": "not ready", "reason": reason}, 503) if reason else answered({"status": "ready"})

    return [
        Route("GET", "/health", ready, "Whether the server takes mail"),
        Route("GET", "/health/live", live, "Whether the process lives"),
        Route("GET", "/health/ready", ready, "Whether the server takes mail"),
    ]
