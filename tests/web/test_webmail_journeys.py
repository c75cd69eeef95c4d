"""What people do in the page of mail, in Debian's Chromium: read, search, move and undo, junk, see mail arrive."""

from collections.abc import AsyncIterator
from email.policy import SMTP
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect
from support.browser import CHROMIUM, chromium
from support.hubs import PASSWORD, send
from support.letters import give, letter, rich
from support.webmail import ANN, BOB, Site, site

from mailhub.control import words

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not CHROMIUM, reason="no chromium")]


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as browser:
        yield browser


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Site]:
    async with site(tmp_path) as made:
        yield made


async def signed_in(browser: Browser, here: Site, account: str = ANN) -> Page:
    page = await (await browser.new_context(locale="en-GB", viewport={"width": 1280, "height": 800})).new_page()
    page.set_default_timeout(20_000)
    expect.set_options(timeout=20_000)
    await page.goto(here.root + "/")
    await page.get_by_label("Address").fill(account)
    await page.get_by_label("Password").fill(PASSWORD)
    await page.keyboard.press("Enter")
    await expect(page.locator("#folder-list li").first).to_be_visible()
    return page


async def test_read_a_message_with_its_files(browser: Browser, here: Site) -> None:
    await give(here, rich())
    page = await signed_in(browser, here)
    await expect(page.locator("#folder-list .unread")).to_have_text("1")
    await page.locator(".row", has_text="Report").click()
    text = page.frame_locator("iframe.text")
    await expect(text.locator("b")).to_have_text("numbers")
    await expect(text.locator("img").first).to_have_js_property("naturalWidth", 1)
    await expect(page.locator("#folder-list .unread")).to_have_count(0)
    async with page.expect_download() as downloading:
        await page.get_by_role("link", name="Download all 3 files").click()
    assert (await downloading.value).suggested_filename == "files.zip"
    await page.get_by_text("Why is this here?").click()
    await expect(page.get_by_text("No check had anything against it.")).to_be_visible()


async def test_search_move_undo_and_keys(browser: Browser, here: Site) -> None:
    await give(here, letter("First", "apples"), letter("Second", "pears"))
    page = await signed_in(browser, here)
    await page.keyboard.press("/")
    await page.keyboard.type("apples is:unread")
    await page.keyboard.press("Enter")
    await expect(page.locator(".row")).to_have_count(1)
    await page.get_by_role("searchbox").fill("")
    await page.keyboard.press("Enter")
    await expect(page.locator(".row")).to_have_count(2)
    await page.locator("#list").focus()
    await page.keyboard.press("Home")
    await page.keyboard.press("x")
    await page.keyboard.press("e")
    await expect(page.locator("#toast")).to_contain_text("1 moved to Archive")
    await expect(page.locator(".row")).to_have_count(1)
    await page.keyboard.press("z")
    await expect(page.locator(".row")).to_have_count(2)
    await page.locator(".row", has_text="First").drag_to(page.locator("#folder-list li", has_text="Junk"))
    await expect(page.locator("#toast")).to_contain_text("1 moved to Junk")
    assert (await here.hub.store.junk.totals([ANN])).junk == 1, "the junk filter has learnt"


async def test_mail_appears_by_itself_and_in_another_browser_what_is_done(browser: Browser, here: Site) -> None:
    page, other = await signed_in(browser, here), await signed_in(browser, here)
    await expect(page.locator("#empty")).to_have_text("Nothing here.")
    await send(here.hub, BOB, ANN, letter("News").as_bytes(policy=SMTP))
    await expect(page.locator(".row", has_text="News")).to_be_visible()
    await other.locator(".row", has_text="News").click()
    await other.locator("#message").get_by_role("button", name="Delete").click()
    await expect(page.locator(".row")).to_have_count(0)
    await expect(page.locator("#empty")).to_be_visible()


async def test_a_folder_is_made_renamed_and_deleted(browser: Browser, here: Site) -> None:
    page = await signed_in(browser, here)
    await page.get_by_role("button", name="New folder").click()
    await page.get_by_role("textbox", name="Name").fill("Lists")
    await page.get_by_role("button", name="OK").click()
    entry = page.locator("#folder-list li", has_text="Lists")
    await expect(entry).to_be_visible()
    await entry.hover()
    await entry.get_by_role("button").click()
    await page.get_by_role("button", name="Rename").click()
    await page.get_by_role("textbox", name="Name").fill("Python")
    await page.get_by_role("button", name="OK").click()
    entry = page.locator("#folder-list li", has_text="Python")
    await entry.hover()
    await entry.get_by_role("button").click()
    await page.get_by_role("button", name="Delete folder").click()
    await page.get_by_role("button", name="OK").click()
    await expect(entry).to_have_count(0)


async def test_a_long_list_has_few_rows_in_the_document(browser: Browser, here: Site) -> None:
    for n in range(250):
        await send(here.hub, BOB, ANN, letter(f"Number {n:03}").as_bytes(policy=SMTP))
    await here.hub.queue.idle()
    page = await signed_in(browser, here)
    await expect(page.locator("#count")).to_have_text("250 messages")
    assert await page.locator(".row").count() < 40
    await page.locator("#list").focus()
    await page.keyboard.press("End")
    await expect(page.locator("#row-249")).to_contain_text("Number")
    await page.locator("#sort").select_option("subject+")
    await expect(page.locator("#row-0")).to_contain_text("Number 000")


