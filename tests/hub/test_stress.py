"""POP3, IMAP, ManageSieve and HTTP under stress: no new sessions, strangers that are silent go, then owners, the longest silent first."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from support.hubs import PASSWORD, running, until

from mailhub.config.schema import Auth, Listener, Sessions
from mailhub.hub import Hub
from mailhub.model.clock import VirtualClock

ALICE = "alice@mailhub.test"
DOORS = (
    *(Listener(protocol=name) for name in ("smtp", "pop3", "imap", "managesieve")),
    Listener(protocol="http", tls="none"),
)
GOODBYE = {
    "pop3": b"-ERR [SYS/TEMP] Too busy, try again later\r\n",
    "imap": b"* BYE [UNAVAILABLE] Too busy, try again later\r\n",
    "managesieve": b'BYE (TRYLATER) "Too busy, try again later"\r\n',
    "http": b"",
}
REFUSED = {
    "smtp": b"421 4.7.0 ",
    "pop3": b"-ERR [SYS/TEMP] ",
    "imap": b"* BYE [UNAVAILABLE] ",
    "managesieve": b"BYE (TRYLATER) ",
    "http": b"HTTP/1.1 503 ",
}
LOGIN = {
    "pop3": [f"USER {ALICE}", f"PASS {PASSWORD}"],
    "imap": [f't LOGIN "{ALICE}" "{PASSWORD}"', "t SELECT INBOX", "t IDLE"],
}


class Talk:
    """A client on a socket of its own."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def open(cls, hub: Hub, protocol: str) -> "Talk":
        talk = cls(*await asyncio.open_connection("127.0.0.1", hub.port(protocol)))
        if protocol == "managesieve":
            await talk.reader.readuntil(b'OK "')
            await talk.reader.readline()
        elif protocol != "http":
            await talk.reader.readline()
        return talk

    async def sign_in(self, protocol: str) -> "Talk":
        for line in LOGIN[protocol]:
            self.writer.write(line.encode() + b"\r\n")
            while not (await self.reader.readline()).startswith((b"+", b"t OK")):
                pass
        return self

    @property
    def ended(self) -> bool:
        return self.reader.at_eof()

    async def rest(self) -> bytes:
        return await self.reader.read()


@asynccontextmanager
async def crowd(folder: Path, **limits: float) -> AsyncIterator[tuple[Hub, VirtualClock]]:
    clock = VirtualClock()
    sessions = Sessions(**{"limit": 10, "stress_level": 0.5, "drain_timeout": 1.0, **limits})  # type: ignore[arg-type]
    auth = Auth(allow_plaintext=True, failure_delay=0.0)
    async with running(folder / "var", ALICE, clock=clock, sessions=sessions, auth=auth, listener=DOORS) as hub:
        yield hub, clock


@pytest.mark.parametrize("protocol", GOODBYE)
async def test_silent_strangers_go(tmp_path: Path, protocol: str) -> None:
    async with crowd(tmp_path) as (hub, clock):
        talks = [await Talk.open(hub, protocol) for _ in range(4)]
        await clock.advance(30)
        assert not any(talk.ended for talk in talks), "no stress, no hurry"
        talks.append(await Talk.open(hub, protocol))
        await until(lambda: hub.sessions.stressed)
        await clock.advance(2)
        assert await talks[0].rest() == GOODBYE[protocol]
        await until(lambda: len(hub.sessions) == 1)
        assert not talks[4].ended
        assert not hub.sessions.stressed


@pytest.mark.parametrize("protocol", LOGIN)
async def test_owners_go_when_no_strangers_are_left_the_longest_silent_first(tmp_path: Path, protocol: str) -> None:
    async with crowd(tmp_path) as (hub, clock):
        talks = []
        for _ in range(4):
            talks.append(await (await Talk.open(hub, protocol)).sign_in(protocol))
            await clock.advance(20)
        talks.append(await (await Talk.open(hub, protocol)).sign_in(protocol))
        await until(lambda: hub.sessions.stressed)
        await clock.advance(3)
        assert (await talks[0].rest()).endswith(GOODBYE[protocol])
        await until(lambda: not hub.sessions.stressed)
        await clock.advance(120)
        assert [talk.ended for talk in talks[2:]] == [False] * 3, "as many as it takes, and no more"


async def test_short_memory_refuses_new_ones_and_sends_the_silent_away(tmp_path: Path) -> None:
    used = 50
    async with crowd(tmp_path, limit=1_000, stress_level=1.0, memory_limit=100) as (hub, clock):
        hub.sessions._memory = lambda: used
        talks = [await (await Talk.open(hub, "imap")).sign_in("imap") for _ in range(3)]
        await clock.advance(120)
        assert not any(talk.ended for talk in talks)
        used = 100
        await clock.advance(1.5)
        assert hub.sessions.stressed, "looked at without a newcomer"
        for protocol, said in REFUSED.items():
            reader, writer = await asyncio.open_connection("127.0.0.1", hub.port(protocol))
            assert (await reader.read()).startswith(said)
            writer.close()
        await clock.advance(5)
        for talk in talks:
            assert (await talk.rest()).endswith(GOODBYE["imap"])
        used = 50
        await clock.advance(1.5)
        assert not hub.sessions.stressed
        assert not (await Talk.open(hub, "pop3")).ended


async def test_who_asks_the_browsers_door_nothing_is_cut(tmp_path: Path) -> None:
    async with crowd(tmp_path, limit=100) as (hub, clock):
        silent, slow, good = [await Talk.open(hub, "http") for _ in range(3)]
        slow.writer.write(b"GET / HTTP/1.1\r\nHost: local")
        good.writer.write(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert (await good.reader.readline()).startswith(b"HTTP/1.1 200 ")
        await until(lambda: len(hub.sessions) == 3)
        await clock.advance(59)
        assert len(hub.sessions) == 3
        await clock.advance(2)
        await until(lambda: len(hub.sessions) == 1)
        assert await silent.rest() == b""
        assert await slow.rest() == b""
