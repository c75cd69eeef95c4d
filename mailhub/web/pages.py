"""Files of pages: read once, known again by a browser that has them."""

import hashlib
from collections.abc import Iterable, Mapping
from importlib import resources

from aiohttp import web

from .routes import Route

_KINDS = {
    "html": "text/html",
    "css": "text/css",
    "js": "text/javascript",
    "json": "application/json",
    "svg": "image/svg+xml",
}


def text(name: str) -> str:
    """A file of `static/`."""
    return (resources.files("mailhub.web") / "static" / name).read_text("utf-8")


def files(folder: str, names: Iterable[str]) -> dict[str, str]:
    """Files of a folder of `static/`, by the paths that they are served under."""
    return {f"/static/{folder}/{name}": f"{folder}/{name}" for name in names}


def served(names: Mapping[str, str], prefix: str, policy: str = "") -> list[Route]:
    """By path, a file of `static/`, with `{{prefix}}` for what stands before all paths. `policy`: its Content-Security-Policy, "" for that of pages."""
    return [_route(path, name, prefix, policy) for path, name in names.items()]


def _route(path: str, name: str, prefix: str, policy: str) -> Route:
    content = text(name).replace("{{prefix}}", prefix).encode()
    kind, tag = _KINDS[name.rpartition(".")[2]], hashlib.sha256(content).hexdigest()[:20]

    async def send(request: web.Request) -> web.Response:
        asked = request.if_none_match or ()
        known = any(one.value in (tag, "*") for one in asked)
        response = web.Response(status=304) if known else web.Response(body=content, content_type=kind, charset="utf-8")
        response.etag = tag
        response.headers["Cache-Control"] = "no-cache"
        if policy:
            response.headers["Content-Security-Policy"] = policy
        return response

    return Route("GET", path, send, hidden=True)
