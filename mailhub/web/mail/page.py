"""The page of mail: static files, no build step."""

from .. import pages
from ..routes import Route
from .reading import FRAME

_COMMON = ("common.css", "api.js", "words.js", "dom.js", "icons.js")
_OWN = (
    "mail.css", "compose.css", "main.js", "signin.js", "state.js", "preferences.js", "format.js", "toast.js", "asking.js", "folders.js", "list.js", "message.js",
    "actions.js", "keys.js", "writing.js", "answering.js", "editor.js", "outgoing.js", "en.json", "zh.json",
)  # fmt: skip


def routes(prefix: str) -> list[Route]:
    """Read once."""
    editor = pages.served(pages.files("mail", ["editor.html"]), prefix, FRAME)
    return editor + pages.served(
        {"/": "mail/mail.html"} | pages.files("common", _COMMON) | pages.files("mail", _OWN), prefix
    )
