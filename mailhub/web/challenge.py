"""/.well-known/acme-challenge/: what proves to an authority that a name is ours (RFC 8555 section 8.3)."""

from aiohttp import web

from mailhub.model.errors import NotFound
from mailhub.net.challenges import Challenges

from .routes import Route


def routes(challenges: Challenges) -> list[Route]:
    async def answer(request: web.Request) -> web.Response:
        found = challenges.answer(request.match_info["token"])
        if found is None:
            raise NotFound("no such challenge")
        return web.Response(text=found, content_type="application/octet-stream")

    return [Route("GET", "/.well-known/acme-challenge/{token}", answer, hidden=True, public=True)]
