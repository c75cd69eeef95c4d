"""The settings in Debian's Chromium: a filter that the next mail obeys, a password that IMAP then wants, a second factor by its code."""

import asyncio
import imaplib
import re
from collections.abc import AsyncIterator
from email.policy import SMTP
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect
from support.accessible import trouble
from support.browser import CHROMIUM, chromium
from support.hubs import PASSWORD, send, trusting
from support.letters import letter
from support.webmail import ANN, BOB, DOORS, Site, site

from mailhub.config.schema import Listener
from mailhub.config.signin import Auth
from mailhub.directory.second_factor import STEP, code
from mailhub.model.clock import VirtualClock

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not CHROMIUM, reason="no chromium")]
NEW = "a quite different one"


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as browser:
        yield browser


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Site]:
    doors = (*DOORS, Listener(protocol="imap", tls="implicit"))
    async with site(tmp_path, auth=Auth(allow_plaintext=True, failure_delay=0.0), listener=doors) as made:
        yield made


async def opened(
    browser: Browser, here: Site, section: str, locale: str = "en-GB", width: int = 1280, dark: bool = False
) -> Page:
    context = await browser.new_context(
        locale=locale, viewport={"width": width, "height": 800}, color_scheme="dark" if dark else "light"
    )
    page = await context.new_page()
    page.set_default_timeout(20_000)
    expect.set_options(timeout=20_000)
    await page.goto(f"{here.root}/#settings/{section}")
    await page.locator("[name=login]").fill(ANN)
    await page.locator("[name=password]").fill(PASSWORD)
    await page.keyboard.press("Enter")
    await expect(page.locator(f"#settings-dialog [data-shown={section}]")).to_be_visible()
    return page


async def told(page: Page, words: str) -> None:
    await expect(page.locator("#settings-dialog .told")).to_have_text(words)


async def test_a_filter_made_in_the_form_is_obeyed_by_the_next_mail(browser: Browser, here: Site) -> None:
    page = await opened(browser, here, "rules")
    await page.get_by_role("button", name="Add a rule").click()
    await page.keyboard.type('Shops "*/ & <b>')  # the name has the focus
    await page.get_by_label("What is looked at").select_option("subject")
    await page.get_by_label("Value").fill('say "cheap"')
    await page.get_by_role("combobox", name="Folder").fill("Shops")
    await page.get_by_role("button", name="Add an action").click()
    await page.get_by_label("What is done").nth(1).select_option("read")
    await page.get_by_text("Show as Sieve").click()
    await expect(page.locator("#settings-dialog pre")).to_contain_text('fileinto :create "Shops";')
    await page.get_by_role("button", name="Save", exact=True).click()
    await told(page, "Saved.")
    for subject in ('Friends say "cheap" things', "Other"):
        await send(here.hub, BOB, ANN, letter(subject).as_bytes(policy=SMTP))
    await here.hub.queue.idle()
    ann = await here.signed_in()
    found = {one["name"]: (one["messages"], one["unread"]) for one in await ann.own("GET", "folders")}
    assert (found["Shops"], found["INBOX"]) == ((1, 0), (1, 1))
    await page.reload()
    await page.locator(".rules summary").click()
    await expect(page.get_by_label("Name", exact=True)).to_have_value('Shops "*/ & <b>')
    await expect(page.get_by_label("Value")).to_have_value('say "cheap"')


async def test_rules_are_put_in_order_by_keys_and_by_dragging(browser: Browser, here: Site) -> None:
    ann = await here.signed_in()
    names = ["one", "two", "three"]
    rules = [{"name": name, "actions": [{"what": "star"}]} for name in names]
    await ann.own("PUT", "filters", json={"form": {"rules": rules}})
    page = await opened(browser, here, "rules")
    await page.get_by_role("button", name="Move down: one").focus()
    await page.keyboard.press("Enter")
    await expect(page.locator(".rules summary b")).to_have_text(["two", "one", "three"])
    await (
        page.locator(".rules li", has_text="three").locator(".grip").drag_to(page.locator(".rules li", has_text="two"))
    )
    await expect(page.locator(".rules summary b")).to_have_text(["three", "two", "one"])
    await page.get_by_role("button", name="Remove the rule: two").click()
    await page.get_by_role("button", name="Save", exact=True).click()
    await told(page, "Saved.")
    assert [one["name"] for one in (await ann.own("GET", "filters"))["form"]["rules"]] == ["three", "one"]


