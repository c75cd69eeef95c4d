"""The pages of administration in a real browser."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, Page, expect
from support.hubs import PASSWORD
from support.webmail import BOB, Site, site

from mailhub.config.signin import Auth
from mailhub.config.web import Web

ADMIN = BOB


@contextlib.asynccontextmanager
async def administered(data: Path, **options: Any) -> AsyncIterator[Site]:
    """A site that bob may run."""
    options.setdefault("auth", Auth(allow_plaintext=True, failure_delay=0.0))
    options.setdefault("web", Web(admins=(ADMIN,)))
    async with site(data, **options) as made:
        yield made


async def opened(
    browser: Browser, here: Site, path: str = "", account: str = ADMIN, prefix: str = "", **options: Any
) -> Page:
    """A page of administration, signed in. `path`: behind the #/."""
    options = {"locale": "en-GB", "viewport": {"width": 1280, "height": 800}, **options}
    page = await (await browser.new_context(**options)).new_page()
    page.set_default_timeout(10_000)
    expect.set_options(timeout=10_000)
    await page.goto(f"{here.root}{prefix}/admin#/{path}")
    await page.locator("input[name=login]").fill(account)
    await page.locator("input[name=password]").fill(PASSWORD)
    await page.keyboard.press("Enter")
    await expect(page.locator("#view h1:visible, #stranger h1:visible").first).to_be_visible()
    return page


async def go(page: Page, name: str) -> None:
    """By the menu."""
    await page.locator("#menu").get_by_role("link", name=name, exact=True).click()
    await expect(page.locator("#view h1")).to_have_text(name)


async def fill(page: Page, done: str = "OK", **values: str) -> None:
    """The form that is open: its fields by name."""
    for name, value in values.items():
        control = page.locator(f"#form [name={name}]")
        if await control.evaluate("one => one.localName") == "select":
            await control.select_option(value)
        else:
            await control.fill(value)
    await page.locator("#form").get_by_role("button", name=done, exact=True).click()


async def agree(page: Page) -> None:
    """To the question that is asked."""
    await page.locator("#asking").get_by_role("button", name="OK").click()
