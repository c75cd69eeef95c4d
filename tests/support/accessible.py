"""axe-core, run in a page: what is wrong for who can not see, or can not point."""

from importlib.resources import files
from typing import Any

from playwright.async_api import Page

_SOURCE = (files("axe_playwright_python") / "axe.min.js").read_text()
_RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"], "iframes": False}
_WORSE = ("serious", "critical")


async def trouble(page: Page) -> list[str]:
    """Serious and critical findings: the rule, and where."""
    await page.evaluate(_SOURCE)
    found: Any = await page.evaluate("rules => axe.run(document, rules)", _RULES)
    return [
        f"{one['id']}: {node['html'][:200]} {node.get('failureSummary', '')[:300]}"
        for one in found["violations"]
        if one["impact"] in _WORSE
        for node in one["nodes"]
    ]