async def test_rules_that_are_not_saved_are_kept_while_other_sections_are_looked_at(
    browser: Browser, here: Site
) -> None:
    page = await opened(browser, here, "rules")
    await page.get_by_role("button", name="Add a rule").click()
    await page.get_by_label("Name", exact=True).fill("Shops")
    await page.locator("nav a[data-section=absence]").click()
    await expect(page.locator("[data-shown=absence]")).to_be_visible()
    await page.get_by_role("button", name="Close the settings").click()
    await page.locator("#account summary").click()
    await page.locator("#settings").click()
    await page.locator("nav a[data-section=rules]").click()
    await expect(page.locator(".unsaved")).to_contain_text("These rules are not saved yet.")
    await expect(page.locator(".rules summary b")).to_have_text("Shops")
    await page.get_by_role("button", name="Throw the changes away").click()
    await expect(page.locator(".rules")).to_have_text("There are no rules yet.")
    await page.get_by_role("button", name="Add a rule").click()
    await page.get_by_label("Name", exact=True).fill("Letters")
    await page.get_by_label("Value").fill("list")
    await page.get_by_label("Folder", exact=True).fill("Letters")
    await page.get_by_role("button", name="Save", exact=True).click()
    await told(page, "Saved.")
    await page.locator("nav a[data-section=absence]").click()
    await page.locator("nav a[data-section=rules]").click()
    await expect(page.locator(".rules summary b")).to_have_text("Letters")
    await expect(page.locator(".unsaved")).to_have_count(0)


async def test_a_folder_is_shared_and_the_other_subscribes_to_it(browser: Browser, here: Site) -> None:
    ann, bob = await here.signed_in(), await here.signed_in(BOB)
    team = await ann.own("POST", "folders", json={"name": "Team"})
    page = await opened(browser, here, "sharing")
    await expect(page.locator("[data-shown=sharing]")).to_contain_text("You share no folder.")
    await page.locator("label", has_text="Folder").locator("select").select_option(label="Team")
    await page.get_by_label("With whom").fill(BOB)
    await page.get_by_role("button", name="Share", exact=True).click()
    await told(page, f"Shared with {BOB}.")
    row = page.locator(".rows li", has_text="Team")
    await row.get_by_label("What they may do").select_option(label="may read and change")
    await told(page, "Saved.")
    (shared,) = await ann.own("GET", "sharing")
    assert (shared["name"], sorted(shared["grants"][0]["rights"])) == ("Team", sorted("lrswite"))
    (theirs,) = [one for one in await bob.own("GET", "folders") if one["id"] == team["id"]]
    assert sorted(theirs["rights"]) == sorted("lrswite")
    choir = await bob.own("POST", "folders", json={"name": "Choir"})
    await bob.own("PUT", f"folders/{choir['id']}/sharing", json={"who": ANN, "rights": "lrs"})
    await page.reload()
    other = page.locator(".rows li", has_text="Choir")
    await expect(other).to_contain_text(f"of {BOB}; you may read")
    await other.get_by_label("Subscribed").check()
    await expect(page.locator("#settings-dialog .told")).to_contain_text("is subscribed")
    (choir,) = [one for one in await ann.own("GET", "folders") if one["id"] == choir["id"]]
    assert choir["subscribed"]
    await row.get_by_role("button", name="End").click()
    await page.locator("#asking").get_by_role("button", name="OK").click()
    await told(page, f"No longer shared with {BOB}.")
    assert not [one for one in await bob.own("GET", "folders") if one["id"] == team["id"]]


