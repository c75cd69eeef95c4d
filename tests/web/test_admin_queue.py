"""An administrator watches the queue, and does something about it, in Debian's Chromium."""

import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect
from support.admin_pages import administered, agree, fill, go, opened
from support.browser import CHROMIUM, chromium
from support.hubs import messages, running, send
from support.server import free_port
from support.suspicion import Suspicion
from support.webmail import ANN, BOB, Site

from mailhub.config.filters import Filter
from mailhub.config.schema import Delivery, Listener
from mailhub.control import words
from mailhub.policy.inspection import Inspection

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not CHROMIUM, reason="no chromium")]
NOBODY = Delivery(relayhost="[127.0.0.1]:1")  # where nobody listens


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as browser:
        yield browser


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Site]:
    async with administered(tmp_path, delivery=NOBODY) as made:
        yield made


async def stuck(here: Site, count: int = 1) -> list[str]:
    """Ids of messages that wait, oldest first."""
    for n in range(count):
        await send(here.hub, ANN, f"carl{n}@far.test", b"Subject: stuck\r\n\r\n<i>text</i>\r\n")
    await here.hub.queue.idle()
    return [one.id for one in await here.hub.control.perform(words.QueueList())]


async def test_make_a_domain_and_an_account_and_watch_a_stuck_message_go_out(browser: Browser, tmp_path: Path) -> None:
    port = free_port()
    far_away = running(
        tmp_path / "far",
        "carl@far.test",
        domains=("far.test",),
        hostname="mx.far.test",
        listener=(Listener(protocol="smtp", port=port),),
    )
    async with administered(tmp_path / "here", delivery=Delivery(relayhost=f"[127.0.0.1]:{port}")) as here:
        page = await opened(browser, here)
        await go(page, "Domains")
        await page.get_by_role("button", name="New domain").click()
        await fill(page, name="new.test")
        await go(page, "Accounts")
        await page.get_by_role("button", name="New account").click()
        await fill(page, local="eve", domain="new.test", password="a fine password")
        await expect(page.locator("#view").get_by_role("link", name="eve@new.test")).to_be_visible()
        await send(here.hub, "eve@new.test", "carl@far.test", b"Subject: at last\r\n\r\ntext\r\n")
        await here.hub.queue.idle()
        await go(page, "Queue")
        await page.get_by_role("row").filter(has_text="carl@far.test").get_by_role("link").click()
        await expect(page.get_by_role("table", name="Recipients")).to_contain_text("Connection refused")
        async with far_away as far:
            await page.get_by_role("button", name="Try now").click()
            await expect(page.get_by_text("It is not in the queue")).to_be_visible()
            await expect(page.locator(".steps li").last).to_contain_text("status=sent")
            assert [b"Subject: at last" in one for one in await messages(far, "carl@far.test")] == [True]


async def test_hold_release_and_remove_one_and_many(browser: Browser, here: Site) -> None:
    first, second, third = await stuck(here, 3)
    page = await opened(browser, here, "queue")
    await page.get_by_label(f"Select {first}").check()
    await page.get_by_role("button", name="Hold").click()
    await expect(page.locator("#toast")).to_have_text("Messages reached: 1")
    row = page.get_by_role("row").filter(has_text=first)
    await expect(row.locator(".badge")).to_have_text("held")
    await page.get_by_label("State").select_option("held")
    await page.get_by_role("button", name="Show", exact=True).click()
    await expect(page.get_by_role("table", name="Messages").locator("tbody tr")).to_have_count(1)
    await page.get_by_role("button", name="Remove").click()
    await expect(page.locator("#asking")).to_contain_text("all that fit the filter")
    await agree(page)
    await expect(page.get_by_text("No message waits.")).to_be_visible()
    assert [one.id for one in await here.hub.control.perform(words.QueueList())] == [second, third]
    await page.get_by_label("State").select_option("any")
    await page.get_by_role("button", name="Show", exact=True).click()
    await page.get_by_label("All that are shown").check()
    await page.get_by_role("button", name="Remove").click()
    await expect(page.locator("#asking")).to_contain_text("2 chosen")
    await agree(page)
    await expect(page.get_by_text("No message waits.")).to_be_visible()
    assert not await here.hub.control.perform(words.QueueList())


async def test_a_list_goes_on_page_by_page(browser: Browser, here: Site) -> None:
    for n in range(101):
        await here.hub.control.perform(words.DomainAdd(name=f"d{n:03}.test"))
    page = await opened(browser, here, "domains")
    rows = page.locator("tbody tr")
    await expect(rows).to_have_count(100)
    await page.get_by_role("button", name="Show more").click()
    await expect(rows).to_have_count(102)
    await expect(page.get_by_role("button", name="Show more")).to_have_count(0)
    await page.get_by_label("Filter").fill("d07")
    await expect(rows).to_have_count(10)


