"""The administrator of one domain in Debian's Chromium: he sees it, runs it, and nothing else is shown."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect
from support.accessible import trouble
from support.admin_pages import ADMIN, administered, agree, fill, go, opened
from support.browser import CHROMIUM, chromium
from support.hubs import PASSWORD, messages, send
from support.suspicion import Suspicion
from support.webmail import ANN, BOB, Site

from mailhub.config.filters import Filter
from mailhub.config.schema import Delivery
from mailhub.control import words
from mailhub.policy.inspection import Inspection

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not CHROMIUM, reason="no chromium")]
EVE, CHIEF = "eve@a.test", "chief@a.test"


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as browser:
        yield browser


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Site]:
    """ann administers a.test, where a chief of another domain lives, too."""
    async with administered(tmp_path, delivery=Delivery(relayhost="[127.0.0.1]:1")) as made:
        directory = made.hub.directory
        await directory.add_domain("a.test")
        await directory.add_domain("b.test")
        for account in (EVE, CHIEF):
            await directory.add_account(account, PASSWORD)
        await directory.add_admin("a.test", ANN)
        await directory.add_admin("b.test", CHIEF)
        await made.hub.control.perform(words.DkimCreate(domain="a.test"))
        await made.hub.control.perform(words.QuotaSet(address="@a.test", storage=5_000_000))
        yield made


async def test_a_day_of_an_administrator(browser: Browser, here: Site) -> None:
    await send(here.hub, EVE, "carl@far.test")
    await send(here.hub, BOB, "zoe@far.test")
    await here.hub.queue.idle()
    page = await opened(browser, here, account=ANN)
    await expect(page.locator("#view h1")).to_have_text("Domains")
    links = page.locator("#menu a")
    await expect(links).to_have_text(["Domains", "Accounts", "Aliases", "Queue", "Quarantine"])
    await expect(page.locator("tbody tr")).to_have_count(1)
    await expect(page.get_by_role("button", name="New domain")).to_have_count(0)
    await page.locator("#view").get_by_role("link", name="a.test").click()
    await expect(page.locator("code", has_text="v=spf1").first).to_be_visible()
    await expect(page.get_by_text("waits for DNS")).to_have_count(2)
    for name in ("Check now", "Rotate the keys", "Sign with the new keys now", "Add an administrator", "Remove"):
        await expect(page.get_by_role("button", name=name, exact=True)).to_have_count(0)
    await go(page, "Accounts")
    await expect(page.locator("tbody tr")).to_have_count(2)
    await page.get_by_role("button", name="New account").click()
    await expect(page.locator("#form [name=domain] option")).to_have_text(["@a.test"])
    await fill(page, local="new", password="a fine password")
    await page.locator("#view").get_by_role("link", name="new@a.test").click()
    await page.locator("dd", has_text="5 MB").get_by_role("button", name="Change").click()
    await fill(page, storage="6")
    await expect(page.locator("#form-said")).to_contain_text("5000000")
    await fill(page, storage="4")
    await expect(page.get_by_text("0 B of 4 MB (0%)")).to_be_visible()
    await page.get_by_role("button", name="Remove", exact=True).click()
    await agree(page)
    await go(page, "Aliases")
    await page.get_by_role("button", name="New alias").click()
    await fill(page, address="all@mailhub.test", targets=EVE)
    await expect(page.locator("#form-said")).to_contain_text("none of the domains that you administer")
    await fill(page, address="info@a.test")
    await expect(page.get_by_role("cell", name=EVE)).to_be_visible()
    await go(page, "Queue")
    await expect(page.locator("tbody tr")).to_have_count(1)
    await expect(page.locator("tbody")).to_contain_text("@far.test")
    await expect(page.locator("#view")).not_to_contain_text("carl")
    assert await here.hub.directory.account("new@a.test") is None


async def test_who_may_do_more_is_not_touched(browser: Browser, here: Site) -> None:
    page = await opened(browser, here, "accounts", account=ANN)
    row = page.locator("tbody tr", has_text=CHIEF)
    await row.get_by_role("button", name="Disable").click()
    await expect(page.locator("#toast")).to_contain_text("only who runs the whole server changes that name")
    await page.get_by_role("link", name=CHIEF).click()
    await expect(page.locator("#view .said.bad")).to_contain_text("only who runs the whole server changes that name")
    account = await here.hub.directory.account(CHIEF)
    assert account is not None
    assert account.enabled


async def test_what_is_held_for_the_domain(browser: Browser, here: Site) -> None:
    hub = here.hub
    hub.policy.inspection = Inspection((Suspicion(),), Filter(), "mx.test", hub.clock, hub.mailboxes.lane)
    for recipient in (EVE, EVE, CHIEF, BOB):
        await send(hub, "carl@far.test", recipient)
    await hub.queue.idle()
    page = await opened(browser, here, "quarantine", account=ANN)
    rows = page.get_by_role("table", name="Quarantine").locator("tbody tr")
    await expect(rows).to_have_count(2)
    await expect(rows.first).to_contain_text("it <b>looks</b> odd")
    await rows.first.get_by_role("checkbox").check()
    await page.get_by_role("button", name="Release").click()
    await expect(rows).to_have_count(1)
    await page.get_by_role("button", name="Delete").click()  # all that there are
    await agree(page)
    await expect(page.get_by_text("Nothing is in quarantine.")).to_be_visible()
    assert len(await messages(hub, EVE)) == 1
    assert len(await hub.control.perform(words.QuarantineList())) == 2, "of others"


@pytest.mark.parametrize(("locale", "scheme", "width"), [("en-GB", "light", 1280), ("zh-CN", "dark", 390)])
async def test_nothing_serious(browser: Browser, here: Site, locale: str, scheme: str, width: int) -> None:
    await send(here.hub, EVE, "carl@far.test")
    await here.hub.queue.idle()
    page = await opened(
        browser, here, account=ANN, locale=locale, color_scheme=scheme, viewport={"width": width, "height": 800}
    )
    for name in (
        "domains",
        "domains/a.test",
        "accounts",
        f"accounts/{EVE}",
        "aliases",
        "queue",
        "quarantine",
        "overview",
        "log",
    ):
        await page.goto(f"{here.root}/admin#/{name}")
        await page.locator(f'#view > div[data-drawn="#/{name}"]').wait_for()
        assert await trouble(page) == [], name
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
        assert not await page.locator("#view .said.bad").count(), name


async def test_the_way_there_from_the_mail(browser: Browser, here: Site) -> None:
    for account, there in ((ANN, True), (ADMIN, True), (EVE, False)):
        page = await opened(browser, here, account=account)
        await page.goto(here.root)
        await page.locator("#account summary").click()
        await expect(page.locator("#administration")).to_be_visible(visible=there)
