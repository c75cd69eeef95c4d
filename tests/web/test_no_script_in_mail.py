"""No script of a message runs: each wall by itself in the real browser, and the page as a whole."""

import re
from collections.abc import AsyncIterator
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from playwright.async_api import Browser, Dialog, Error, Page
from support.browser import CHROMIUM, chromium
from support.hubs import PASSWORD, send
from support.scripts_in_mail import VECTORS
from support.webmail import ANN, BOB, OWN, site

from mailhub.web.mail.cleaning import cleaned
from mailhub.web.mail.cleaning import page as framed
from mailhub.web.mail.reading import FRAME

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not CHROMIUM, reason="no chromium")]
_HANDLERS = (
    "<script",
    " on",
    "javascript:",
    "<iframe",
    "<svg",
    "<object",
    "<form",
    "<base",
    "<meta",
    "<style",
    "srcdoc",
)


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as browser:
        yield browser


class Watched:
    """A page that tells whether a script of a message ran, and what was fetched."""

    def __init__(self, page: Page) -> None:
        self.page, self.ran, self.fetched = page, 0, list[str]()
        page.on("dialog", self._heard)
        page.on("request", lambda request: self.fetched.append(request.url))

    async def _heard(self, dialog: Dialog) -> None:
        self.ran += 1
        await dialog.dismiss()

    async def poke(self) -> None:
        """What a reader may do: point at everything, click it."""
        await self.page.evaluate(
            "for (const one of document.querySelectorAll('*')) {"
            " for (const kind of ['mouseover', 'focus', 'pointerenter', 'wheel']) one.dispatchEvent(new Event(kind, {bubbles: true}));"
            " if (one.matches('a, button, input, area')) one.click(); }"
        )


async def watched(browser: Browser) -> Watched:
    page = await (await browser.new_context()).new_page()
    page.set_default_timeout(20_000)
    await page.route("**/*far.example/**", lambda route: route.abort())
    return Watched(page)


def test_there_are_enough() -> None:
    assert len(set(VECTORS)) >= 100


async def test_without_any_wall_scripts_do_run(browser: Browser) -> None:
    """Else the tests below could not fail."""
    ran = 0
    for vector in VECTORS[:60]:
        one = await watched(browser)
        await one.page.set_content(vector, wait_until="commit")
        await one.page.wait_for_timeout(15)
        ran += one.ran > 0
        await one.page.context.close()
    assert ran > 25


async def test_the_cleaner_alone(browser: Browser) -> None:
    """In a page that would let every script run."""
    one = await watched(browser)
    for vector in VECTORS:
        made = cleaned(vector, {}, remote=True)
        assert made is not None
        await one.page.set_content(framed(made.html), wait_until="commit")
        await one.poke()
        assert one.ran == 0, vector
    assert not [url for url in one.fetched if url.startswith(("javascript", "data:text"))]


async def test_the_frame_alone(browser: Browser, tmp_path: Path) -> None:
    """Not cleaned at all: the policy of the frame holds by itself."""
    one = await watched(browser)
    waiting = iter(VECTORS)

    async def answer(route: object) -> None:
        body = f"<!doctype html><html><body>{next(waiting)}</body></html>"
        headers = {"Content-Security-Policy": FRAME, "Content-Type": "text/html"}
        await route.fulfill(body=body, headers=headers)  # type: ignore[attr-defined]

    await one.page.route("http://frame.example/*", answer)
    for n, vector in enumerate(VECTORS):
        await one.page.goto(f"http://frame.example/{n}", wait_until="commit")
        assert one.ran == 0, vector
    assert not [url for url in one.fetched if "far.example" in url]


async def test_the_page_as_a_whole(browser: Browser, tmp_path: Path) -> None:
    """Each as a message of its own, with scripts also where a header or a file's name may hold them; some opened as a reader does."""
    async with site(tmp_path) as here:
        for vector in VECTORS:
            await send(here.hub, BOB, ANN, message(vector).as_bytes(policy=SMTP))
        await here.hub.queue.idle()
        one = await watched(browser)
        page = one.page
        await page.goto(here.root + "/")
        await page.locator("[name=login]").fill(ANN)
        await page.locator("[name=password]").fill(PASSWORD)
        await page.keyboard.press("Enter")
        for n in range(6):
            await page.locator(f"#row-{n}").click()
            await page.frame_locator("iframe.text").locator("body").wait_for()
            await page.locator("#message").get_by_role("button", name="Forward", exact=True).click()
            await page.frame_locator(".writer iframe").locator("b").first.wait_for()
            await page.locator(".writer").evaluate("one => one.remove()")
        assert one.ran == 0
        for uid in range(1, len(VECTORS) + 1):
            place = f"{here.root}{OWN}folders/INBOX/messages/{uid}"
            for path in ("/html?pictures=1", "/raw?inline=1"):
                await page.goto(place + path, wait_until="commit")
            assert one.ran == 0, VECTORS[uid - 1]
        with pytest.raises(Error, match="Download"):
            await page.goto(place + "/parts/2?inline=1")
        assert not [url for url in one.fetched if "static/mail" not in url and "script" in url.rpartition("/")[2]]


def message(vector: str) -> EmailMessage:
    made = EmailMessage()
    made["From"] = f'"<img src=x onerror=alert(1)>" <{BOB}>'
    made["To"], made["Subject"] = ANN, "<script>alert(1)</script><img src=x onerror=alert(2)>"
    made.set_content("text <script>alert(3)</script>")
    made.add_alternative(f"<html><body>{vector}</body></html>", subtype="html")
    made.add_attachment("<script>alert(4)</script>", "html", filename="<img src=x onerror=alert(5)>.html")
    return made


@settings(max_examples=300)
@given(
    st.lists(
        st.one_of(
            st.sampled_from(VECTORS), st.text(max_size=20), st.sampled_from(["<", ">", '"', "'", "-->", "</", "&#"])
        ),
        max_size=12,
    )
)
def test_whatever_is_put_together(pieces: list[str]) -> None:
    made = cleaned("".join(pieces), {}, remote=True)
    assert made is not None
    inside = _tags(made.html)
    assert not [sign for sign in _HANDLERS if sign in inside.replace("<!---->", "")], made.html


def _tags(html: str) -> str:
    """The tags alone, without the values of attributes, in lower case."""
    return " ".join(re.sub(r'="[^"]*"', "=", tag).lower() for tag in re.findall(r"<[^>]*(?:\"[^\"]*\"[^>]*)*>", html))
