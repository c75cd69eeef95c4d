"""Plots and reports in Debian's Chromium; and that no page has what a checker of accessibility calls serious."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect
from support.admin_pages import administered, opened
from support.browser import CHROMIUM, chromium
from support.hubs import send
from support.webmail import ANN, BOB, Site

from mailhub.config.history import History
from mailhub.model.clock import VirtualClock
from mailhub.store.api import Figures

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not CHROMIUM, reason="no chromium")]
DMARC = (
    "<feedback><report_metadata><org_name>Far &lt;b&gt;</org_name><report_id>1</report_id><date_range><begin>1799990000</begin>"
    "<end>1799999999</end></date_range></report_metadata><policy_published><domain>mailhub.test</domain><p>none</p></policy_published>"
    "<record><row><source_ip>192.0.2.9</source_ip><count>8</count><policy_evaluated><disposition>none</disposition><dkim>pass</dkim>"
    "<spf>fail</spf></policy_evaluated></row><identifiers><header_from>mailhub.test</header_from></identifiers></record></feedback>"
)


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as browser:
        yield browser


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Site]:
    async with administered(tmp_path, history=History()) as made:
        yield made


async def test_plots_of_what_came_and_went(browser: Browser, here: Site) -> None:
    clock = here.hub.clock
    assert isinstance(clock, VirtualClock)
    page = await opened(browser, here, "figures")
    await expect(page.get_by_text("There are no figures yet")).to_be_visible()
    await here.hub.store.history.add(Figures(int(clock.now()) - 7_200, accepted=41, sent=1), 86_400, 86_400)
    await send(here.hub, ANN, BOB)
    await here.hub.queue.idle()
    await clock.advance(60)
    await page.get_by_role("button", name="Refresh").click()
    mail = page.locator("figure", has_text="Mail, each 6 mins")
    plot = mail.get_by_role("img", name="Accepted 1 last, 41 at the most")
    await expect(plot).to_be_visible()
    assert (await plot.locator("path.s0").get_attribute("d") or "").count("M") == 2, "the time between has no figures"
    await plot.hover(position={"x": 900, "y": 60})
    await expect(mail.locator(".read")).to_contain_text("Accepted")
    await mail.get_by_text("As a table").click()
    await expect(mail.get_by_role("table").locator("tbody tr")).to_have_count(2)
    await page.get_by_label("Over").select_option("1 hr")
    await expect(page.locator("figure", has_text="Mail, each 1 min")).to_be_visible()


async def test_reports_are_summed_up(browser: Browser, here: Site) -> None:
    await send(
        here.hub, "noreply@far.test", BOB,
        b"MIME-Version: 1.0\r\nContent-Type: application/xml; name=a.xml\r\nContent-Disposition: attachment; filename=a.xml\r\n\r\n"
        + DMARC.encode() + b"\r\n",
    )  # fmt: skip
    await here.hub.queue.idle()
    page = await opened(browser, here, "reports")
    await page.get_by_label("Account").fill(BOB)
    await page.get_by_role("button", name="Show", exact=True).click()
    found = page.get_by_role("table", name="DMARC")
    await expect(found.get_by_role("row").filter(has_text="192.0.2.9")).to_contain_text("100%")
    await expect(page.get_by_text("1 reports, from Far <b>.")).to_be_visible()
    await expect(page.get_by_text("No reports were found.")).to_have_count(1)


async def test_numbers_of_odd_sizes_and_hostile_names_are_text(browser: Browser, here: Site) -> None:
    page = await opened(browser, here, "queue")
    evil = {"domain": "<img src=x onerror=document.title='stolen'>", "counts": [1] * 10}
    ages = {"edges": [300.0 * 2**n for n in range(9)], "limit": 1, "rows": [evil]}
    await page.route(
        "**/queue.ages", lambda route: route.fulfill(body=json.dumps(ages), content_type="application/json")
    )
    await page.get_by_role("button", name="Refresh").click()
    await expect(page.get_by_role("button", name=evil["domain"])).to_be_visible()  # type: ignore[arg-type]
    assert await page.title() != "stolen"
