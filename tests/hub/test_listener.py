"""Listeners on real sockets: hand-over, limits, implicit TLS, and what is said where an address can not be had."""

import asyncio
import contextlib
import errno
import socket
import ssl
from collections.abc import AsyncIterator
from typing import cast

import pytest
import trustme

from mailhub.config import schema
from mailhub.model.clock import VirtualClock
from mailhub.protocols.listener import Listener, ListenError
from mailhub.protocols.session import Session, Sessions


class Echo(asyncio.Protocol):
    """Greets, then says back what it hears. `record` is the session it stands for."""

    def __init__(self, record: Session, lines: list[bytes]) -> None:
        self.record, self.lines = record, lines

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.record.on_abort(self.transport.abort)
        self.transport.write(b"hello\r\n")

    def data_received(self, data: bytes) -> None:
        self.lines.append(data)
        self.transport.write(data)

    def connection_lost(self, error: Exception | None) -> None:
        self.record.end()


class Place:
    """A listener with all it needs."""

    def __init__(self, tls: ssl.SSLContext, limits: schema.Sessions) -> None:
        self.clock = VirtualClock()
        self.sessions = Sessions(limits)
        self.heard: list[bytes] = []
        self.tls = tls

    @contextlib.asynccontextmanager
    async def open(self, config: schema.Listener) -> AsyncIterator[Listener]:
        listener = Listener(config, self.sessions, self.clock, lambda s: Echo(s, self.heard), lambda: self.tls)
        listener.bind()
        await listener.start()
        try:
            yield listener
        finally:
            listener.close()
            self.sessions.abort()
            await self.sessions.empty()


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def place(authority: trustme.CA) -> Place:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    return Place(context, schema.Sessions(limit_per_client=2))


@pytest.fixture
def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


async def test_a_connection_is_handed_to_its_session(place: Place) -> None:
    async with place.open(schema.Listener(protocol="smtp")) as listener:
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        writer.write(b"ping\r\n")
        assert await reader.readline() == b"hello\r\n"
        assert await reader.readline() == b"ping\r\n"
        (record,) = place.sessions
        assert (record.service, record.client, record.started) == ("smtp", "127.0.0.1", place.clock.now())
        writer.close()
        await place.sessions.empty()


@pytest.mark.parametrize(
    ("protocol", "refusal"), [("smtp", b"421 4.7.0 "), ("imap", b"* BYE [UNAVAILABLE] "), ("pop3", b"-ERR [SYS/TEMP] ")]
)
async def test_one_too_many_is_told_so_in_its_protocol(place: Place, protocol: str, refusal: bytes) -> None:
    async with place.open(schema.Listener(protocol=protocol)) as listener:  # type: ignore[arg-type]
        greeted = [await asyncio.open_connection("127.0.0.1", listener.port) for _ in range(2)]
        for reader, _ in greeted:
            assert await reader.readline() == b"hello\r\n"
        reader, refused = await asyncio.open_connection("127.0.0.1", listener.port)
        assert (await reader.read()).startswith(refusal)
        refused.close()
        for _, writer in greeted:
            writer.close()


async def test_implicit_tls_comes_before_the_session_and_hasty_text_is_kept(
    place: Place, trusting: ssl.SSLContext
) -> None:
    async with place.open(schema.Listener(protocol="imap", tls="implicit")) as listener:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", listener.port, ssl=trusting, server_hostname="localhost"
        )
        writer.write(b"hasty\r\n")
        assert await reader.readline() == b"hello\r\n"
        assert await reader.readline() == b"hasty\r\n"
        writer.close()
        await place.sessions.empty()


async def test_a_handshake_that_fails_or_stalls_ends_the_connection(place: Place) -> None:
    async with place.open(schema.Listener(protocol="imap", tls="implicit")) as listener:
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        writer.write(b"a1 NOOP\r\n" * 100)
        with contextlib.suppress(ConnectionError):
            await reader.read()
        writer.close()
        await place.sessions.empty()
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        while not len(place.sessions) or not listener._opening:
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        await place.clock.advance(31)
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
        writer.close()
        await place.sessions.empty()
        assert place.heard == []


async def test_a_session_that_can_not_begin_costs_only_its_own_connection(place: Place) -> None:
    def broken(session: Session) -> asyncio.Protocol:
        raise RuntimeError("broken")

    listener = Listener(schema.Listener(protocol="pop3"), place.sessions, place.clock, broken, lambda: place.tls)
    await listener.start()
    for _ in range(3):
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
        writer.close()
    assert len(place.sessions) == 0
    listener.close()


def test_an_address_that_can_not_be_had_is_named_with_the_remedy(place: Place) -> None:
    def listener(**options: object) -> Listener:
        config = schema.Listener(protocol="smtp", **options)  # type: ignore[arg-type]
        return Listener(config, place.sessions, place.clock, lambda s: Echo(s, []), lambda: place.tls)

    first = listener()
    first.bind()
    try:
        with pytest.raises(
            ListenError, match=rf"listener smtp: 127\.0\.0\.1 port {first.port} is in use.*another port"
        ):
            listener(port=first.port).bind()
    finally:
        first.close()
    with pytest.raises(ListenError, match=r"192\.0\.2\.1 port 0: this machine has no such address"):
        listener(address="192.0.2.1").bind()


async def test_where_nothing_can_be_accepted_it_waits_and_goes_on(
    place: Place, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    loop = asyncio.get_running_loop()
    accept, failures = loop.sock_accept, [OSError(errno.EMFILE, "Too many open files"), OSError(errno.ECONNABORTED, "")]

    async def failing(door: socket.socket) -> object:
        if failures:
            raise failures.pop()
        return await accept(door)

    monkeypatch.setattr(loop, "sock_accept", failing)
    async with place.open(schema.Listener(protocol="smtp")) as listener:
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        while failures:
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert "no connection can be taken for now: Too many open files" in caplog.text
        await place.clock.advance(1)
        assert await reader.readline() == b"hello\r\n"
        writer.close()


async def test_one_that_comes_as_the_door_closes_keeps_nobody_waiting(place: Place) -> None:
    """Its task is ended before it has begun: it is no session any more, and its client is told."""
    server, client = socket.socketpair()
    async with place.open(schema.Listener(protocol="smtp")) as listener:
        listener._enter(server, "127.0.0.1", 1)
        assert len(place.sessions) == 1
        listener.close()
        async with asyncio.timeout(30):
            await place.sessions.empty()
    assert client.recv(1) == b""
    client.close()
