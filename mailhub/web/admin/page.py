"""The files of the pages of administration: no build step."""

from .. import pages
from ..routes import Route

_OWN = (
    "admin.css", "main.js", "who.js", "parts.js", "overview.js", "domains.js", "domain.js", "accounts.js", "account.js", "aliases.js", "quota.js", "queue.js", "message.js", "trace.js",
    "quarantine.js", "guard.js", "tokens.js", "webhooks.js", "explain.js", "log.js", "figures.js", "chart.js", "reports.js", "en.json", "zh.json",
)  # fmt: skip


def routes(prefix: str) -> list[Route]:
    """Read once. `web.trying` serves what pages have in common."""
    return pages.served({"/admin": "admin/admin.html"} | pages.files("admin", _OWN), prefix)
