"""Mail that an account sends by HTTP: as submission would take it, with a copy in Sent; its state; taken back in time."""

import asyncio
import base64
import email
import email.policy
import json
from collections.abc import AsyncIterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from support.hubs import PASSWORD, config, messages, send

from mailhub.config.schema import Listener, Resolver
from mailhub.config.signin import Auth
from mailhub.control import words
from mailhub.hub import Hub
from mailhub.model.clock import VirtualClock

SENT = "/api/mailhub/v1/own/sent"
ANN, BOB = "ann@mailhub.test", "bob@mailhub.test"
DOORS = (Listener(protocol="smtp"), Listener(protocol="http", tls="none"))


class Site:
    def __init__(self, hub: Hub, session: aiohttp.ClientSession, clock: VirtualClock) -> None:
        self.hub, self.session, self.clock = hub, session, clock

    async def ask(
        self,
        method: str,
        path: str,
        status: int = 200,
        who: str = ANN,
        headers: dict[str, str] | None = None,
        **body: Any,
    ) -> Any:
        told = {"Authorization": aiohttp.encode_basic_auth(who, PASSWORD, "utf-8"), **(headers or {})}
        root = f"http://127.0.0.1:{self.hub.port('http')}"
        options = {"json": body} if body else {}
        async with self.session.request(method, root + path, headers=told, **options) as answer:
            text = await answer.text()
            assert answer.status == status, text
            return json.loads(text)

    async def send(self, status: int = 200, **body: Any) -> Any:
        return await self.ask("POST", SENT, status, **body)

    async def folder(self, account: str, name: str) -> list[EmailMessage]:
        await self.hub.queue.idle()
        mail = self.hub.mailboxes.account(account)
        view = await mail.open_view(await mail.find(name), read_only=True)
        found = []
        for uid in view.uids:
            async with await view.open(uid) as file:
                raw = await file.read(0, file.size)
            message = email.message_from_bytes(raw, policy=email.policy.default)
            assert isinstance(message, EmailMessage)
            found.append(message)
        view.close()
        return found


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    clock, nobody = VirtualClock(), Resolver(nameservers=("127.0.0.1:9",), timeout=0.2, tries=1)
    settings = config(tmp_path / "var", listener=DOORS, auth=Auth(failure_delay=0), resolver=nobody)
    async with asyncio.timeout(50), Hub(settings, clock=clock) as hub, aiohttp.ClientSession() as session:
        for account in (ANN, BOB):
            await hub.directory.add_account(account, PASSWORD)
        yield Site(hub, session, clock)


async def test_a_message_of_all_parts(site: Site) -> None:
    picture, table = b"\x89PNG" + bytes(range(256)), b"a;b\n1;2\n"
    queued = await site.send(
        sender="Ann Smith <ann@mailhub.test>",
        to=['"Müller, Bob" <bob@mailhub.test>'],
        cc=["Ann <ann@mailhub.test>"],
        bcc=["bob+hidden@mailhub.test"],
        subject="Grüße, 你好",
        html='<p>See <img src="cid:pic1"> &amp; read</p>',
        attachments=[
            {"name": "p.png", "type": "image/png", "content": base64.b64encode(picture).decode(), "cid": "pic1"},
            {"name": "Tabelle ü.csv", "type": "text/csv", "content": base64.b64encode(table).decode()},
        ],
        in_reply_to="<a@far.test>",
        references=["<z@far.test>", "<a@far.test>"],
    )
    got = await site.folder(BOB, "INBOX")
    assert len(got) == 2, "as the one, and as the hidden one"
    message = got[0]
    assert message["Subject"] == "Grüße, 你好"
    assert message["From"] == "Ann Smith <ann@mailhub.test>"
    assert str(message["To"]) == '"Müller, Bob" <bob@mailhub.test>'
    assert message["Message-ID"] == queued["message_id"]
    assert (message["In-Reply-To"], message["References"]) == ("<a@far.test>", "<z@far.test> <a@far.test>")
    assert "hidden" not in message.as_string().partition("\n\n")[0].replace(str(message["Delivered-To"]), "")
    assert "with HTTP" in message["Received"]
    text, html = message.get_body(("plain",)), message.get_body(("html",))
    assert text is not None
    assert html is not None
    assert text.get_content().strip() == "See & read"
    (shown,) = [part for part in message.walk() if part.get_content_type() == "image/png"]
    assert (shown["Content-ID"], shown.get_content()) == ("<pic1>", picture)
    (attached,) = message.iter_attachments()
    assert attached.get_filename() == "Tabelle ü.csv"
    assert attached.get_payload(decode=True) == table