async def test_a_script_by_hand_is_shown_and_replaced_when_asked(browser: Browser, here: Site) -> None:
    await here.hub.scripts.put(ANN, "mine", b"# <script>alert(1)</script>\r\nkeep;\r\n")
    await here.hub.scripts.activate(ANN, "mine")
    page = await opened(browser, here, "absence")
    await expect(page.locator(".hand")).to_contain_text("“mine”, written by hand, is in force")
    await page.get_by_text("Show it").click()
    await expect(page.locator(".hand pre")).to_contain_text("<script>alert(1)</script>")
    await page.get_by_label("Answer mail while I am away").check()
    await page.get_by_label("Text", exact=True).fill("Back soon")
    await page.get_by_label("From this day").fill("2020-01-01")
    save = page.get_by_role("button", name="Save", exact=True).first
    await save.click()
    await page.get_by_role("button", name="Cancel").click()
    assert (await here.hub.scripts.list(ANN))[0].active
    await save.click()
    await page.get_by_role("button", name="OK").click()
    await told(page, "The reply is on.")
    await send(here.hub, BOB, ANN, letter("Hello").as_bytes(policy=SMTP))
    await here.hub.queue.idle()
    bob = await here.signed_in(BOB)
    (row,) = (await bob.own("GET", "folders/INBOX/messages"))["messages"]
    assert row["preview"] == "Back soon"


async def test_a_password_changed_in_the_page_is_what_imap_wants(browser: Browser, here: Site) -> None:
    page = await opened(browser, here, "security")
    other = await here.signed_in()
    await page.get_by_label("Password until now").fill(PASSWORD)
    await page.get_by_label("New password", exact=True).fill(NEW)
    await page.get_by_label("New password, again").fill("another")
    await page.get_by_role("button", name="Change password").click()
    await told(page, "The new passwords are not the same.")
    await page.get_by_label("New password, again").fill(NEW)
    await page.get_by_role("button", name="Change password").click()
    await told(page, "The password is changed; other browsers signed out: 1.")
    await other.own("GET", "session", 401)

    def attempt(password: str) -> str:
        with imaplib.IMAP4_SSL("127.0.0.1", here.hub.port("imaps"), ssl_context=trusting(), timeout=20) as client:
            return client.login(ANN, password)[0]

    with pytest.raises(imaplib.IMAP4.error):
        await asyncio.to_thread(attempt, PASSWORD)
    assert await asyncio.to_thread(attempt, NEW) == "OK"
    await page.get_by_label("For what").fill("Laptop")  # the page goes on with its new session
    await page.get_by_label("IMAP").check()
    await page.get_by_role("button", name="Make an app password").click()
    shown = await page.locator(".once .secret").inner_text()
    assert await asyncio.to_thread(attempt, shown) == "OK"
    await page.reload()
    await expect(page.locator(".rows", has_text="Laptop")).to_contain_text("last used")
    await expect(page.locator(".once")).to_have_count(0)
    await page.get_by_role("button", name="Remove: Laptop").click()
    await page.get_by_role("button", name="OK").click()
    await told(page, "“Laptop” is removed.")
    with pytest.raises(imaplib.IMAP4.error):
        await asyncio.to_thread(attempt, shown)


