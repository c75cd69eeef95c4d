"""The operator's actions by HTTP, for tokens with scopes; and an account's own quarantine, for its owner."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, get_args

import aiohttp
import pytest
from support.hubs import PASSWORD, running, send
from support.suspicion import REASON, Suspicion

from mailhub.config.filters import Filter
from mailhub.config.schema import Limits, Listener, Smtp
from mailhub.config.signin import Auth
from mailhub.config.web import Web
from mailhub.control import words
from mailhub.control.scopes import ACTIONS, name
from mailhub.directory.second_factor import STEP, code
from mailhub.hub import Hub
from mailhub.policy.inspection import Inspection

API = "/api/mailhub/v1/"
ANN, BOB = "ann@mailhub.test", "bob@mailhub.test"
DOORS = (Listener(protocol="smtp"), Listener(protocol="http", tls="none"))
OWN = API + "own/quarantine"


class Site:
    """The server's HTTP door."""

    def __init__(self, hub: Hub, session: aiohttp.ClientSession) -> None:
        self.hub, self._session = hub, session
        self.root = f"http://127.0.0.1:{hub.port('http')}"

    async def token(self, *scopes: str, lifetime: float = 0.0) -> str:
        asked = words.TokenAdd(name=f"test {scopes} {lifetime}", scopes=scopes, lifetime=lifetime)
        return (await self.hub.control.perform(asked)).token

    async def ask(
        self, method: str, path: str, status: int = 200, token: str = "", owner: str = "", **options: Any
    ) -> Any:
        shown = owner or (f"Bearer {token}" if token else "")
        headers = {"Authorization": shown} if shown else {}
        async with self._session.request(method, self.root + path, headers=headers, **options) as answer:
            text = await answer.text()
            assert answer.status == status, text
            return json.loads(text)

    async def do(self, action: str, token: str, status: int = 200, **fields: Any) -> Any:
        return await self.ask("POST", API + action, status, token, json=fields)


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with (
        asyncio.timeout(50),
        running(
            tmp_path / "var", ANN, BOB, listener=DOORS, web=Web(requests_per_minute=60), auth=Auth(failure_delay=0)
        ) as hub,
        aiohttp.ClientSession() as session,
    ):
        yield Site(hub, session)


async def test_a_token_may_do_what_its_scopes_say(site: Site) -> None:
    reader, writer = await site.token("domain:read"), await site.token("domain:write", "user:write")
    assert await site.do("domain.add", writer, name="new.test") == {"done": True}
    assert "new.test" in [one["name"] for one in await site.ask("GET", API + "domain.list", token=reader)]
    assert "new.test" in [one["name"] for one in await site.do("domain.list", writer)], "who writes reads"
    refused = await site.do("domain.remove", reader, 403, name="new.test")
    assert refused["error"] == "a scope for domain.remove is missing; the token has domain:read"
    await site.do("queue.list", writer, 403)
    await site.do("user.add", writer, address="eve@new.test", password="a new password")
    assert await site.hub.authenticator.authenticate(
        "eve@new.test", "a new password", service="imap", client="192.0.2.1"
    )


async def test_no_token_no_answer(site: Site) -> None:
    for action in ACTIONS:
        await site.do(action, "", 401)
        await site.do(action, "mailhub_made-up", 401)
    ended = await site.token("*:read", lifetime=60)
    await site.ask("GET", API + "queue.list", token=ended)
    site.hub.control.tokens._clock = Later(site.hub.clock, 61)  # type: ignore[assignment]
    await site.do("queue.list", ended, 401)


class Later:
    """A clock that is ahead."""

    def __init__(self, clock: Any, ahead: float) -> None:
        self._clock, self._ahead = clock, ahead

    def now(self) -> float:
        return float(self._clock.now()) + self._ahead


async def test_no_token_makes_tokens_or_reads_mail(site: Site) -> None:
    everything = await site.token("*:write")
    commands_alone = [name(kind) for kind in get_args(words.AnyRequest) if name(kind) not in ACTIONS]
    assert {"token.add", "mail.read", "mail.expunge", "mail.show", "signin.test", "queue.read"} <= set(commands_alone)
    for action in commands_alone:
        async with aiohttp.ClientSession() as session:
            answer = await session.post(
                site.root + API + action, headers={"Authorization": f"Bearer {everything}"}, json={}
            )
            assert answer.status == (401 if action.startswith("token.") else 404), "tokens are a browser's to make"


async def test_a_removed_token_opens_nothing(site: Site) -> None:
    token = await site.token("queue:read")
    (row,) = await site.hub.control.perform(words.TokenList())
    await site.ask("GET", API + "queue.summary", token=token)
    (used,) = await site.hub.control.perform(words.TokenList())
    assert (row.used, row.client) == (0.0, "")
    assert (used.used > 0, used.client) == (True, "127.0.0.1")
    await site.hub.control.perform(words.TokenRemove(name=row.name))
    await site.ask("GET", API + "queue.summary", 401, token)


async def test_wrong_tokens_are_failed_logins(tmp_path: Path) -> None:
    async with (
        running(
            tmp_path / "var",
            ANN,
            listener=DOORS,
            auth=Auth(failure_delay=0),
            smtp=Smtp(mynetworks=()),
            limits=Limits(ban_auth_failures=3),
        ) as hub,
        aiohttp.ClientSession() as session,
    ):
        site, status = Site(hub, session), 401
        good = await site.token("queue:read")
        for n in range(4):
            headers = {"Authorization": f"Bearer guess-{n}"}
            answer = await session.get(site.root + API + "queue.list", headers=headers)
            if (status := answer.status) != 401:
                break
        assert status == 503, "so many guesses and no end"
        assert (await site.do("queue.list", good, 503))["error"] == "127.0.0.1 is banned"


