"""Requests made to hurt the server or whoever is signed in: what each comes to."""

import asyncio
import logging
import socket
import zlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from support.letters import give, rich
from support.webmail import ANN, BOB, OWN, Browser, Site, site

from mailhub.config.web import Web
from mailhub.model.clock import SystemClock
from mailhub.web import stream
from mailhub.web.mail.asked import Asked
from mailhub.web.mail.events import Events, Happened
from mailhub.web.routes import Route
from mailhub.web.server import WebServer
from mailhub.web.stream import Feed

PLACE = "folders/INBOX/messages/1"
HOST = b"Host: localhost\r\n"


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Site]:
    async with site(tmp_path) as made:
        yield made


async def said(port: int, request: bytes) -> bytes:
    """All that is answered, until the server has done."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    try:
        return await reader.read()
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


# --- what is asked


async def test_bodies_are_not_inflated(here: Site) -> None:
    """390 KB became 400 MB, and held the loop for 1.4 s."""
    ann = await here.signed_in()
    packed = zlib.compress(b'{"text": "x"}')
    for kind in ("deflate", "gzip", "br", "zstd", "unheard-of"):
        await ann.own("POST", "drafts", 415, data=packed, headers={"Content-Encoding": kind})
    await ann.own("POST", "drafts", json={"text": "x"}, headers={"Content-Encoding": "identity"})


async def test_other_pages_ask_the_interface_nothing_not_even_what_only_reads(here: Site) -> None:
    """A sister site's request has the cookie: how long it takes would tell what a search finds. And a link with a wrong password in it would
    have its reader banned."""
    ann = await here.signed_in()
    for told in ({"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "https://evil.example"}):
        for path in ("folders", "session", "folders/INBOX/messages?q=secret"):
            await ann.own("GET", path, 403, headers=told)
        await ann.ask("GET", "/api/mailhub/v1/status", 403, headers=told)
    for site_ in ("same-origin", "none"):
        await ann.own("GET", "folders", headers={"Sec-Fetch-Site": site_})
    for path in ("/", "/admin", "/api/", "/api/openapi.json", "/health"):
        await ann.ask("GET", path, headers={"Sec-Fetch-Site": "cross-site"})


async def test_what_is_no_http_is_no_line_of_the_log_and_no_echo(here: Site, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for request in (
        b"GET /secret\x01 HTTP/1.1\r\n" + HOST,
        b"POST / HTTP/1.1\r\nContent-Length: secret\r\n",
        b"\x16\x03\x01secret\r\n",
    ):
        answer = await said(here.hub.port("http"), request + b"\r\n")
        assert b" 400 " in answer.partition(b"\r\n")[0]
        for word in (b"secret", b"aiohttp", b"Python"):
            assert word not in answer
        for word in (b"nosniff", b"Content-Security-Policy", b"Server: mailhub"):
            assert word in answer
    assert [one for one in caplog.records if one.levelno >= logging.WARNING and "stall" not in one.name] == []


# --- what is answered


async def test_every_answer_is_private_also_one_that_comes_in_pieces(here: Site) -> None:
    await give(here, rich())
    ann = await here.signed_in()
    files = (await ann.own("GET", PLACE))["files"]
    for path in (
        PLACE,
        PLACE + "/raw",
        PLACE + "/files.zip",
        *(f"{PLACE}/parts/{one['section']}?inline=1" for one in files),
        "events",
    ):
        async with ann.http.get(here.root + OWN + path) as answer:
            assert answer.status == 200
            assert answer.headers["Cache-Control"] in ("no-store", "private, no-store"), path
            assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin", path
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert answer.headers["Referrer-Policy"] == "no-referrer"
            assert answer.headers["Server"] == "mailhub"


class Standing:
    """A web server of these routes alone, on a free port."""

    def __init__(self, *routes: Route, patience: float = 30.0) -> None:
        self._server = WebServer(Web(), "localhost", routes, "test", patience)
        self.lost = asyncio.Event()

    async def __aenter__(self) -> "Standing":
        await self._server.start()
        made = lambda: self._server.connection("127.0.0.1", lambda transport, drain: None, self.lost.set, int)  # noqa: E731
        self._listening = await asyncio.get_running_loop().create_server(made, "127.0.0.1", 0)
        self.port: int = self._listening.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._listening.close()
        await self._server.stop()


async def test_an_answer_that_breaks_off_has_no_other_in_it() -> None:
    async def broken(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"begun")
        raise ValueError("<script>")

    async with Standing(Route("GET", "/broken", broken)) as standing:
        answer = await said(standing.port, b"GET /broken HTTP/1.1\r\n" + HOST + b"\r\n")
    assert answer.endswith(b"5\r\nbegun\r\n")
    assert answer.count(b"HTTP/1.1") == 1


# --- who is waited for


async def test_who_does_not_send_what_he_began_to_send_is_cut_off() -> None:
    async def read(request: web.Request) -> web.StreamResponse:
        return web.Response(body=await request.read())

    async with Standing(Route("POST", "/", read), patience=0.05) as standing:
        for kind in (b"Content-Length: 100\r\n\r\nbegun", b"Transfer-Encoding: chunked\r\n\r\n5\r\nbegun\r\n"):
            assert await said(standing.port, b"POST / HTTP/1.1\r\n" + HOST + kind) == b""


async def test_who_does_not_read_what_he_asked_for_is_cut_off() -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x" * 65_536)

    async with Standing(Route("GET", "/", endless), patience=0.05) as standing:
        with socket.create_connection(("127.0.0.1", standing.port)) as client:
            client.sendall(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
            await standing.lost.wait()


async def test_who_waits_for_what_takes_long_is_not_cut_off() -> None:
    looks = 0
    go_on = asyncio.Event()

    async def slow(request: web.Request) -> web.StreamResponse:
        await go_on.wait()
        return web.Response(text="done")

    async with Standing(Route("GET", "/", slow), patience=0.01) as standing:
        asking = asyncio.create_task(said(standing.port, b"GET / HTTP/1.1\r\nConnection: close\r\n" + HOST + b"\r\n"))
        while looks < 50:  # some of them while the request waits
            looks += 1
            await asyncio.sleep(0.005)
        go_on.set()
        assert (await asking).endswith(b"done")


# --- events


async def follow(browser: Browser, site_: Site) -> asyncio.Task[bytes]:
    """Reads until the server ends it."""
    answer = await browser.http.get(site_.root + OWN + "events")
    assert answer.status == 200
    await answer.content.readuntil(b"event: folders\n")
    return asyncio.create_task(answer.content.read())


async def test_events_end_where_the_right_to_them_ends(here: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "_BEAT", 0.05)
    ann, other, bob = await here.signed_in(), await here.signed_in(), await here.signed_in(BOB)
    following = [await follow(one, here) for one in (ann, other, bob)]
    await ann.own("DELETE", "session")
    await following[0]
    await here.hub.directory.set_enabled(ANN, False)
    await following[1]
    await here.hub.directory.set_password(BOB, "another easy password")
    await following[2]


async def test_one_account_does_not_take_all_events(here: Site) -> None:
    ann, bob = await here.signed_in(), await here.signed_in(BOB)
    following = [await follow(ann, here) for _ in range(20)]
    await ann.own("GET", "events", 429)
    following.append(await follow(bob, here))
    for one in following:
        one.cancel()


async def test_a_reader_who_does_not_read_costs_one_state(here: Site) -> None:
    mail, feed = here.hub.mailboxes.account(ANN), Feed[Happened]()
    events = Events(Asked(here.hub.mailboxes, None, None), here.hub.mailboxes.changes, 1, SystemClock())  # type: ignore[arg-type]
    watching = asyncio.create_task(events._watch(mail, feed))
    assert [one.whole for one in await feed.take()] == [True]
    for number in range(10):
        await mail.create(f"new{number}")
        await asyncio.sleep(0)
    told = await feed.take()
    assert [len(one.changed) for one in told] == [10]
    watching.cancel()
