"""Set-up of mail programs, the MTA-STS policy, and the page: read by the parsers of their readers."""

import asyncio
import plistlib
import shutil
import subprocess
from collections.abc import AsyncIterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import aiohttp
import pytest
from playwright.async_api import async_playwright
from support.browser import CHROMIUM
from support.hubs import running

from mailhub.config.schema import Listener, Setup
from mailhub.config.web import Web
from mailhub.control.setup import sts
from mailhub.delivery.relay import mta_sts
from mailhub.hub import Hub
from mailhub.net.challenges import Proof

DOORS = (
    Listener(protocol="submission"),
    Listener(protocol="submission", tls="implicit"),
    Listener(protocol="imap", tls="implicit"),
    Listener(protocol="imap", tls="none", name="plain"),
    Listener(protocol="pop3"),
    Listener(protocol="http", tls="none"),
)
THUNDERBIRD = "/mail/config-v1.1.xml"
OUTLOOK = "/autodiscover/autodiscover.xml"
SCHEMA = "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a"
QUESTION = """<?xml version="1.0" encoding="utf-8"?>
<Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006"><Request>
<EMailAddress>{}</EMailAddress><AcceptableResponseSchema>{}</AcceptableResponseSchema></Request></Autodiscover>"""
PATHS = (THUNDERBIRD, "/.well-known/autoconfig/mail/config-v1.1.xml", "/setup", "/setup/mail.mobileconfig")


class Site:
    """The server's HTTP door, called by any name."""

    def __init__(self, hub: Hub, session: aiohttp.ClientSession) -> None:
        self.hub, self._session = hub, session

    async def ask(self, method: str, path: str, host: str = "localhost", **options: Any) -> tuple[int, str, bytes]:
        url = f"http://127.0.0.1:{self.hub.port('http')}{path}"
        headers = {"Host": host} | options.pop("headers", {})
        async with self._session.request(method, url, headers=headers, **options) as answer:
            return answer.status, answer.content_type, await answer.read()

    async def get(self, path: str, host: str = "localhost", **query: str) -> bytes:
        status, _, body = await self.ask("GET", path, host, params=query)
        assert status == 200, body
        return body


def options(**more: Any) -> dict[str, Any]:
    return {"hostname": "mail.b.test", "domains": ("a.test", "bücher.test"), "listener": DOORS} | more


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with (
        asyncio.timeout(50),
        running(tmp_path / "var", "ann@a.test", **options()) as hub,
        aiohttp.ClientSession() as session,
    ):
        yield Site(hub, session)


@pytest.mark.parametrize("path", PATHS[:2])
async def test_thunderbird_is_told_what_is_really_served(site: Site, path: str) -> None:
    root = ElementTree.fromstring(await site.get(path, emailaddress="ann@a.test"))
    (provider,) = root
    assert (root.tag, provider.get("id"), provider.findtext("domain")) == ("clientConfig", "a.test", "a.test")
    told = [
        (one.tag, one.get("type"), one.findtext("hostname"), int(one.findtext("port") or 0), one.findtext("socketType"))
        for one in provider
        if one.tag.endswith("Server")
    ]
    port = site.hub.port
    assert told == [
        ("incomingServer", "imap", "mail.b.test", port("imaps"), "SSL"),
        ("incomingServer", "pop3", "mail.b.test", port("pop3"), "STARTTLS"),
        ("outgoingServer", "smtp", "mail.b.test", port("submissions"), "SSL"),
        ("outgoingServer", "smtp", "mail.b.test", port("submission"), "STARTTLS"),
    ]
    assert {one.findtext("username") for one in provider if one.tag.endswith("Server")} == {"%EMAILADDRESS%"}


async def test_the_domain_is_known_by_the_name_that_was_called(site: Site) -> None:
    for host in ("autoconfig.a.test", "A.test:8025", "autodiscover.a.test."):
        assert b'id="a.test"' in await site.get(PATHS[1], host)
    assert b"clientConfig" in await site.get(THUNDERBIRD, "autoconfig.bücher.test".encode("idna").decode())