async def test_requests_are_counted_for_each_token(site: Site) -> None:
    busy, other = await site.token("queue:read"), await site.token("queue:write")
    for _ in range(60):
        await site.do("queue.list", busy)
    assert "web.requests_per_minute" in (await site.do("queue.list", busy, 429))["error"]
    await site.do("queue.list", other)


async def test_what_is_no_request_is_told_in_words(site: Site) -> None:
    token = await site.token("*:write")
    assert "limit" in (await site.do("queue.list", token, 400, limit=100_000))["error"]
    assert "unknown field" in (await site.do("queue.list", token, 400, nonsense=1))["error"]
    assert "asked by POST" in (await site.ask("GET", API + "queue.list?which=all", 400, token))["error"]
    assert len(await site.ask("GET", API + "user.list?limit=1", 200, token)) == 1
    await site.do("user.remove", token, 404, address="nobody@mailhub.test")
    await site.do("domain.add", token, name="twice.test")
    await site.do("domain.add", token, 409, name="twice.test")
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as session:
        assert (await session.post(site.root + API + "queue.list", data=b"{")).status == 400
        assert (await session.post(site.root + API + "queue.list", data=b"\xff" * 100)).status == 400
        elsewhere = {"Origin": "https://evil.test"}
        assert (await session.post(site.root + API + "queue.list", headers=elsewhere)).status == 403
        assert (await session.get(site.root + API + "user.add?address=a@mailhub.test")).status == 405


async def test_explain_answers_over_http(site: Site) -> None:
    token = await site.token("explain:read")
    told = await site.do("explain", token, sender="x@far.test", recipients=[ANN], client="192.0.2.7")
    assert any("mailhub.test" in json.dumps(part) for part in told.values())


async def test_every_action_is_described(site: Site) -> None:
    document = await site.ask("GET", "/api/openapi.json")
    for action, kind in ACTIONS.items():
        told = document["paths"][API + action]["post"]
        assert told["security"] == [{"token": []}, {"browser": []}], action
        assert told["requestBody"]["content"]["application/json"]["schema"], kind
    tokens = [path for path in document["paths"] if "token." in path]
    assert all(document["paths"][path]["post"]["security"] == [{"browser": []}] for path in tokens)
    assert {"get", "post"} == set(document["paths"][API + "queue.list"])


def basic(login: str, password: str) -> str:
    return aiohttp.encode_basic_auth(login, password, "utf-8")


async def test_the_owner_has_his_part_of_the_quarantine(site: Site) -> None:
    hub = site.hub
    hub.policy.inspection = Inspection((Suspicion(),), Filter(), "mx.test", hub.clock, hub.mailboxes.lane)
    await hub.directory.set_alias("sales@mailhub.test", (ANN,))
    await hub.directory.set_alias("all@mailhub.test", (ANN, BOB))
    for sender, recipient in (("1@far.test", ANN), ("2@far.test", "sales@mailhub.test"), ("3@far.test", BOB),
                              ("4@far.test", "all@mailhub.test"), ("5@far.test", ANN)):  # fmt: skip
        await send(hub, sender, recipient)
    ann = basic(ANN, PASSWORD)
    listed = await site.ask("GET", OWN, owner=ann)
    ids = {one["message"]["sender"]: one["message"]["id"] for one in listed}
    assert set(ids) == {"1@far.test", "2@far.test", "5@far.test"}, "what is also for Bob is not Ann's"
    others = await hub.control.perform(words.QuarantineList())
    (of_bob,) = [one.message.id for one in others if one.message.sender == "3@far.test"]
    (of_both,) = [one.message.id for one in others if one.message.sender == "4@far.test"]
    for foreign in (of_bob, of_both, "nonsense"):
        await site.ask("GET", f"{OWN}/{foreign}", 404, owner=ann)
        await site.ask("POST", f"{OWN}/{foreign}/release", 404, owner=ann)
        await site.ask("DELETE", f"{OWN}/{foreign}", 404, owner=ann)
    shown = await site.ask("GET", f"{OWN}/{ids['1@far.test']}", owner=ann)
    assert shown["quarantined"]["found"][0]["reason"] == REASON
    assert (await site.ask("POST", f"{OWN}/{ids['2@far.test']}/release", owner=ann))["messages"] == 1
    assert (await site.ask("DELETE", f"{OWN}/{ids['5@far.test']}", owner=ann))["messages"] == 1
    await hub.queue.idle()
    left = [one.message.sender for one in await hub.control.perform(words.QuarantineList())]
    assert sorted(left) == ["1@far.test", "3@far.test", "4@far.test"]


async def test_the_owner_signs_in(site: Site) -> None:
    await site.ask("GET", OWN, 401)
    await site.ask("GET", OWN, 401, owner=basic(ANN, "wrong"))
    await site.ask("GET", OWN, 401, token="an-operator's")
    perform = site.hub.control.perform
    enrolment = await perform(words.SecondFactorBegin(address=ANN))
    now = site.hub.clock.now()
    await perform(words.SecondFactorConfirm(address=ANN, code=code(enrolment.secret, int(now) // STEP)))
    await site.ask("GET", OWN, 401, owner=basic(ANN, PASSWORD))
    made = await perform(words.AppPasswordAdd(address=ANN, name="script", services=("api",)))
    assert await site.ask("GET", OWN, owner=basic(ANN, made.password)) == []
    mail = await perform(words.AppPasswordAdd(address=ANN, name="phone", services=("imap",)))
    await site.ask("GET", OWN, 401, owner=basic(ANN, mail.password))
