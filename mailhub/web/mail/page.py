"""The page of mail: static files, no build step."""

from .. import pages
from ..routes import Route
from .reading import FRAME

_OWN = (
    "mail.css", "compose.css", "main.js", "passkeys.js", "state.js", "preferences.js", "names.js", "folders.js", "list.js", "message.js",
    "actions.js", "keys.js", "writing.js", "answering.js", "editor.js", "outgoing.js", "en.json", "zh.json",
)  # fmt: skip
_SETTINGS = (
    "settings.css", "main.js", "parts.js", "general.js", "identities.js", "rules.js", "filters.js", "absence.js", "sharing.js", "security.js", "en.json",
    "zh.json",
)  # fmt: skip


def routes(prefix: str) -> list[Route]:
    """Read once. `web.trying` serves what pages have in common."""
    editor = pages.served(pages.files("mail", ["editor.html"]), prefix, FRAME)
    found = pages.files("mail", _OWN) | pages.files("mail/settings", _SETTINGS)
    return editor + pages.served({"/": "mail/mail.html"} | found, prefix)