async def test_outlook_is_told_one_of_each(site: Site) -> None:
    body = QUESTION.format("ann@a.test", SCHEMA)
    for path in (OUTLOOK, "/Autodiscover/Autodiscover.xml"):
        status, kind, answer = await site.ask("POST", path, "autodiscover.a.test", data=body)
        assert (status, kind) == (200, "text/xml")
        spaces = {"a": SCHEMA}
        found = ElementTree.fromstring(answer).findall(".//a:Protocol", spaces)
        told = [tuple(one.findtext(f"a:{tag}", "", spaces) for tag in ("Type", "Port", "Encryption")) for one in found]
        port = site.hub.port
        assert told == [
            ("IMAP", str(port("imaps")), "SSL"), ("POP3", str(port("pop3")), "TLS"), ("SMTP", str(port("submissions")), "SSL"),
        ]  # fmt: skip
        assert {one.findtext("a:LoginName", "", spaces) for one in found} == {"ann@a.test"}


@pytest.mark.parametrize(
    "body",
    [
        "",
        "no xml",
        "<a>" * 4_000,
        QUESTION.format("", SCHEMA),
        QUESTION.format(
            "ann@a.test", "http://schemas.microsoft.com/exchange/autodiscover/mobilesync/responseschema/2006"
        ),
        '<!DOCTYPE a [<!ENTITY x "ann@a.test">]>' + QUESTION.format("&x;", SCHEMA).partition("?>")[2],
        '<!DOCTYPE a [<!ENTITY x SYSTEM "file:/etc/hostname">]>' + QUESTION.format("&x;", SCHEMA).partition("?>")[2],
        "x" * 20_000,
    ],
)
async def test_what_is_no_question_of_outlook_is_refused(site: Site, body: str) -> None:
    status, _, _ = await site.ask("POST", OUTLOOK, data=body)
    assert status == (413 if len(body) > 16_384 else 400)


async def test_apple_gets_a_profile(site: Site) -> None:
    status, kind, body = await site.ask("GET", "/setup/mail.mobileconfig", params={"emailaddress": "ann@a.test"})
    assert (status, kind) == (200, "application/x-apple-aspen-config")
    profile = plistlib.loads(body)
    (mail,) = profile["PayloadContent"]
    assert mail["PayloadType"] == "com.apple.mail.managed"
    assert (mail["EmailAddress"], mail["IncomingMailServerUsername"]) == ("ann@a.test", "ann@a.test")
    assert (mail["IncomingMailServerPortNumber"], mail["IncomingMailServerUseSSL"]) == (site.hub.port("imaps"), True)
    assert mail["OutgoingMailServerPortNumber"] == site.hub.port("submissions")
    again = plistlib.loads(await site.get("/setup/mail.mobileconfig", emailaddress="ann@a.test"))
    assert again == profile  # the same identity: installing it twice replaces it
    assert (
        "EmailAddress"
        not in plistlib.loads(await site.get("/setup/mail.mobileconfig", domain="a.test"))["PayloadContent"][0]
    )


async def test_nobody_learns_whether_an_account_is_there(site: Site) -> None:
    for path in PATHS:
        there, absent = [await site.get(path, emailaddress=f"{who}@a.test") for who in ("ann", "eve")]
        assert (
            there.replace(b"ann", b"eve") == absent or path == "/setup/mail.mobileconfig"
        )  # which has UUIDs of the address
        assert len(there) == len(absent)


@pytest.mark.parametrize("path", PATHS)
async def test_domains_of_others_are_not_there(site: Site, path: str) -> None:
    for query in ({"emailaddress": "ann@other.test"}, {"domain": "mail.b.test"}, {}):
        status, _, body = await site.ask("GET", path, params=query)
        assert (status, b"a.test" in body) == (404, False)
    status, _, _ = await site.ask("POST", OUTLOOK, data=QUESTION.format("ann@other.test", SCHEMA))
    assert status == 404


NASTY = (
    '"><script>alert(1)</script>@a.test',
    "a'onload='x@a.test",
    "a&b@a.test",
    "a\r\nb@a.test",
    "@",
    "x" * 400 + "@a.test",
    "a\u202eb@a.test",
)


