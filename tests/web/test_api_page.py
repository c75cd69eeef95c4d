"""The page to try the HTTP interface, in Debian's Chromium."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect
from support.accessible import trouble
from support.admin_pages import administered, opened
from support.browser import CHROMIUM, chromium
from support.webmail import Site

from mailhub.config.web import Web
from mailhub.control import words

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not CHROMIUM, reason="no chromium")]


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as browser:
        yield browser


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Site]:
    async with administered(tmp_path) as made:
        yield made


async def choose(page: Page, name: str) -> None:
    await page.get_by_label("Filter").fill(name)
    await page.locator("#operations").get_by_role("link", name=name).first.click()
    await expect(page.locator("main h2")).to_contain_text(name.split()[1])


async def test_an_action_by_token(browser: Browser, here: Site) -> None:
    made = await here.hub.control.perform(words.TokenAdd(name="mine", scopes=("domain:write",)))
    page = await (await browser.new_context(locale="en-GB")).new_page()
    await page.goto(here.root + "/api/")
    await choose(page, "POST domain.add")
    body = page.get_by_role("textbox", name="Body")
    await body.fill('{"name": "it\'s.test"}')
    await page.get_by_role("button", name="Send").click()
    await expect(page.get_by_role("heading", name="401")).to_be_visible()
    await page.get_by_role("textbox", name="token").fill(made.token)
    await body.fill('{"name": "new.test"}')
    await page.get_by_role("button", name="Send").click()
    await expect(page.get_by_role("heading", name="200")).to_be_visible()
    assert "new.test" in [one.name for one in await here.hub.directory.domains()]
    command = page.locator("pre", has_text="curl")
    await expect(command).to_contain_text('-d \'{"name": "new.test"}\'')
    assert made.token not in await page.locator("main").inner_text()


async def test_by_the_browsers_session_with_a_query_and_a_stream(browser: Browser, here: Site) -> None:
    page = await opened(browser, here)
    await page.goto(here.root + "/api/")
    await expect(page.locator("#signed")).to_have_text("bob@mailhub.test")
    await choose(page, "GET user.list")
    await page.get_by_label("limit").fill("1")
    await page.get_by_role("button", name="Send").click()
    await expect(page.get_by_label("Answer")).to_contain_text('"address": "ann@mailhub.test"')
    await expect(page.get_by_label("Answer")).not_to_contain_text("bob@")
    await choose(page, "GET trace.follow")
    await page.get_by_role("button", name="Send").click()
    await expect(page.get_by_label("Answer")).to_contain_text(": here")
    await page.get_by_role("button", name="Stop").click()
    await expect(page.get_by_role("button", name="Stop")).to_be_hidden()


async def test_every_operation_can_be_chosen_and_nothing_serious_is_wrong(browser: Browser, here: Site) -> None:
    page = await (await browser.new_context(locale="zh-CN", viewport={"width": 390, "height": 844})).new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    await page.goto(here.root + "/api/")
    links = page.locator("#operations a")
    await expect(links.first).to_be_visible()
    await page.evaluate("for (const one of [...document.querySelectorAll('#operations a')]) location.hash = one.hash")
    await links.last.click()
    await expect(page.locator("main h2")).to_be_visible()
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert await trouble(page) == []
    assert wrong == []


async def test_it_stands_below_a_prefix_and_without_webmail(browser: Browser, tmp_path: Path) -> None:
    async with administered(tmp_path, web=Web(prefix="/post", webmail=False)) as here:
        page = await (await browser.new_context(locale="en-GB")).new_page()
        await page.goto(here.root + "/post/api/")
        await choose(page, "GET /health")
        await page.get_by_role("button", name="Send").click()
        await expect(page.get_by_role("heading", name="200")).to_be_visible()
