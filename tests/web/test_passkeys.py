"""Passkeys in Debian's Chromium, with its virtual authenticator: made, used, and what they close."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect
from support.browser import CHROMIUM, chromium
from support.hubs import PASSWORD
from support.webmail import ANN, BOB, Site, site

from mailhub.config.signin import Auth
from mailhub.model.clock import VirtualClock

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not CHROMIUM, reason="no chromium")]


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as browser:
        yield browser


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Site]:
    async with site(tmp_path, auth=Auth(allow_plaintext=True, failure_delay=0.0)) as made:
        yield made


async def opened(browser: Browser, here: Site) -> tuple[Page, Any]:
    """A page with an authenticator that does what its owner wants."""
    page = await (await browser.new_context(locale="en-GB")).new_page()
    page.set_default_timeout(20_000)
    expect.set_options(timeout=20_000)
    device = await page.context.new_cdp_session(page)
    await device.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
        "isUserVerified": True, "automaticPresenceSimulation": True,
    }  # fmt: skip
    made = await device.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    await page.goto(here.root.replace("127.0.0.1", "localhost") + "/")
    return page, (device, made["authenticatorId"])


async def with_passkey(page: Page) -> None:
    await page.get_by_label("Address").fill(ANN)
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Sign in").click()
    await page.locator("#account summary").click()
    await page.get_by_role("button", name="Passkeys").click()
    await page.get_by_role("button", name="Add a passkey").click()
    await page.locator("#asking").get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="OK").click()
    await page.get_by_label("What it is called").fill("Laptop")
    await page.get_by_role("button", name="OK").click()
    await expect(page.locator("#toast")).to_contain_text("The passkey is kept.")


async def test_made_used_and_removed(browser: Browser, here: Site) -> None:
    page, _ = await opened(browser, here)
    await with_passkey(page)
    await page.locator("#account summary").click()
    await page.get_by_role("button", name="Sign out").click()

    await page.get_by_label("Address").fill(ANN)
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_label("Code of your second factor")).to_be_visible()
    await page.get_by_role("button", name="Use a passkey").click()
    await expect(page.locator("#who")).to_have_text(ANN)
    door = here.hub.authenticator
    assert await door.authenticate(ANN, PASSWORD, service="imap", client="127.0.0.1") is None, (
        "an app password is needed"
    )

    await page.locator("#account summary").click()
    await page.get_by_role("button", name="Passkeys").click()
    await expect(page.locator(".passkeys")).to_contain_text("last used")
    await page.get_by_role("button", name="Remove Laptop").click()
    await page.locator("#asking").get_by_label("Password").fill(PASSWORD)
    async with page.expect_response(lambda answer: answer.request.method == "DELETE"):
        await page.get_by_role("button", name="OK").click()
    ann = await here.browser()
    await expect(page.locator("#asking")).not_to_be_visible()
    await ann.sign_in()
    assert await ann.own("GET", "passkeys") == []
    assert await door.authenticate(ANN, PASSWORD, service="imap", client="127.0.0.1") is not None


async def test_what_opens_nothing(browser: Browser, here: Site) -> None:
    page, (device, authenticator) = await opened(browser, here)
    await with_passkey(page)
    kept = (await device.send("WebAuthn.getCredentials", {"authenticatorId": authenticator}))["credentials"][0]
    row = (await here.hub.store.directory.passkeys(ANN))[0]
    nobody = await here.browser()
    question = await nobody.own("POST", "session/passkey/question")
    for answer in ({}, {"id": row.id}, {"id": row.id, "response": {}}, {"id": 7, "response": {"clientDataJSON": "!"}}):
        await nobody.own("POST", "session/passkey", 401, json={"answer": answer})
    assert question["userVerification"] == "required"

    shown = await page.evaluate(
        "async () => { const {shown} = await import('/static/common/passkeys.js'); return await shown(); }"
    )
    await nobody.own("POST", "session/passkey", 401, json=shown)  # of another host: 127.0.0.1
    there = await here.browser(
        Host=f"localhost:{here.hub.port('http')}", Origin=f"http://localhost:{here.hub.port('http')}"
    )
    shown = await page.evaluate(
        "async () => { const {shown} = await import('/static/common/passkeys.js'); return await shown(); }"
    )
    told = await there.own("POST", "session/passkey", json=shown)
    assert told["account"] == ANN
    await there.own("POST", "session/passkey", 401, json=shown)  # once more
    assert kept["credentialId"]

    shown = await page.evaluate(
        "async () => { const {shown} = await import('/static/common/passkeys.js'); return await shown(); }"
    )
    assert isinstance(here.hub.clock, VirtualClock)
    await here.hub.clock.advance(301)
    said = await there.own("POST", "session/passkey", 401, json=shown)
    assert "too late" in said["error"]

    async def nobody_may(name: str, service: str, client: str) -> str:
        return f"{name} may not"

    here.hub.authenticator.hook = nobody_may
    shown = await page.evaluate(
        "async () => { const {shown} = await import('/static/common/passkeys.js'); return await shown(); }"
    )
    await there.own("POST", "session/passkey", 401, json=shown)
    here.hub.authenticator.hook = None

    bob = await here.signed_in(BOB)
    await bob.own("DELETE", f"passkeys/{row.id}", 404)
    await here.hub.directory.set_enabled(ANN, False)
    shown = await page.evaluate(
        "async () => { const {shown} = await import('/static/common/passkeys.js'); return await shown(); }"
    )
    await there.own("POST", "session/passkey", 401, json=shown)
