"""Events of mail, posted to a real HTTP server: each once, signed, again until it is taken, over crashes."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from support.hubs import config, messages, running, send

from mailhub.config.webhooks import Webhook
from mailhub.control import words
from mailhub.control.errors import ControlError
from mailhub.hub import Hub
from mailhub.jobs.webhooks import secret
from mailhub.model.clock import VirtualClock
from mailhub.model.errors import Permanent
from mailhub.store.api import Notice

SECRET = "a secret of the tests, long enough"
ANN = "ann@mailhub.test"


class Receiver:
    """A program of somebody else. `answers`: what it says to the next requests; then 200."""

    def __init__(self) -> None:
        self.got: list[dict[str, Any]] = []
        self.ids: list[str] = []
        self.answers: list[int] = []
        self.heard = asyncio.Event()
        self.url = ""

    async def take(self, request: web.Request) -> web.Response:
        body = await request.read()
        at, event = request.headers["webhook-timestamp"], request.headers["webhook-id"]
        digest = hmac.new(SECRET.encode(), f"{event}.{at}.".encode() + body, hashlib.sha256).digest()
        assert request.headers["webhook-signature"] == "v1," + base64.b64encode(digest).decode()
        self.ids.append(event)
        self.heard.set()
        status = self.answers.pop(0) if self.answers else 200
        if status == 200:
            told = json.loads(body)
            assert told["id"] == event
            self.got.append(told)
        return web.Response(status=status, text=f"it is\n{status}")

    async def count(self, number: int) -> None:
        while len(self.ids) < number:
            self.heard.clear()
            await self.heard.wait()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with serving(Receiver()) as one, asyncio.timeout(50):
        yield one


@asynccontextmanager
async def serving(one: Receiver, port: int = 0) -> AsyncIterator[Receiver]:
    app = web.Application()
    app.router.add_post("/mail", one.take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    one.url = f"http://127.0.0.1:{runner.addresses[0][1]}/mail"
    try:
        yield one
    finally:
        await runner.cleanup()


def hooks(folder: Path, url: str, **options: Any) -> dict[str, Webhook]:
    file = folder / "secret"
    file.write_text(SECRET + "\n")
    return {"crm": Webhook(url=url, secret_file=str(file), **options)}


async def listed(hub: Hub) -> words.WebhookState:
    (state,) = await hub.control.perform(words.WebhookList())
    return state


async def test_what_came_in_and_what_came_back(tmp_path: Path, receiver: Receiver) -> None:
    async with running(tmp_path / "var", ANN, webhook=hooks(tmp_path, receiver.url)) as hub:
        await hub.directory.set_alias("broken@mailhub.test", ("nobody@mailhub.test",))
        await send(hub, "bob@far.test", ANN)
        await receiver.count(1)
        (came,) = receiver.got
        assert (came["event"], came["sender"], came["recipient"]) == ("received", "bob@far.test", ANN)
        assert (came["account"], came["folder"], came["code"]) == (ANN, "INBOX", 250)
        (step,) = (await hub.control.perform(words.TraceFind(what=came["message"]))).messages
        assert step.id == came["message"]
        await send(hub, ANN, "broken@mailhub.test")
        await receiver.count(3)
        bounced, report = sorted(receiver.got[1:], key=lambda told: str(told["event"]))
        assert (bounced["event"], bounced["recipient"], bounced["enhanced"]) == (
            "bounced",
            "nobody@mailhub.test",
            "5.1.1",
        )
        assert (report["event"], report["sender"], report["recipient"]) == ("received", "", ANN)
        assert len(await messages(hub, ANN)) == 2
        while (await listed(hub)).waiting:  # what was taken goes after its answer
            await asyncio.sleep(0)


async def test_only_what_was_asked_for(tmp_path: Path, receiver: Receiver) -> None:
    file = hooks(tmp_path, receiver.url)["crm"].secret_file
    wanted = {
        "a": Webhook(url=receiver.url, secret_file=file, events=("bounced",)),
        "b": Webhook(url=receiver.url, secret_file=file, domains=("Far.test",)),
    }
    async with running(tmp_path / "var", ANN, webhook=wanted) as hub:
        await send(hub, "bob@elsewhere.test", ANN)
        await send(hub, "bob@far.test", ANN)
        await receiver.count(1)
        await hub.queue.idle()
        assert [told["sender"] for told in receiver.got] == ["bob@far.test"]
        assert [count.waiting for count in await hub.store.webhooks.counts()] in ([], [1])


async def test_it_is_tried_again_until_it_is_taken(tmp_path: Path, receiver: Receiver) -> None:
    clock = VirtualClock()
    receiver.answers = [500, 429, 404, 200]
    async with running(tmp_path / "var", ANN, clock=clock, webhook=hooks(tmp_path, receiver.url)) as hub:
        await send(hub, "bob@far.test", ANN)
        await receiver.count(1)
        await clock.advance(4)
        assert len(receiver.ids) == 1
        assert (await listed(hub)).said == "500 it is 500"
        await clock.advance(6)
        assert len(receiver.ids) == 2
        await clock.advance(20)
        await clock.advance(40)
        await receiver.count(4)
        assert len(set(receiver.ids)) == 1, "under the same id"
        await clock.advance(10_000)
        assert (len(receiver.ids), (await listed(hub)).waiting) == (4, 0)


async def test_what_nobody_takes_is_given_up(
    tmp_path: Path, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    clock = VirtualClock()
    receiver.answers = [500] * 10_000
    hook = hooks(tmp_path, receiver.url, lifetime=7_200.0)
    async with running(tmp_path / "var", ANN, clock=clock, webhook=hook) as hub:
        await send(hub, "bob@far.test", ANN)
        await receiver.count(1)
        await clock.advance(4 * 3_600)
        assert (await listed(hub)).waiting == 0
        assert 8 < len(receiver.ids) < 20
    assert "is given up after" in caplog.text


async def test_gone_is_gone(tmp_path: Path, receiver: Receiver) -> None:
    clock = VirtualClock()
    receiver.answers = [410]
    async with running(tmp_path / "var", ANN, clock=clock, webhook=hooks(tmp_path, receiver.url)) as hub:
        await send(hub, "bob@far.test", ANN)
        await receiver.count(1)
        await clock.advance(3_600)
        assert (len(receiver.ids), (await listed(hub)).waiting) == (1, 0)


async def test_one_event_that_is_refused_does_not_hold_the_others(tmp_path: Path, receiver: Receiver) -> None:
    clock = VirtualClock()
    receiver.answers = [400]
    async with running(tmp_path / "var", ANN, clock=clock, webhook=hooks(tmp_path, receiver.url)) as hub:
        await send(hub, "1@far.test", ANN)
        await receiver.count(1)
        await send(hub, "2@far.test", ANN)
        await receiver.count(2)
        assert [told["sender"] for told in receiver.got] == ["2@far.test"]
        await clock.advance(6)
        await receiver.count(3)
        assert [told["sender"] for told in receiver.got] == ["2@far.test", "1@far.test"]


async def test_a_closed_door_is_not_knocked_at_by_every_event(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    clock, receiver = VirtualClock(), Receiver()
    async with serving(receiver):
        port = int(receiver.url.rpartition(":")[2].partition("/")[0])
    async with asyncio.timeout(50), running(
        tmp_path / "var", ANN, clock=clock, webhook=hooks(tmp_path, receiver.url)
    ) as hub:  # fmt: skip
        for n in range(20):
            await send(hub, f"{n}@far.test", ANN)
        await hub.queue.idle()
        await clock.advance(60)
        state = await listed(hub)
        assert state.waiting == 20
        tried = [record for record in caplog.records if " waits: " in record.getMessage()]
        assert 4 <= len(tried) <= 7, "four at most at first, then one after 5, 15 and 35 seconds"
        assert "Cannot connect" in state.said
        async with serving(receiver, port):
            await clock.advance(3_600)
            await receiver.count(20)
        assert sorted(int(told["sender"].partition("@")[0]) for told in receiver.got) == list(range(20))


async def test_they_wait_over_a_crash(tmp_path: Path) -> None:
    receiver = Receiver()
    async with serving(receiver):
        port = int(receiver.url.rpartition(":")[2].partition("/")[0])
    settings = hooks(tmp_path, receiver.url)
    async with asyncio.timeout(50):
        async with running(tmp_path / "var", ANN, webhook=settings) as hub:
            await send(hub, "bob@far.test", ANN)
            await hub.queue.idle()
            assert (await listed(hub)).waiting == 1
        clock = VirtualClock()
        async with serving(receiver, port), Hub(config(tmp_path / "var", webhook=settings), clock=clock):
            await clock.advance(3_600 * 2)
            await receiver.count(1)
        assert receiver.got[0]["event"] == "received"


async def test_what_waits_for_a_hook_that_is_no_more_goes(tmp_path: Path, receiver: Receiver) -> None:
    receiver.answers = [500]
    async with running(tmp_path / "var", ANN, webhook=hooks(tmp_path, receiver.url)) as hub:
        await send(hub, "bob@far.test", ANN)
        await receiver.count(1)
    async with running(tmp_path / "var") as hub:
        assert await hub.store.webhooks.counts() == []


async def test_too_many_lose_the_oldest(tmp_path: Path) -> None:
    async with running(tmp_path / "var") as hub:
        for n in range(500):
            await hub.store.webhooks.tell(Notice(0, (("crm", 50), ("other", 1_000)), f"{n}", float(n), b"{}"))
        crm, other = await hub.store.webhooks.counts()
        assert 50 <= crm.waiting <= 50 + 100
        assert crm.oldest == 500 - crm.waiting
        assert other.waiting == 500


async def test_an_operator_tries_one(tmp_path: Path, receiver: Receiver) -> None:
    async with running(tmp_path / "var", webhook=hooks(tmp_path, receiver.url)) as hub:
        await hub.control.perform(words.WebhookTest(name="crm"))
        await receiver.count(1)
        assert receiver.got[0]["event"] == "test"
        with pytest.raises(ControlError, match=r"webhook\.nobody"):
            await hub.control.perform(words.WebhookTest(name="nobody"))


def test_secrets(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("whsec_" + base64.b64encode(b"x" * 32).decode() + "\nmore\n")
    assert secret(str(file)) == b"x" * 32
    for bad in ("short\n", "whsec_???\n", ""):
        file.write_text(bad)
        with pytest.raises(Permanent, match="secret_file"):
            secret(str(file))
