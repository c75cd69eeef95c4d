"""What programs of others use, in Debian's Chromium: tokens made and removed, webhooks looked at and tried."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect
from support.admin_pages import administered, agree, fill, go, opened
from support.browser import CHROMIUM, chromium
from support.hubs import PASSWORD
from support.webmail import Site

from mailhub.config.webhooks import Webhook
from mailhub.model.clock import VirtualClock

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not CHROMIUM, reason="no chromium")]


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as browser:
        yield browser


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Site]:
    (tmp_path / "secret").write_text("whsec_" + "A" * 40)
    hooks = {"shop": Webhook(url="http://127.0.0.1:1/hook", secret_file=str(tmp_path / "secret"))}
    async with administered(tmp_path, webhook=hooks) as made:
        yield made


async def test_a_token_is_made_shown_once_used_and_removed(browser: Browser, here: Site) -> None:
    page = await opened(browser, here)
    assert isinstance(here.hub.clock, VirtualClock)
    await here.hub.clock.advance(301.0)
    await go(page, "Tokens")
    await page.get_by_role("button", name="New token").click()
    await fill(page, name="backup", scopes="queue:nothing", days="7")
    await page.locator("#asking").get_by_label("Password").fill(PASSWORD)
    await agree(page)
    await expect(page.locator("#form-said")).to_contain_text("no scope 'queue:nothing'")
    await fill(page, scopes="queue:read\ndomain:read@mailhub.test")
    token = await page.locator(".secret").inner_text()
    row = page.locator("tbody tr")
    await expect(row).to_contain_text("queue:read")
    await expect(row).to_contain_text("never")
    program = await here.browser(Authorization=f"Bearer {token}")
    await program.ask("GET", "/api/mailhub/v1/queue.summary")
    await page.reload()
    await expect(row).to_contain_text("127.0.0.1")
    await expect(page.locator(".secret")).to_have_count(0)
    await row.get_by_role("button", name="Remove").click()
    await agree(page)
    await expect(page.get_by_text("There are no tokens.")).to_be_visible()
    await program.ask("GET", "/api/mailhub/v1/queue.summary", 401)


async def test_a_webhook_is_tried(browser: Browser, here: Site) -> None:
    page = await opened(browser, here, "webhooks")
    row = page.locator("tbody tr")
    await expect(row).to_contain_text("http://127.0.0.1:1/hook")
    await expect(row.locator(".badge")).to_have_text("well")
    await row.get_by_role("button", name="Send a test").click()
    await expect(page.locator("#toast")).to_contain_text("A test event for “shop” is on its way.")
    await expect(row).to_contain_text("1")
    (count,) = await here.hub.store.webhooks.counts()
    assert (count.hook, count.waiting) == ("shop", 1)
