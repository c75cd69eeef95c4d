"""An administrator makes and changes domains, accounts and aliases in Debian's Chromium."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect
from support.admin_pages import ADMIN, administered, agree, fill, go, opened
from support.browser import CHROMIUM, chromium
from support.hubs import PASSWORD
from support.webmail import ANN, Site

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


async def signs_in(here: Site, login: str, password: str) -> bool:
    found = await here.hub.authenticator.authenticate(login, password, service="imap", client="192.0.2.1")
    return found is not None


async def test_make_a_domain_an_account_and_an_alias(browser: Browser, here: Site) -> None:
    page = await opened(browser, here)
    await go(page, "Domains")
    await page.get_by_role("button", name="New domain").click()
    await fill(page, name="new.test")
    await page.locator("#view").get_by_role("link", name="new.test").click()
    await expect(page.locator("code", has_text="v=spf1").first).to_be_visible()
    await page.locator("#view").get_by_role("link", name="Accounts").click()
    await page.get_by_role("button", name="New account").click()
    assert await page.locator("#form [name=domain]").input_value() == "new.test", "the one that was looked at"
    await fill(page, local="eve", password="a fine password")
    await page.locator("#view").get_by_role("link", name="eve@new.test").click()
    assert await signs_in(here, "eve@new.test", "a fine password")
    await page.locator("dd", has_text="mail stays here").get_by_role("button", name="Change").click()
    await fill(page, targets="eve@far.test")
    await expect(page.get_by_text("eve@far.test")).to_be_visible()
    await go(page, "Aliases")
    await page.get_by_role("button", name="New alias").click()
    await fill(page, address="info@new.test", targets="eve@new.test\nann@mailhub.test")
    await expect(page.get_by_role("cell", name="eve@new.test, ann@mailhub.test")).to_be_visible()
    assert await here.hub.directory.alias("info@new.test") == ("eve@new.test", "ann@mailhub.test")


async def test_what_the_server_has_against_it_is_told_in_the_form(browser: Browser, here: Site) -> None:
    page = await opened(browser, here, "accounts")
    await page.get_by_role("button", name="New account").click()
    await fill(page, local="ann", password="another password")
    await expect(page.locator("#form-said")).to_have_text(f"account {ANN} exists")
    await fill(page, local="other")
    await expect(page.locator("#view").get_by_role("link", name="other@mailhub.test")).to_be_visible()


async def test_change_password_quota_state_and_remove(browser: Browser, here: Site) -> None:
    page = await opened(browser, here, "accounts")
    await page.get_by_label("Filter").fill("ANN@")
    await expect(page.locator("tbody tr")).to_have_count(1)
    await page.get_by_role("link", name=ANN).click()
    await page.locator("dd").nth(1).get_by_role("button", name="Change").click()
    await page.get_by_role("button", name="Make one up").click()
    password = await page.locator("#form [name=password]").input_value()
    await fill(page)
    await expect(page.locator("#toast")).to_contain_text("The password is changed.")
    assert len(password) == 20
    assert await signs_in(here, ANN, password)
    assert not await signs_in(here, ANN, PASSWORD)
    await page.locator("dd", has_text="without limit").get_by_role("button", name="Change").click()
    await fill(page, storage="1.5")
    await expect(page.get_by_text("0 B of 1.5 MB (0%)")).to_be_visible()
    assert (await here.hub.control.perform(words.QuotaGet(address=ANN))).storage_limit == 1_500_000
    await page.get_by_role("button", name="Disable").click()
    await expect(page.get_by_role("button", name="Enable")).to_be_visible()
    assert not await signs_in(here, ANN, password)
    await page.get_by_role("button", name="Remove", exact=True).click()
    await page.locator("#asking").get_by_role("button", name="Cancel").click()
    assert await here.hub.directory.account(ANN) is not None
    await page.get_by_role("button", name="Remove", exact=True).click()
    await agree(page)
    await expect(page.locator("#view h1")).to_have_text("Accounts")
    assert await here.hub.directory.account(ANN) is None


async def test_keys_and_administrators_of_a_domain(browser: Browser, here: Site) -> None:
    page = await opened(browser, here, "domains/mailhub.test")
    await page.get_by_role("button", name="Make keys").click()
    await expect(page.get_by_text("waits for DNS")).to_have_count(2)
    await page.get_by_role("button", name="Sign with the new keys now").click()
    await agree(page)
    await expect(page.get_by_text("signs", exact=True)).to_have_count(2)
    await page.get_by_role("button", name="Rotate the keys").click()
    await agree(page)
    await expect(page.get_by_text("waits for DNS")).to_have_count(2)
    states = [key.state for key in await here.hub.control.perform(words.DkimList(domain="mailhub.test"))]
    assert sorted(states) == ["active", "active", "new", "new"]
    await page.get_by_role("button", name="Add an administrator").click()
    await fill(page, add=ANN)
    await expect(page.locator("#view").get_by_role("link", name=ANN)).to_be_visible()
    assert await here.hub.directory.administers(ANN, "mailhub.test")
    async with page.expect_download() as downloading:
        await page.get_by_text("As a zone file").click()
        await page.get_by_role("link", name="Download").click()
    zone = (await (await downloading.value).path()).read_text()
    assert "_dmarc" in zone
    assert zone == (await here.hub.control.perform(words.DnsShow(domain="mailhub.test"))).zone


async def test_records_are_checked_and_each_is_told_its_state(browser: Browser, here: Site) -> None:
    page = await opened(browser, here, "domains/mailhub.test")
    await expect(page.locator("code", has_text="v=spf1").first).to_be_visible()
    found = [
        {"check": "mx", "state": "ok", "text": "mail goes there", "todo": ""},
        {"check": "spf", "state": "wrong", "text": "there is <b>no</b> record", "todo": "make one"},
    ]
    await page.route(
        "**/doctor.check", lambda route: route.fulfill(body=json.dumps(found), content_type="application/json")
    )
    await page.get_by_role("button", name="Check now").click()
    await expect(page.get_by_text("Found wrong: 1")).to_be_visible()
    await expect(page.get_by_text("there is <b>no</b> record")).to_be_visible()
    mx = (
        page.get_by_role("table", name="DNS records")
        .get_by_role("row")
        .filter(has=page.get_by_role("cell", name="MX", exact=True))
    )
    await expect(mx.locator(".badge")).to_have_text("right")


async def test_who_is_no_administrator_is_told_so(browser: Browser, here: Site) -> None:
    page = await opened(browser, here, account=ANN)
    await expect(page.locator("#stranger")).to_contain_text(f"{ANN} is no administrator of this server")
    await expect(page.locator("#admin")).to_be_hidden()
    await page.get_by_role("button", name="Sign in as somebody else").click()
    await expect(page.get_by_label("Password")).to_be_visible()


async def test_by_keys_alone_on_a_phone_in_chinese(browser: Browser, here: Site) -> None:
    page = await opened(browser, here, "domains", locale="zh-CN", viewport={"width": 390, "height": 844})
    await expect(page.locator("#view h1")).to_have_text("域名")
    await page.locator("#show-menu").focus()
    await page.keyboard.press("Enter")
    await page.locator("#menu").get_by_role("link", name="帐号").focus()
    await page.keyboard.press("Enter")
    await expect(page.locator("#view h1")).to_have_text("帐号")
    await expect(page.locator("#view").get_by_role("link", name=ADMIN)).to_be_visible()
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    await page.get_by_role("button", name="新建帐号").focus()
    await page.keyboard.press("Enter")
    await expect(page.locator("#form [name=local]")).to_be_focused()
    await page.keyboard.type("eve")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Tab")
    await page.keyboard.type("a fine password")
    await page.keyboard.press("Enter")
    await expect(page.locator("#view").get_by_role("link", name="eve@mailhub.test")).to_be_visible()


async def test_an_odd_address_shows_the_overview(browser: Browser, here: Site) -> None:
    page = await opened(browser, here, "domains")
    for odd in ("constructor", "__proto__/x", "%E0%A4%A", "overview/%E0%A4%A"):
        await page.goto(f"{here.root}/admin#/{odd}")
        await expect(page.locator("#view h1")).to_have_text("Overview")
        await go(page, "Domains")


async def test_below_a_prefix(browser: Browser, tmp_path: Path) -> None:
    async with administered(tmp_path, web=Web(prefix="/post", admins=(ADMIN,))) as here:
        page = await opened(browser, here, "accounts", prefix="/post")
        await expect(page.locator("#view").get_by_role("link", name=ANN)).to_be_visible()
        await page.reload()
        await go(page, "Domains")
        await page.locator("#who-menu summary").click()
        await page.get_by_role("link", name="To the mail").click()
        await page.wait_for_url(f"{here.root}/post/")