async def test_the_sender_has_a_copy_in_sent(site: Site) -> None:
    await site.hub.directory.set_alias("all@mailhub.test", (ANN, BOB))
    await site.send(to=["all@mailhub.test"], subject="to all", text="x")
    assert [message["Subject"] for message in await site.folder(ANN, "INBOX")] == ["to all"], "the copy hides nothing"
    (copy,) = await site.folder(ANN, "Sent")
    assert (copy["Subject"], copy["Return-Path"], copy["Delivered-To"]) == ("to all", None, None)
    mail = site.hub.mailboxes.account(ANN)
    sent = await mail.find("Sent")
    assert (sent.messages, sent.unseen) == (1, 0)
    assert len(await messages(site.hub, BOB)) == 1


async def test_all_or_nobody(site: Site) -> None:
    told = await site.send(400, to=[BOB, "nobody@mailhub.test", "no one"], text="x")
    assert "no address" in told["error"]
    told = await site.send(400, to=[BOB, "nobody@mailhub.test"], text="x")
    assert told["error"] == "nobody@mailhub.test: 550 5.1.1 No such mailbox here"
    assert await site.folder(BOB, "INBOX") == []
    assert await site.folder(ANN, "Sent") == []


async def test_nobody_writes_as_somebody_else(site: Site) -> None:
    assert "not owned by user" in (await site.send(400, sender=BOB, to=[ANN], text="x"))["error"]
    assert "one address" in (await site.send(400, sender=f"{ANN}, {BOB}", to=[ANN], text="x"))["error"]


@pytest.mark.parametrize(
    "body",
    [
        {"to": []},
        {"to": ["a@b.test\r\nBcc: c@d.test"]},
        {"to": [BOB], "text": "a\0b"},
        {"to": [BOB], "in_reply_to": "<a@b>\r\nX: y"},
        {"to": [BOB], "references": ["a"] * 101},
        {"to": ["a@b.test"] * 1_001},
        {"to": [BOB], "wait": 1e9},
        {"to": [BOB], "at": 4e9},
        {"to": [BOB], "nonsense": 1},
        {"to": [BOB], "html": "<p>", "attachments": [{"name": "a", "content": "", "cid": "a>\r\nb"}]},
    ],
)
async def test_what_is_no_message(site: Site, body: dict[str, Any]) -> None:
    assert (await site.send(400, **body))["error"]
    assert await site.folder(BOB, "INBOX") == []


async def test_no_field_is_smuggled_in(site: Site) -> None:
    await site.send(
        to=[BOB], subject="a\r\nBcc: eve@far.test\r\n\r\nbody", text="x",
        attachments=[{"name": 'a"\r\nX-Evil: 1\r\n.html', "type": "text/html\r\nX-Evil: 2", "content": "eA=="}],
    )  # fmt: skip
    (message,) = await site.folder(BOB, "INBOX")
    assert message["Bcc"] is None
    (part,) = message.iter_attachments()
    assert (part["X-Evil"], part.get_content_type()) == (None, "application/octet-stream")


async def test_a_forwarded_message_goes_as_it_is(site: Site) -> None:
    original = b"From: x@far.test\r\nSubject: =?utf-8?q?=C3=BC?=\r\nX-Odd:   spaces   kept\r\n\r\nbody \xe9 ends\r\n"
    content = base64.b64encode(original).decode()
    await site.send(to=[BOB], text="see", attachments=[{"name": "o.eml", "type": "message/rfc822", "content": content}])
    raw = (await messages(site.hub, BOB))[0]
    assert original.replace(b"\r\n", b"\n").strip() in raw.replace(b"\r\n", b"\n")


