"""Mail in a real browser: Debian's Chromium."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect
from support.browser import CHROMIUM, chromium
from support.hubs import PASSWORD
from support.webmail import ANN, Site, site

from mailhub.config.signin import Auth
from mailhub.directory.second_factor import STEP, SecondFactors, code

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not CHROMIUM, reason="no chromium")]


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as browser:
        yield browser


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Site]:
    async with site(tmp_path) as made:
        yield made


async def opened(browser: Browser, here: Site, locale: str = "en-GB") -> Page:
    page = await (await browser.new_context(locale=locale)).new_page()
    page.set_default_timeout(20_000)
    await page.goto(here.root + "/")
    return page


async def test_sign_in_with_a_code_and_out(browser: Browser, here: Site) -> None:
    factors = SecondFactors(here.hub.store.directory, here.hub.clock, "mailhub.test")
    made = await factors.begin(ANN)
    step = int(here.hub.clock.now()) // STEP
    await factors.confirm(ANN, code(made.secret, step - 1))
    page = await opened(browser, here)
    await page.get_by_label("Address").fill(ANN)
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Sign in").click()
    await page.get_by_label("Code of your second factor").fill(code(made.secret, step))
    await page.keyboard.press("Enter")
    await expect(page.locator("#who")).to_have_text(ANN)
    await page.reload()
    await expect(page.locator("#who")).to_have_text(ANN)
    assert await page.evaluate("document.cookie") == "", "no script can read it"
    await page.locator("#account summary").click()
    await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_label("Password")).to_be_visible()
    await page.reload()
    await expect(page.get_by_label("Password")).to_be_visible()


async def test_a_wrong_password_is_said_so_in_chinese(browser: Browser, tmp_path: Path) -> None:
    async with site(tmp_path, auth=Auth(allow_plaintext=True, failure_delay=0.0)) as here:
        page = await opened(browser, here, "zh-CN")
        await page.get_by_label("邮箱地址").fill(ANN)
        await page.get_by_label("密码").fill("wrong")
        await page.get_by_role("button", name="登录").click()
        await expect(page.get_by_role("alert")).to_have_text("邮箱地址、密码或验证码不正确。")


async def test_no_other_page_can_frame_it(browser: Browser, here: Site) -> None:
    page = await (await browser.new_context()).new_page()
    async with page.expect_console_message(lambda message: "frame-ancestors" in message.text):
        await page.set_content(f'<iframe id="f" src="{here.root}/"></iframe>')
    frame = await (await page.wait_for_selector("#f")).content_frame()
    assert frame is not None
    assert await frame.locator("#signin-form").count() == 0
