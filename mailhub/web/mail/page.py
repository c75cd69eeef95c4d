"""The page of mail: static files, no build step."""

from .. import pages
from ..routes import Route

_COMMON = ("common.css", "api.js", "words.js", "dom.js")
_OWN = ("mail.css", "main.js", "signin.js", "en.json", "zh.json")


def routes(prefix: str) -> list[Route]:
    """Read once."""
    return pages.served({"/": "mail/mail.html"} | pages.files("common", _COMMON) | pages.files("mail", _OWN), prefix)
