"""Captured mail by HTTP: our own interface, and Mailpit's and MailHog's in their shapes, over real connections."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import aiosmtplib
import pytest
import trustme
from support.https import website

from mailhub.config.schema import Delivery, Listener, Relay
from mailhub.testing import AsyncMailHub, RemoteHost

DOORS = (
    Listener(protocol="smtp", tls="none"),
    Listener(protocol="http", tls="none"),
)
API = "/api/mailhub/v1/capture"
LETTER = (
    "From: App <app@example.test>\r\nTo: Bob <bob@example.test>\r\nSubject: {subject}\r\nMessage-ID: <{subject}@app.test>\r\n"
    "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    "--b\r\nContent-Type: text/html\r\n\r\n<p style='display:flex'>Code <b>482913</b> <a href='http://app.test/a'>go</a></p>"
    "<script>top.x = 1</script>\r\n"
    '--b\r\nContent-Type: text/html; name="../a.html"\r\nContent-Disposition: attachment\r\n\r\n<script>evil()</script>\r\n--b--\r\n'
)


class Site:
    """The server's HTTP door."""

    def __init__(self, hub: AsyncMailHub, session: aiohttp.ClientSession) -> None:
        self.hub, self._session = hub, session
        self.root = f"http://{hub.host}:{hub.port('http')}"

    async def ask(self, method: str, path: str, status: int = 200, **options: Any) -> Any:
        async with self._session.request(method, self.root + path, **options) as answer:
            text = await answer.text()
            assert answer.status == status, text
            return json.loads(text) if answer.content_type == "application/json" else text

    async def get(self, path: str, status: int = 200, **options: Any) -> Any:
        return await self.ask("GET", path, status, **options)

    async def post(self, subject: str, to: str = "bob@example.test") -> None:
        await aiosmtplib.send(
            LETTER.format(subject=subject), sender="app@example.test", recipients=[to], hostname=self.hub.host,
            port=self.hub.port("smtp"),
        )  # fmt: skip
        await self.hub.settled()


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with AsyncMailHub(listener=DOORS) as hub, aiohttp.ClientSession() as session:
        yield Site(hub, session)


async def test_health(site: Site) -> None:
    assert await site.get("/health") == {"status": "ready"}
    site.hub.faults.disk.full()
    assert (await site.get("/health/ready", 503))["status"] == "not ready"
    assert await site.get("/health/live") == {"status": "live"}


async def test_list_search_and_one(site: Site) -> None:
    for subject in ("first", "second"):
        await site.post(subject)
    await site.post("third", "eve@example.test")
    found = await site.get(f"{API}/messages")
    assert [letter["subject"] for letter in found["messages"]] == ["third", "second", "first"]
    found = await site.get(f"{API}/messages?to=bob&subject=SEC")
    assert (found["total"], found["messages"][0]["subject"]) == (1, "second")
    one = await site.get(f"{API}/messages/{found['messages'][0]['id']}")
    assert (one["codes"], one["links"]) == (["482913"], [{"url": "http://app.test/a", "trouble": "is not encrypted"}])
    assert {"what": "flexbox", "who": "Outlook for Windows", "times": 1} in one["unsupported"]
    assert (await site.get(f"{API}/messages/latest"))["letter"]["mailbox"] == "eve@example.test"
    assert "no message" in (await site.get(f"{API}/messages/9-9", 404))["error"]


async def test_links_are_asked_when_somebody_wants_it(site: Site) -> None:
    authority = trustme.CA()
    async with website(authority.issue_cert("127.0.0.1")) as secure, website(None) as plain:
        plain.status = 404
        links = [
            f"http://localhost:{plain.port}/gone",
            f"https://127.0.0.1:{secure.port}/x",
            "http://nobody.test/",
            "mailto:a@b.test",
        ]
        text = "Content-Type: text/html\r\n\r\n" + "".join(f"<a href='{link}'>go</a>\r\n" for link in links + links[:1])
        where: dict[str, Any] = {"hostname": site.hub.host, "port": site.hub.port("smtp")}
        await aiosmtplib.send(text, sender="app@example.test", recipients=["bob@example.test"], **where)
        await site.hub.settled()
        assert plain.asked == [], "nobody asked yet"
        told = (await site.ask("POST", f"{API}/messages/latest/links"))["links"]
        assert [(one["url"], one["status"]) for one in told] == [(links[0], 404), (links[1], 0), (links[2], 0)]
        assert "certificate" in told[1]["trouble"]
        assert plain.asked == ["HEAD localhost /gone"]


