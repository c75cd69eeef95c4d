"""The page to try the HTTP interface, at `/api/`, made of openapi.json by the browser; and the files that all pages have in common."""

from . import pages
from .routes import Route

_COMMON = (
    "common.css", "api.js", "words.js", "dom.js", "icons.js", "signin.js", "confirming.js", "passkeys.js", "toast.js", "asking.js", "format.js",
)  # fmt: skip
_OWN = ("api.css", "main.js", "example.js", "en.json", "zh.json")


def routes(prefix: str) -> list[Route]:
    """Read once."""
    return pages.served(
        {"/api/": "api/api.html", "/api": "api/api.html"} | pages.files("common", _COMMON) | pages.files("api", _OWN),
        prefix,
    )
