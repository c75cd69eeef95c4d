"""The page of captured mail in a real browser."""

import asyncio
from collections.abc import AsyncIterator

import aiosmtplib
import pytest
from playwright.async_api import Browser, Page, expect
from support.browser import CHROMIUM, chromium
from support.https import website

from mailhub.config.schema import Listener
from mailhub.testing import AsyncMailHub

DOORS = (Listener(protocol="smtp", tls="none"), Listener(protocol="http", tls="none"))
HTML = (
    "From: App <app@example.test>\r\nTo: Bob <bob@example.test>\r\nSubject: {subject}\r\nContent-Type: text/html\r\n\r\n"
    "<h1>Hello</h1><p style='display:flex'>Your code is <b>482913</b>, <a href='http://app.test/x'>go on</a></p>"
    "<script>document.title = 'stolen'; top.document.title = 'stolen'</script><img src=x onerror=\"top.document.title='stolen'\">\r\n"
)

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not CHROMIUM, reason="no chromium")]


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as browser:
        yield browser


@pytest.fixture
async def hub() -> AsyncIterator[AsyncMailHub]:
    async with AsyncMailHub(listener=DOORS) as hub:
        yield hub


async def post(hub: AsyncMailHub, subject: str, to: str = "bob@example.test") -> None:
    text = HTML.format(subject=subject)
    await aiosmtplib.send(text, sender="app@example.test", recipients=[to], hostname=hub.host, port=hub.port("smtp"))


async def opened(browser: Browser, hub: AsyncMailHub, locale: str = "en-GB") -> Page:
    page = await (await browser.new_context(locale=locale)).new_page()
    page.set_default_timeout(20_000)
    await page.goto(f"http://{hub.host}:{hub.port('http')}/")
    return page


async def test_links_are_asked_by_a_button(browser: Browser, hub: AsyncMailHub) -> None:
    async with website(None) as site:
        site.status = 404
        text = (
            f"Subject: links\r\nContent-Type: text/html\r\n\r\n<a href='http://127.0.0.1:{site.port}/gone'>go</a>\r\n"
        )
        where = {"hostname": hub.host, "port": hub.port("smtp")}
        await aiosmtplib.send(text, sender="app@example.test", recipients=["bob@example.test"], **where)  # type: ignore[arg-type]
        page = await opened(browser, hub)
        await page.get_by_role("button", name="links").click()
        await page.get_by_role("tab", name="Links").click()
        await page.get_by_role("button", name="Ask their hosts").click()
        await expect(page.locator("#body output")).to_have_text("404 is answered with an error")
        assert site.asked == ["HEAD 127.0.0.1 /gone"]


async def test_mail_appears_by_itself_and_can_be_read(browser: Browser, hub: AsyncMailHub) -> None:
    page = await opened(browser, hub)
    await expect(page.locator("#empty")).to_be_visible()
    await post(hub, "your code")
    await page.get_by_role("button", name="your code").click()
    await expect(page.locator("#head")).to_contain_text("482913")
    frame = page.frame_locator("#body iframe")
    await expect(frame.locator("h1")).to_have_text("Hello")
    assert await page.title() == "mailhub", "no script of the message ran"
    await page.get_by_role("button", name="320 px").click()
    box = await page.locator("#body iframe").bounding_box()
    assert box is not None
    assert box["width"] == 320
    await page.get_by_role("tab", name="Support").click()
    await expect(page.locator("#body")).to_contain_text("flexbox")
    await page.get_by_role("tab", name="Links").click()
    await expect(page.locator("#body")).to_contain_text("is not encrypted")
    await page.get_by_role("tab", name="Source").click()
    await expect(page.locator("#body")).to_contain_text("Return-Path: <app@example.test>")


async def test_search_and_delete_all(browser: Browser, hub: AsyncMailHub) -> None:
    for subject in ("one", "two"):
        await post(hub, subject)
    await hub.settled()
    page = await opened(browser, hub)
    await expect(page.locator("#list li")).to_have_count(2)
    await page.get_by_role("searchbox").fill("subject:two")
    await expect(page.locator("#list li")).to_have_count(1)
    await page.get_by_role("searchbox").fill("")
    page.on("dialog", lambda dialog: asyncio.ensure_future(dialog.accept()))
    await page.get_by_role("button", name="Delete all").click()
    await expect(page.locator("#list li")).to_have_count(0)
    assert await hub.messages() == []


async def test_chinese_where_the_browser_speaks_it(browser: Browser, hub: AsyncMailHub) -> None:
    page = await opened(browser, hub, "zh-CN")
    await expect(page.get_by_role("button", name="全部删除")).to_be_visible()
    assert await page.locator("html").get_attribute("lang") == "zh"