async def test_it_waits_and_is_taken_back(site: Site) -> None:
    first = await site.send(to=[BOB], subject="oops", text="x", wait=30)
    second = await site.send(to=[BOB], subject="well", text="x", wait=30)
    assert await site.folder(BOB, "INBOX") == []
    state = await site.ask("GET", f"{SENT}/{first['id']}")
    assert [one["address"] for one in state["waiting"]] == [BOB]
    assert state["until"] == site.clock.now() + 30
    for other in ("GET", "DELETE"):
        await site.ask(other, f"{SENT}/{first['id']}", 404, who=BOB)
    assert (await site.ask("DELETE", f"{SENT}/{first['id']}"))["messages"] == 1
    await site.ask("DELETE", f"{SENT}/{first['id']}", 404)
    await site.clock.advance(31)
    assert [message["Subject"] for message in await site.folder(BOB, "INBOX")] == ["well"]
    assert [message["Subject"] for message in await site.folder(ANN, "Sent")] == ["well"]
    await site.ask("DELETE", f"{SENT}/{second['id']}", 404)
    state = await site.ask("GET", f"{SENT}/{second['id']}")
    assert (state["waiting"], state["until"]) == ([], 0)
    assert any("status=sent" in step["text"] and BOB in step["text"] for step in state["steps"])


async def test_what_is_under_way_is_not_taken_back(site: Site) -> None:
    queued = await site.send(to=["x@nowhere.test"], text="x")  # there is no resolver: deferred
    await site.hub.queue.idle()
    state = await site.ask("GET", f"{SENT}/{queued['id']}")
    assert (state["waiting"][0]["state"], state["until"]) == ("deferred", 0)
    assert "on its way" in (await site.ask("DELETE", f"{SENT}/{queued['id']}", 400))["error"]


async def test_nobody_sees_mail_that_came_by_another_way(site: Site) -> None:
    await send(site.hub, ANN, BOB)
    (message,) = (await site.hub.control.perform(words.TraceFind(what=ANN))).messages
    for who in (ANN, BOB):
        await site.ask("GET", f"{SENT}/{message.id}", 404, who=who)


async def test_a_repetition_sends_nothing(site: Site) -> None:
    key = {"Idempotency-Key": "one-and-only"}
    answers = await asyncio.gather(*(site.send(to=[BOB], text="x", headers=key) for _ in range(5)))
    assert len({answer["id"] for answer in answers}) == 1
    assert len(await messages(site.hub, BOB)) == 1
    await site.send(to=[ANN], text="y", headers={"Idempotency-Key": "another"})
    await site.ask("POST", SENT, who=BOB, to=[BOB], text="z", headers=key)
    assert len(await messages(site.hub, BOB)) == 2, "keys are each account's own"
    refused = {"Idempotency-Key": "refused"}
    await site.send(400, to=["nobody@mailhub.test"], text="x", headers=refused)
    await site.hub.directory.set_alias("nobody@mailhub.test", (BOB,))
    await site.send(to=["nobody@mailhub.test"], text="x", headers=refused)
    await site.send(400, to=[BOB], text="x", headers={"Idempotency-Key": "a b"})


async def test_an_address_beyond_ascii(site: Site) -> None:
    await site.hub.directory.add_account("josé@mailhub.test", PASSWORD)
    await site.send(to=["José <josé@mailhub.test>"], subject="Olé", text="x")
    (message,) = await site.folder("josé@mailhub.test", "INBOX")
    assert "josé@mailhub.test" in str(message["To"])


async def test_a_report_when_it_has_arrived(site: Site) -> None:
    await site.send(to=[BOB], text="x", report=True)
    await site.hub.queue.idle()
    (report,) = await site.folder(ANN, "INBOX")
    assert report.get_content_type() == "multipart/report"