@pytest.mark.parametrize("address", NASTY)
@pytest.mark.parametrize("path", PATHS)
async def test_nothing_of_a_strange_address_comes_back(site: Site, path: str, address: str) -> None:
    status, _, body = await site.ask("GET", path, params={"emailaddress": address})
    assert status in (400, 404)
    assert b"script" not in body
    assert b"onload" not in body


class Page(HTMLParser):
    """Elements, attributes and text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.cells: list[str] = []
        self._cell = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("href", "src", "action")]
        self._cell = tag in ("td", "strong")

    def handle_data(self, data: str) -> None:
        if self._cell:
            self.cells.append(data)
            self._cell = False


async def test_a_person_reads_the_page(site: Site) -> None:
    page = Page((await site.get("/setup", emailaddress="ann@a.test")).decode())
    assert page.cells[:4] == ["Read mail (IMAP)", "mail.b.test", str(site.hub.port("imaps")), "TLS"]
    assert page.cells[-1] == "ann@a.test"
    assert "script" not in page.tags
    assert page.links == ["setup/setup.css", "setup/mail.mobileconfig?domain=a.test&emailaddress=ann%40a.test"]
    assert (await site.ask("GET", "/setup/setup.css"))[1] == "text/css"
    assert "svg" not in page.tags  # no HTTPS, and so no address to take to a phone
    chinese = await site.ask(
        "GET", "/setup", params={"domain": "a.test"}, headers={"Accept-Language": "fr, zh-CN;q=0.9"}
    )
    assert "收信" in chinese[2].decode()


@pytest.mark.slow
@pytest.mark.skipif(not (CHROMIUM and shutil.which("zbarimg")), reason="no chromium, or no zbarimg")
async def test_the_code_is_read_from_the_screen(tmp_path: Path) -> None:
    reached = options(setup=Setup(ports={"http": 443}), web=Web(prefix="/mail"))
    async with asyncio.timeout(50), running(tmp_path / "var", **reached) as hub, async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for prefix in ("", "/mail"):  # at the root, and behind a proxy
            page = await browser.new_page()
            await page.goto(
                f"http://127.0.0.1:{hub.port('http')}{prefix}/setup?domain=a.test&emailaddress=ann%40a.test"
            )
            picture = tmp_path / "page.png"
            await page.screenshot(path=picture, full_page=True)
            read = await asyncio.to_thread(
                subprocess.run, ["zbarimg", "--quiet", "--raw", picture], capture_output=True, text=True, check=True
            )
            assert read.stdout == "https://mail.b.test/mail/setup?domain=a.test&emailaddress=ann%40a.test\n"
        await browser.close()


async def test_the_policy_is_there_by_its_own_name_alone(site: Site) -> None:
    path = "/.well-known/mta-sts.txt"
    status, kind, body = await site.ask("GET", path, "mta-sts.a.test")
    assert (status, kind) == (200, "text/plain")
    policy = mta_sts.read(body)
    assert (policy.mode, policy.mx) == ("testing", ("mail.b.test",))
    assert body.decode() == sts.policy(site.hub.config)
    assert (await site.ask("GET", path, "MTA-STS.A.test:443"))[0] == 200
    for host in ("a.test", "mta-sts.other.test", "localhost", "mta-sts."):
        assert (await site.ask("GET", path, host))[0] == 404


async def test_other_paths_are_answered_by_names_of_ours_alone(site: Site) -> None:
    assert (await site.ask("GET", "/health", "autoconfig.a.test"))[0] == 421
    assert (await site.ask("GET", "/health", "mail.b.test"))[0] == 200


async def test_a_challenge_is_there_while_it_is_presented(site: Site) -> None:
    path = "/.well-known/acme-challenge/tok"
    async with site.hub.challenges.present(Proof("a.test", "tok", "tok.print")):
        for host in ("mta-sts.a.test", "mail.b.test", "anything.test"):
            assert await site.ask("GET", path, host) == (200, "application/octet-stream", b"tok.print")
    for token in ("tok", "..%2Ftok", "%00", "x" * 2_000):
        assert (await site.ask("GET", f"/.well-known/acme-challenge/{token}", "anything.test"))[0] == 404
