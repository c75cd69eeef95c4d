"""A browser as a program: keeps cookies, shows the token of its session."""

import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
from support.hubs import PASSWORD, config

from mailhub.config.schema import Listener
from mailhub.config.signin import Auth
from mailhub.config.web import Web
from mailhub.hub import Hub
from mailhub.model.clock import Clock, VirtualClock

OWN = "/api/mailhub/v1/own/"
ANN, BOB = "ann@mailhub.test", "bob@mailhub.test"
DOORS = (Listener(protocol="smtp"), Listener(protocol="http", tls="none"))


class Browser:
    """`headers`: sent with everything."""

    def __init__(self, root: str, session: aiohttp.ClientSession, **headers: str) -> None:
        self.root, self.http, self.headers = root, session, headers
        self.token = ""
        self.answer: aiohttp.ClientResponse

    @property
    def cookies(self) -> dict[str, str]:
        return {cookie.key: cookie.value for cookie in self.http.cookie_jar}

    async def ask(
        self, method: str, path: str, status: int = 200, headers: dict[str, str] | None = None, **options: Any
    ) -> Any:
        told = {**self.headers, **({"X-CSRF-Token": self.token} if self.token else {}), **(headers or {})}
        async with self.http.request(method, self.root + path, headers=told, **options) as answer:
            self.answer = answer
            data = await answer.read()
            assert answer.status == status, data
            return json.loads(data) if answer.content_type == "application/json" else data.decode()

    async def own(self, method: str, path: str, status: int = 200, **options: Any) -> Any:
        return await self.ask(method, OWN + path, status, **options)

    async def sign_in(self, login: str = ANN, status: int = 200, password: str = PASSWORD, **more: Any) -> Any:
        told = await self.own("POST", "session", status, json={"login": login, "password": password, **more})
        if status == 200:
            self.token = told["token"]
        return told


class Site:
    """A hub with accounts of ann and bob, and browsers."""

    def __init__(self, hub: Hub, stack: contextlib.AsyncExitStack) -> None:
        self.hub, self._stack = hub, stack

    @property
    def root(self) -> str:
        return f"http://127.0.0.1:{self.hub.port('http')}"

    async def browser(self, **headers: str) -> Browser:
        session = aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))
        return Browser(self.root, await self._stack.enter_async_context(session), **headers)

    async def signed_in(self, login: str = ANN, **headers: str) -> Browser:
        browser = await self.browser(**headers)
        await browser.sign_in(login)
        return browser


@contextlib.asynccontextmanager
async def site(data: Path, clock: Clock | None = None, web: Web | None = None, **options: Any) -> AsyncIterator[Site]:
    options.setdefault("auth", Auth(allow_plaintext=True))
    options.setdefault("listener", DOORS)
    async with contextlib.AsyncExitStack() as stack:
        hub = await stack.enter_async_context(
            Hub(config(data, web=web or Web(), **options), clock=clock or VirtualClock(1_800_000_000.0))
        )
        for account in (ANN, BOB):
            await hub.directory.add_account(account, PASSWORD)
        yield Site(hub, stack)
