"""The page of captured mail: three static files, no build step."""

from importlib.resources import files

from aiohttp import web

from ..routes import Route

_FILES = {
    "/": ("capture.html", "text/html"),
    "/static/capture.css": ("capture.css", "text/css"),
    "/static/capture.js": ("capture.js", "text/javascript"),
}


def routes(prefix: str) -> list[Route]:
    """Read once."""
    return [_static(path, name, kind, prefix) for path, (name, kind) in _FILES.items()]


def _static(path: str, name: str, kind: str, prefix: str) -> Route:
    text = (files("mailhub.web") / "static" / name).read_text("utf-8").replace("{{prefix}}", prefix)

    async def send(request: web.Request) -> web.Response:
        return web.Response(text=text, content_type=kind)

    return Route("GET", path, send, hidden=True)