async def test_waiting_for_what_comes(site: Site) -> None:
    await site.post("before")
    last = (await site.get(f"{API}/messages"))["messages"][0]["id"]
    waiting = asyncio.create_task(site.get(f"{API}/wait?subject=o&after={last}"))
    await asyncio.sleep(0)
    await site.post("later on")
    assert (await waiting)["letter"]["subject"] == "later on"
    assert "no such message" in (await site.get(f"{API}/wait?subject=never&timeout=0.01", 408))["error"]


async def test_events_tell_each_message(site: Site) -> None:
    async with aiohttp.ClientSession() as session, session.get(site.root + API + "/events") as stream:
        assert await stream.content.readline() == b": here\n"
        await site.post("told")
        lines = []
        while not lines or not lines[-1].startswith(b"data: "):
            lines.append(await stream.content.readline())
        assert json.loads(lines[-1][6:])["subject"] == "told"


async def test_delete(site: Site) -> None:
    for subject in ("a1", "a2", "b1"):
        await site.post(subject)
    await site.ask("DELETE", f"{API}/messages/latest", 204)
    await site.ask("DELETE", f"{API}/messages?subject=a1", 204)
    assert [letter["subject"] for letter in (await site.get(f"{API}/messages"))["messages"]] == ["a2"]
    await site.ask("DELETE", f"{API}/messages", 204)
    assert (await site.get(f"{API}/messages"))["total"] == 0
    assert len(await site.hub.inbox("bob@example.test")) == 0


async def test_release_goes_through_the_queue() -> None:
    away = RemoteHost("mx.real.test")
    await away.start("127.0.0.1", 0)
    port = away.port
    options = {"delivery": Delivery(relayhost=f"[127.0.0.1]:{port}"), "relay": Relay(ipv6=False)}
    async with AsyncMailHub(listener=DOORS, **options) as hub, aiohttp.ClientSession() as session:
        site = Site(hub, session)
        await site.post("kept")
        await site.ask("POST", f"{API}/messages/latest/release", json={"to": ["ann@real.test"]})
        await hub.settled()
        (taken,) = away.taken
        assert (taken.sender, taken.recipients) == ("app@example.test", ("ann@real.test",))
        assert b"Subject: kept" in taken.data
        assert b"Delivered-To" not in taken.data
        assert "address" in (await site.ask("POST", f"{API}/messages/latest/release", 400, json={"to": ["x"]}))["error"]
    await away.stop()


async def test_mailpit_s_calls(site: Site) -> None:
    await site.post("one")
    await site.post("two", "hidden@example.test")
    page = await site.get("/api/v1/messages?limit=1")
    assert {key: page[key] for key in ("total", "unread", "count", "messages_count", "start")} == {
        "total": 2, "unread": 2, "count": 1, "messages_count": 2, "start": 0,
    }  # fmt: skip
    (summary,) = page["messages"]
    assert summary["From"] == {"Name": "App", "Address": "app@example.test"}
    assert summary["To"] == [{"Name": "Bob", "Address": "bob@example.test"}]
    assert summary["Bcc"] == [{"Name": "", "Address": "hidden@example.test"}]
    assert (summary["Subject"], summary["Read"], summary["Attachments"], summary["MessageID"]) == (
        "two",
        False,
        1,
        "two@app.test",
    )
    whole = await site.get(f"/api/v1/message/{summary['ID']}")
    assert whole["Attachments"][0]["FileName"] == "../a.html"
    assert "482913" in whole["Text"]
    assert (await site.get("/api/v1/messages"))["unread"] == 1
    assert (await site.get("/api/v1/message/latest/headers"))["Subject"] == ["two"]
    assert "482913" in await site.get("/view/latest.txt")
    assert "<b>482913</b>" in await site.get("/view/latest.html")
    assert (await site.get("/api/v1/message/latest/link-check"))["Links"][0]["URL"] == "http://app.test/a"
    assert await site.get("/api/v1/tags") == []
    assert "Subject: two" in await site.get("/api/v1/message/latest/raw")
    assert (await site.get("/api/v1/search?query=subject:one"))["messages_count"] == 1
    assert (await site.get("/api/v1/search?query=-subject:one+has:attachment"))["messages"][0]["Subject"] == "two"
    await site.ask("PUT", "/api/v1/messages", json={"IDs": [summary["ID"]], "Read": False})
    assert (await site.get("/api/v1/info"))["Unread"] == 2
    await site.ask("DELETE", "/api/v1/messages", json={"IDs": [summary["ID"]]})
    assert (await site.get("/api/v1/messages"))["total"] == 1
    await site.ask("DELETE", "/api/v1/messages")
    assert (await site.get("/api/v1/messages"))["messages"] == []


