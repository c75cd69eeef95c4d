"""The page of mail: static files, no build step."""

from .. import pages
from ..routes import Route

_PLACE = "/static/mail/"
_FILES = ("mail.css", "main.js", "api.js", "words.js", "signin.js", "dom.js", "en.json", "zh.json")


def routes(prefix: str) -> list[Route]:
    """Read once."""
    return pages.served({"/": "mail/mail.html", **{_PLACE + name: f"mail/{name}" for name in _FILES}}, prefix)