async def test_a_second_factor_after_the_password_was_asked_for_again(browser: Browser, here: Site) -> None:
    page = await opened(browser, here, "security")
    clock = here.hub.clock
    assert isinstance(clock, VirtualClock)
    await clock.advance(301.0)
    await page.get_by_role("button", name="Set up").click()
    await page.locator("#asking").get_by_label("Password").fill(PASSWORD)
    await page.keyboard.press("Enter")
    picture = page.get_by_role("img", name="QR code")
    await expect(picture).to_have_js_property("complete", True)
    assert await picture.evaluate("picture => picture.naturalWidth") > 100
    secret = await page.locator(".secret").inner_text()
    recovery = await page.locator(".recovery li").all_inner_texts()
    await page.get_by_label("The code that it shows now").fill(code(secret, int(here.hub.clock.now()) // STEP))
    await page.keyboard.press("Enter")
    await told(page, "The second factor is on.")
    await (await here.browser()).sign_in(ANN, 401)
    await (await here.browser()).sign_in(ANN, code=recovery[0])
    await page.get_by_role("button", name="Turn off").click()
    await page.get_by_role("button", name="OK").click()
    await told(page, "The second factor is off.")
    await here.signed_in()


async def test_passkeys_are_found_there(browser: Browser, here: Site) -> None:
    page = await opened(browser, here, "security")
    await page.get_by_role("button", name="Show passkeys").click()
    await expect(page.locator("#asking .passkeys")).to_be_visible()


async def test_preferences_are_those_of_the_page(browser: Browser, here: Site) -> None:
    await here.hub.directory.set_alias("info@mailhub.test", [ANN])
    page = await opened(browser, here, "general")
    await page.get_by_label("Colours").select_option("dark")
    await page.get_by_label("Seconds in which").fill("0")
    await page.get_by_role("button", name="Save").click()
    await told(page, "Saved.")
    assert await page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(17, 22, 29)"
    await page.get_by_role("link", name="Addresses and signatures").click()
    box = page.get_by_role("group", name="info@mailhub.test")
    await box.get_by_label("Your name").fill("The Desk")
    await box.get_by_label("Signature").fill("Desk & <b>Co</b>")
    await box.get_by_label("New messages come from this one").check()
    await page.get_by_role("button", name="Save").click()
    await told(page, "Saved.")
    await page.keyboard.press("Escape")
    await expect(page.locator("#settings-dialog")).to_be_hidden()
    await expect(page).not_to_have_url(re.compile("#settings"))
    await page.get_by_role("button", name="Write").click()
    await expect(page.frame_locator(".writer iframe").locator("body")).to_contain_text("Desk & <b>Co</b>")
    await page.get_by_label("To", exact=True).fill(BOB)
    await page.get_by_label("Subject").fill("From the desk")
    await page.get_by_role("button", name="Send", exact=True).click()
    await expect(page.locator(".writer")).to_have_count(0)
    await here.hub.queue.idle()
    bob = await here.signed_in(BOB)
    (row,) = (await bob.own("GET", "folders/INBOX/messages"))["messages"]
    assert row["sender"] == [{"name": "The Desk", "address": "info@mailhub.test"}]


@pytest.mark.parametrize(("locale", "width", "dark"), [("en-GB", 1280, False), ("zh-CN", 390, True)])
async def test_nothing_is_out_of_reach(browser: Browser, here: Site, locale: str, width: int, dark: bool) -> None:
    ann = await here.signed_in()
    rules = [{"name": "Shops", "conditions": [{"what": "header", "header": "X-Shop", "how": "is", "value": "x"}], "actions": [{"what": "forward", "value": BOB}]}]  # fmt: skip
    await ann.own("PUT", "filters", json={"form": {"rules": rules}})
    await ann.own("POST", "app-passwords", json={"name": "x" * 100})
    bob = await here.signed_in(BOB)
    for one, name, other in ((ann, "Long " * 20 + "name", BOB), (bob, "Choir", ANN)):
        made = await one.own("POST", "folders", json={"name": name.strip()})
        await one.own("PUT", f"folders/{made['id']}/sharing", json={"who": other, "rights": "lrwk"})
    page = await opened(browser, here, "general", locale, width, dark)
    for section in ("general", "identities", "rules", "absence", "sharing", "security"):
        await page.locator(f"#settings-dialog nav a[data-section={section}]").click()
        await expect(page.locator(f"#settings-dialog [data-shown={section}]")).to_be_visible()
        await page.wait_for_load_state("networkidle")
        for details in await page.locator("#settings-dialog .section summary").all():
            await details.click()
        assert await trouble(page) == []
        wide = "[...document.querySelectorAll('#settings-dialog .section, #settings-dialog .section *:not(pre):not(option)')].filter(one => one.scrollWidth > one.clientWidth + 1 && getComputedStyle(one).overflowX === 'auto').length"
        assert await page.evaluate(wide) == 0, section