async def test_quarantine(browser: Browser, tmp_path: Path) -> None:
    async with administered(
        tmp_path,
    ) as here:
        hub = here.hub
        hub.policy.inspection = Inspection((Suspicion(),), Filter(), "mx.test", hub.clock, hub.mailboxes.lane)
        await send(here.hub, "eve@far.test", BOB)
        await send(here.hub, "eve@far.test", BOB)
        await here.hub.queue.idle()
        page = await opened(browser, here, "quarantine")
        rows = page.get_by_role("table", name="Quarantine").locator("tbody tr")
        await expect(rows).to_have_count(2)
        await expect(rows.first).to_contain_text("it <b>looks</b> odd")
        await rows.first.get_by_role("checkbox").check()
        await page.get_by_role("button", name="Release").click()
        await expect(rows).to_have_count(1)
        await rows.first.get_by_role("checkbox").check()
        await page.get_by_role("button", name="Delete").click()
        await agree(page)
        await expect(page.get_by_text("Nothing is in quarantine.")).to_be_visible()
        assert len(await messages(here.hub, BOB)) == 1


async def test_bans_and_addresses_held_back(browser: Browser, here: Site) -> None:
    page = await opened(browser, here, "guard")
    await page.get_by_role("button", name="Ban a network").click()
    await fill(page, network="192.0.2.0/24", days="2", note="noise")
    bans = page.get_by_role("table", name="Bans")
    await expect(bans).to_contain_text("noise")
    assert [one.network for one in await here.hub.control.perform(words.BanList())] == ["192.0.2.0/24"]
    await bans.get_by_role("button", name="Lift").click()
    await agree(page)
    await expect(page.get_by_text("Nobody is banned.")).to_be_visible()
    await page.get_by_role("button", name="Hold mail back").click()
    await fill(page, address="gone@far.test")
    held = page.get_by_role("table", name="Addresses that mail is held back from")
    await expect(held).to_contain_text("for ever")
    await held.get_by_role("button", name="Lift").click()
    await agree(page)
    await expect(held).to_have_count(0)
    assert not await here.hub.control.perform(words.SuppressionList())
    await expect(page.get_by_role("table", name="Limits in force")).to_contain_text("sessions.limit")


async def test_explain(browser: Browser, here: Site) -> None:
    page = await opened(browser, here, "explain")
    await page.get_by_label("Address of the client").fill("192.0.2.7")
    await page.get_by_label("Recipients").fill(f"{ANN}, nobody@mailhub.test")
    await page.get_by_label("The message itself").fill("Subject: hällo\n\ntext")
    await page.locator("form.explain button").click()
    heard = page.get_by_role("table", name="What the client would hear")
    await expect(heard).to_contain_text(f"RCPT TO:<{ANN}>")
    await expect(heard.get_by_role("row").filter(has_text="nobody@")).to_contain_text("550")


async def test_the_log_and_steps_live(browser: Browser, here: Site) -> None:
    page = await opened(browser, here, "log")
    await expect(page.get_by_role("status").get_by_text("live")).to_be_visible()
    logging.getLogger("mailhub.smtp").warning("a <b>needle</b>")
    await expect(page.get_by_role("log")).to_contain_text("a <b>needle</b>")
    await page.get_by_label("Contains").fill("HAY")
    await page.get_by_role("button", name="Show", exact=True).click()
    await expect(page.get_by_role("status").get_by_text("live")).to_be_visible()
    logging.getLogger("mailhub.smtp").warning("another needle")
    logging.getLogger("mailhub.smtp").warning("some hay")
    await expect(page.get_by_role("log")).to_contain_text("some hay")
    await expect(page.get_by_role("log")).not_to_contain_text("another needle")
    await page.get_by_label("Contains").fill("")
    await page.get_by_label("Follow").select_option("Steps of messages")
    await expect(page.get_by_role("status").get_by_text("live")).to_be_visible()
    await send(here.hub, "eve@far.test", ANN)
    await expect(page.get_by_role("log")).to_contain_text("eve@far.test")
    await page.get_by_role("button", name="Pause").click()
    await expect(page.get_by_text("paused")).to_be_visible()


async def test_a_trace_is_found_by_an_address(browser: Browser, here: Site) -> None:
    (one,) = await stuck(here)
    page = await opened(browser, here, "trace")
    await page.get_by_label("Queue id, Message-ID or address").fill("carl0@far.test")
    await page.keyboard.press("Enter")
    await expect(page.locator(".steps")).to_contain_text("status=deferred")
    await page.get_by_role("link", name="Open").click()
    await expect(page.locator("#view h1")).to_have_text(one)
    await expect(page.locator("pre")).to_contain_text("Subject: stuck")
