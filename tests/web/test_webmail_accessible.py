"""The page of mail for who can not see well, or has no mouse: axe-core finds nothing serious; all goes by keyboard."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect
from support.accessible import trouble
from support.browser import CHROMIUM, chromium
from support.hubs import PASSWORD
from support.letters import give, letter, rich
from support.webmail import ANN, BOB, Site, site

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not CHROMIUM, reason="no chromium")]


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as browser:
        yield browser


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Site]:
    async with site(tmp_path) as made:
        await give(made, rich(), letter("Second", List_Unsubscribe="<https://list.example/u>"))
        yield made


@pytest.mark.parametrize(
    ("locale", "scheme", "width"),
    [("en-GB", "light", 1280), ("en-GB", "dark", 1280), ("zh-CN", "light", 1280), ("en-GB", "dark", 390)],
)
async def test_nothing_serious(browser: Browser, here: Site, locale: str, scheme: str, width: int) -> None:
    context = await browser.new_context(locale=locale, color_scheme=scheme, viewport={"width": width, "height": 800})  # type: ignore[arg-type]
    page = await context.new_page()
    page.set_default_timeout(20_000)
    await page.goto(here.root + "/")
    await page.locator("#signin-form").wait_for()
    assert await trouble(page) == []
    await page.locator("[name=login]").fill(ANN)
    await page.locator("[name=password]").fill(PASSWORD)
    await page.keyboard.press("Enter")
    await page.locator(".row").first.wait_for()
    assert await trouble(page) == []
    await page.locator(".row", has_text="Report").click()
    await page.locator("iframe.text").wait_for()
    assert await trouble(page) == []
    await page.locator("#message .tools button.main").click()
    await page.locator(".writer iframe").wait_for()
    assert await trouble(page) == []
    await page.locator(".writer header button").last.click()
    await page.keyboard.press("?")
    await page.locator("#asking[open]").wait_for()
    assert await trouble(page) == []


async def test_the_checker_does_find_what_is_wrong(browser: Browser) -> None:
    page = await browser.new_page()
    await page.set_content('<html><body><img src="x"><input><p style="color:#bbb">faint</p></body></html>')
    assert {one.split(":")[0] for one in await trouble(page)} >= {
        "image-alt",
        "label",
        "color-contrast",
        "html-has-lang",
    }


async def test_without_a_mouse(browser: Browser, here: Site) -> None:
    """Read, answer, send, file away and search, by keys alone."""
    page = await (await browser.new_context(locale="en-GB", viewport={"width": 1280, "height": 800})).new_page()
    page.set_default_timeout(20_000)
    keys = page.keyboard
    await page.goto(here.root + "/")
    await page.locator("#signin-form").wait_for()
    await keys.type(ANN)
    await keys.press("Tab")
    await keys.type(PASSWORD)
    await keys.press("Enter")
    await page.locator(".row").first.wait_for()
    await keys.press("j")
    await keys.press("j")
    await keys.press("o")
    await expect(page.locator("#message h2")).to_have_text("Report")
    await keys.press("r")
    await page.frame_locator(".writer iframe").locator("blockquote").wait_for()
    await expect(page.locator(".writer iframe")).to_be_focused()
    await keys.type("By keys")
    await keys.press("Control+Enter")
    await expect(page.locator("#toast")).to_contain_text("Sent.")
    await here.hub.clock.advance(60)  # type: ignore[attr-defined]
    await here.hub.queue.idle()
    assert (await here.hub.mailboxes.account(BOB).find("INBOX")).messages == 1
    await keys.press("e")
    await expect(page.locator("#toast")).to_contain_text("moved to Archive")
    await expect(page.locator(".row")).to_have_count(1)


async def test_right_to_left(browser: Browser, here: Site) -> None:
    """Nothing is put left or right: a page that is turned around has its folders at the other side, and nothing sticks out."""
    page: Page = await (await browser.new_context(locale="en-GB", viewport={"width": 1280, "height": 800})).new_page()
    await page.goto(here.root + "/")
    await page.locator("[name=login]").fill(ANN)
    await page.locator("[name=password]").fill(PASSWORD)
    await page.keyboard.press("Enter")
    await page.locator(".row").first.wait_for()
    await page.evaluate("document.documentElement.dir = 'rtl'")
    box = await page.locator("#folders").bounding_box()
    assert box is not None
    assert box["x"] > 900
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
