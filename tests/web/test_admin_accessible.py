"""The pages of administration for who can not see well: axe-core finds nothing serious on any of them, and nothing is wider than the window."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect
from support.accessible import trouble
from support.admin_pages import administered, opened
from support.browser import CHROMIUM, chromium
from support.hubs import send
from support.webmail import ANN, BOB, Site

from mailhub.config.history import History
from mailhub.config.schema import Delivery
from mailhub.config.webhooks import Webhook
from mailhub.control import words
from mailhub.store.api import Figures

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not CHROMIUM, reason="no chromium")]
PAGES = (
    "overview",
    "domains",
    "accounts",
    "aliases",
    "queue",
    "trace",
    "quarantine",
    "figures",
    "reports",
    "guard",
    "explain",
    "log",
    "tokens",
    "webhooks",
)


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as browser:
        yield browser


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Site]:
    hooks = {"shop": Webhook(url="http://127.0.0.1:1/hook", secret_file=str(tmp_path / "secret"))}
    (tmp_path / "secret").write_text("whsec_" + "A" * 40)
    async with administered(
        tmp_path, history=History(), delivery=Delivery(relayhost="[127.0.0.1]:1"), webhook=hooks
    ) as made:
        control = made.hub.control.perform
        await control(words.TokenAdd(name="backup of everything", scopes=("queue:read", "user:write@mailhub.test")))
        await control(words.DkimCreate(domain="mailhub.test"))
        await control(words.BanAdd(network="192.0.2.0/24", seconds=600, note="noise"))
        await control(words.AliasAdd(address="info@mailhub.test", targets=(ANN, BOB)))
        await made.hub.store.history.add(Figures(int(made.hub.clock.now()) - 600, accepted=3), 1e6, 1e6)
        await send(made.hub, ANN, "carl@far.test")
        await made.hub.queue.idle()
        yield made


@pytest.mark.parametrize(("locale", "scheme", "width"), [("en-GB", "light", 1280), ("zh-CN", "dark", 390)])
async def test_nothing_serious(browser: Browser, here: Site, locale: str, scheme: str, width: int) -> None:
    (stuck,) = await here.hub.control.perform(words.QueueList())
    page = await opened(browser, here, locale=locale, color_scheme=scheme, viewport={"width": width, "height": 800})
    for name in (*PAGES, "domains/mailhub.test", f"accounts/{ANN}", f"queue/{stuck.id}", f"trace/{ANN}"):
        await page.goto(f"{here.root}/admin#/{name}")
        await page.locator(f'#view > div[data-drawn="#/{name}"]').wait_for()
        assert await trouble(page) == [], name
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
        assert not await page.locator("#view .said.bad").count(), name
    await page.goto(f"{here.root}/admin#/accounts")
    await page.locator("#view .head button.main").click()
    await expect(page.locator("#form-dialog")).to_be_visible()
    assert await trouble(page) == []