async def test_mailhog_s_calls(site: Site) -> None:
    await site.post("one")
    await site.post("two", "eve@example.test")
    page = await site.get("/api/v2/messages?limit=1")
    assert (page["total"], page["count"], page["start"]) == (2, 1, 0)
    (item,) = page["items"]
    assert (item["From"]["Mailbox"], item["To"][0]["Mailbox"]) == ("app", "eve")
    assert item["Content"]["Headers"]["Subject"] == ["two"]
    assert "482913" in item["Content"]["Body"]
    assert (await site.get("/api/v2/search?kind=to&query=eve@example.test"))["total"] == 1
    assert (await site.get("/api/v2/search?kind=from&query=nobody"))["total"] == 0
    assert (await site.get("/api/v2/search?kind=containing&query=482913"))["total"] == 2
    html, attachment = item["MIME"]["Parts"]
    assert (html["Headers"]["Content-Type"], html["MIME"]) == (["text/html"], None)
    assert "<b>482913</b>" in html["Body"]
    assert attachment["Headers"]["Content-Disposition"] == ["attachment"]
    await site.ask("DELETE", f"/api/v1/messages/{item['ID']}")
    assert (await site.get("/api/v2/messages"))["total"] == 1


async def test_faults_and_time_by_http(site: Site) -> None:
    site.hub.hub.faults = site.hub.faults
    assert (await site.get(f"{API}/clock"))["virtual"] is True
    before = (await site.get(f"{API}/clock"))["time"]
    assert (await site.ask("POST", f"{API}/clock", json={"seconds": 90}))["time"] == before + 90
    assert "seconds" in (await site.ask("POST", f"{API}/clock", 400, json={"seconds": -1}))["error"]


async def test_an_attachment_is_never_a_page(site: Site) -> None:
    await site.post("evil")
    async with (
        aiohttp.ClientSession() as session,
        session.get(site.root + f"{API}/messages/latest/attachments/0") as answer,
    ):
        assert answer.headers["Content-Type"] == "application/octet-stream"
        assert answer.headers["Content-Disposition"] == 'attachment; filename=".._a.html"'
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    await site.get(f"{API}/messages/latest/attachments/7", 404)
    async with aiohttp.ClientSession() as session, session.get(site.root + f"{API}/messages/latest/html") as answer:
        assert answer.headers["Content-Security-Policy"].startswith("sandbox allow-popups; default-src 'none'")


@pytest.mark.parametrize(
    "headers", [{"Origin": "http://evil.test"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}]
)
async def test_a_page_of_another_origin_changes_nothing(site: Site, headers: dict[str, str]) -> None:
    await site.post("kept")
    await site.ask("DELETE", f"{API}/messages", 403, headers=headers)
    assert (await site.get(f"{API}/messages"))["total"] == 1


async def test_a_name_that_is_not_ours_is_refused(site: Site) -> None:
    await site.get("/health", 421, headers={"Host": "rebound.evil.test"})
    await site.get("/health", headers={"Host": "localhost:1234"})
    await site.get("/health", headers={"Host": "mailhub.test"})


async def test_what_makes_no_sense_is_said_so(site: Site) -> None:
    assert "body of the request" in (await site.ask("PUT", "/api/v1/messages", 400, data=b"{"))["error"]
    assert "body of the request" in (await site.ask("PUT", "/api/v1/messages", 400, json={"IDs": 1}))["error"]
    await site.get("/api/v1/messages?limit=x", 400)
    await site.get("/nothing", 404)
    await site.ask("PATCH", "/health", 405)


async def test_what_checks_found_is_shown(site: Site) -> None:
    signature = "DKIM-Signature: v=1; a=rsa-sha256; d=app.test; s=none; h=from; bh=eA==; b=eA==\r\n"
    text = signature + LETTER.format(subject="signed")
    await aiosmtplib.send(
        text,
        sender="app@example.test",
        recipients=["bob@example.test"],
        hostname=site.hub.host,
        port=site.hub.port("smtp"),
    )
    await site.hub.settled()
    one = await site.get(f"{API}/messages/latest")
    assert one["verdict"].startswith("accept, score 0.0; dkim=")
    assert "header.d=app.test" in one["authentication"]


async def test_the_description_has_every_call(site: Site) -> None:
    document = await site.get("/api/openapi.json")
    assert document["openapi"] == "3.1.0"
    paths = document["paths"]
    assert {"get", "delete"} == set(paths[f"{API}/messages"])
    assert paths[f"{API}/messages/{{id}}/release"]["post"]["requestBody"]["required"] is True
    assert "WholeLetter" in document["components"]["schemas"]