async def test_a_reply_with_a_file_arrives_live_at_the_second_account(browser: Browser, here: Site) -> None:
    await give(here, rich())
    page, other = await signed_in(browser, here), await signed_in(browser, here, BOB)
    await page.locator(".row", has_text="Report").click()
    await page.locator("#message").get_by_role("button", name="Reply", exact=True).click()
    writer = page.locator(".writer")
    await expect(writer.get_by_label("To", exact=True)).to_have_value('"Bob B." <bob@mailhub.test>')
    text = page.frame_locator(".writer iframe").locator("body")
    await text.press_sequentially("Thanks!")
    await writer.locator("input[type=file]").set_input_files(
        {"name": "plan.txt", "mimeType": "text/plain", "buffer": b"the plan"}
    )
    await expect(writer.locator(".files")).to_contain_text("plan.txt")
    await writer.get_by_label("Tell me when it has arrived").check()
    await writer.get_by_role("button", name="Send", exact=True).click()
    await expect(page.locator("#toast")).to_contain_text("Sent.")
    await here.hub.clock.advance(60)  # type: ignore[attr-defined]
    await expect(other.locator(".row", has_text="Re: Report")).to_be_visible()
    await other.locator(".row", has_text="Re: Report").click()
    await expect(other.frame_locator("iframe.text").locator("body")).to_contain_text("Thanks!")
    await expect(other.frame_locator("iframe.text").locator("blockquote")).to_contain_text("numbers")
    await expect(other.locator(".files")).to_contain_text("plan.txt")
    await expect(page.locator("#outgoing")).to_contain_text("delivered to bob@mailhub.test")
    await expect(page.locator(".row", has_text="Report").first).to_be_visible()
    await page.locator("#folder-list li", has_text="Sent").click()
    await expect(page.locator(".row", has_text="Re: Report")).to_be_visible()


async def test_sending_is_taken_back_and_a_draft_continued(browser: Browser, here: Site) -> None:
    page = await signed_in(browser, here)
    await page.keyboard.press("c")
    writer = page.locator(".writer")
    await writer.get_by_label("To", exact=True).fill(BOB)
    await writer.get_by_label("Subject").fill("Too soon")
    await page.frame_locator(".writer iframe").locator("body").press_sequentially("Wait")
    await writer.get_by_role("button", name="Send", exact=True).click()
    await page.get_by_role("button", name="Undo").click()
    await expect(writer.get_by_label("Subject")).to_have_value("Too soon")
    await expect(page.frame_locator(".writer iframe").locator("body")).to_contain_text("Wait")
    await page.frame_locator(".writer iframe").locator("body").press_sequentially("More")
    await writer.get_by_role("button", name="Close, keep as draft").click()
    await expect(writer).to_have_count(0)
    await page.locator("#folder-list li", has_text="Drafts").click()
    await page.locator(".row", has_text="Too soon").click()
    await expect(writer.get_by_label("To", exact=True)).to_have_value(BOB)
    await expect(page.frame_locator(".writer iframe").locator("body")).to_contain_text("Wait")
    await writer.get_by_role("button", name="Discard").click()
    await page.get_by_role("button", name="OK").click()
    await expect(page.locator(".row")).to_have_count(0)
    assert await here.hub.queue.idle() is None
    assert (await here.hub.mailboxes.account(BOB).find("INBOX")).messages == 0


async def test_who_writes_and_how_he_signs(browser: Browser, here: Site) -> None:
    await here.hub.control.perform(words.AliasAdd(address="info@mailhub.test", targets=(ANN,)))
    ann = await here.signed_in()
    identities = [
        {"address": ANN, "name": "Ann A.", "signature": "Yours, Ann"},
        {"address": "info@mailhub.test", "name": "Shop", "signature": "The <shop>"},
    ]
    await ann.own("PUT", "preferences", json={"theme": "dark", "undo_seconds": 0, "identities": identities})
    await give(here, letter("Question"))
    page = await signed_in(browser, here)
    assert await page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(17, 22, 29)"
    await page.get_by_role("button", name="Write").click()
    writer = page.locator(".writer")
    await expect(page.frame_locator(".writer iframe").locator("body")).to_contain_text("Yours, Ann")
    await writer.get_by_label("From", exact=True).select_option("info@mailhub.test")
    await writer.get_by_label("To", exact=True).fill(BOB)
    await writer.get_by_label("Subject").fill("Answer")
    await writer.get_by_role("button", name="Send", exact=True).click()
    await expect(page.locator("#toast")).to_contain_text("Sent.")
    await here.hub.queue.idle()
    bob = await here.signed_in(BOB)
    told = (await bob.own("GET", "folders/INBOX/messages"))["messages"][0]
    assert told["sender"] == [{"name": "Shop", "address": "info@mailhub.test"}]
