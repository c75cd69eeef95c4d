"""The page of captured mail: three static files, no build step."""

from .. import pages
from ..routes import Route

_FILES = {"/": "capture.html", "/static/capture.css": "capture.css", "/static/capture.js": "capture.js"}


def routes(prefix: str) -> list[Route]:
    """Read once."""
    return pages.served(_FILES, prefix)
