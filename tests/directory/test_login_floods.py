"""A flood of logins: its clients take turns with the others, what waits is bounded, and the event loop goes on."""

import asyncio
import threading
from pathlib import Path

import pytest
from support.hubs import PASSWORD, running, until

from mailhub.config import schema
from mailhub.directory import Hasher, passwords
from mailhub.hub import Hub
from mailhub.model.errors import LimitReached, Temporary

CHEAP = passwords.hashed(b"right", "SSHA")


class Line:
    """Callers of a hasher, and the order in which they were answered. Its one thread waits until all have come."""

    def __init__(self, hasher: Hasher) -> None:
        self.hasher = hasher
        self._all_there = threading.Event()
        hasher._threads.submit(self._all_there.wait, 20.0)
        self.order: list[str] = []
        self.refused: list[str] = []
        self.tasks: list[asyncio.Task[None]] = []

    async def ask(self, *clients: str) -> None:
        """One login of each, in this order; return when all wait."""
        for client in clients:
            self.tasks.append(asyncio.create_task(self._ask(client)))
        for _ in range(5):  # to its place, or back without one
            await asyncio.sleep(0)

    async def _ask(self, client: str) -> None:
        try:
            await self.hasher.verify(CHEAP, b"wrong", client)
            self.order.append(client)
        except LimitReached:
            self.refused.append(client)

    async def done(self) -> None:
        self._all_there.set()
        await asyncio.gather(*self.tasks, return_exceptions=True)


async def test_clients_take_turns() -> None:
    line = Line(Hasher(1, 100))
    await line.ask(*["flood"] * 20, "ann", "bob", *["flood"] * 20, "ann")
    await line.done()
    assert line.order[:5] == ["flood", "flood", "ann", "bob", "flood"]
    assert line.order.index("ann", 3) == 5  # her second, in the next round
    assert (len(line.order), line.refused) == (43, [])


async def test_a_full_queue_gives_a_place_of_who_holds_most_of_it() -> None:
    line = Line(Hasher(1, 10))
    await line.ask(*["flood"] * 30)
    assert line.refused == ["flood"] * 19
    await line.ask("ann")
    assert line.refused == ["flood"] * 20
    await line.ask(*["ann"] * 4)
    assert line.refused == ["flood"] * 24  # half of it is hers
    await line.ask("ann", "ann", "flood")
    assert line.refused[24:] == ["ann", "ann", "flood"]
    await line.done()
    assert (line.order.count("ann"), line.order.count("flood")) == (5, 6)


async def test_among_many_strangers_somebody_known_finds_a_place() -> None:
    line = Line(Hasher(1, 10, known=lambda client: client == "ann"))
    await line.ask("first", *(f"{n}" for n in range(10)))
    await line.ask("late")
    assert line.refused == ["late"]
    await line.ask("ann", "ann")
    assert sorted(line.refused) == ["9", "ann", "late"]  # one place for her, and no second
    await line.done()
    assert "ann" in line.order


async def test_what_counts_as_one_client() -> None:
    line = Line(Hasher(1, 10, key=lambda client: client.partition(":")[0]))
    await line.ask(*(f"net:{n}" for n in range(20)))
    await line.ask("other:1")
    await line.done()
    assert line.order[2] == "other:1"


async def test_a_caller_that_has_gone_is_passed_over() -> None:
    line = Line(Hasher(1, 10))
    await line.ask("a", "b", "c")
    line.tasks[1].cancel()
    await line.done()
    assert line.order == ["a", "c"]
    assert await line.hasher.verify(CHEAP, b"right", "d")


async def test_who_waits_when_the_server_stops_is_told_to_come_again() -> None:
    hasher = Hasher(1, 10)
    asked = [asyncio.create_task(hasher.verify(passwords.decoy(), b"x", "a")) for _ in range(5)]
    await asyncio.sleep(0)
    hasher.close()
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert answers[0] is False
    assert all(isinstance(answer, Temporary) for answer in answers[1:])


@pytest.mark.parametrize("backlog", [4, 256])
async def test_another_session_s_login_is_answered_in_a_flood(tmp_path: Path, backlog: int) -> None:
    """Twenty sessions of one client guess without pause; a second client signs in, and one that is in already goes on working."""
    auth = schema.Auth(allow_plaintext=True, failure_delay=0, failure_limit=1_000, threads=1, backlog=backlog)
    door = schema.Listener(protocol="imap", tls="none", proxy_protocol=True)
    limits = schema.Limits(ban_auth_failures=0, connections_per_client=0)
    async with running(tmp_path, "ann@mailhub.test", auth=auth, listener=(door,), limits=limits) as hub:
        inside = await connected(hub, "192.0.2.7")
        assert await inside.ask(f'LOGIN ann@mailhub.test "{PASSWORD}"') == "OK"
        hub.authenticator.configure(schema.Auth(**{**_fields(auth), "cache_seconds": 0}))
        guesses: list[str] = []
        flood = [asyncio.create_task(guessing(hub, guesses)) for _ in range(20)]
        await until(lambda: len(guesses) > 5)
        for _ in range(3):
            assert await inside.ask("NOOP") == "OK"
        newcomer = await connected(hub, "198.51.100.9")
        before = len(guesses)
        assert await newcomer.ask(f'LOGIN ann@mailhub.test "{PASSWORD}"') == "OK"
        waited = guesses[before:].count("NO [AUTHENTICATIONFAILED]")
        assert waited < 20, "it waited for the flood's hashes"  # a handful: what was computed until its turn
        for task in flood:
            task.cancel()
        await asyncio.gather(*flood, return_exceptions=True)
        inside.close()
        newcomer.close()


def _fields(auth: schema.Auth) -> dict[str, object]:
    return {name: getattr(auth, name) for name in auth.__struct_fields__}


class Talk:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def ask(self, command: str) -> str:
        """The condition of the answer, with its code where it is no OK."""
        self._writer.write(f"a {command}\r\n".encode())
        while not (line := (await self._reader.readline()).decode()).startswith("a "):
            if not line:
                return ""
        return "OK" if line.startswith("a OK") else line[2:].partition("]")[0] + "]"

    def close(self) -> None:
        self._writer.close()


async def connected(hub: Hub, client: str) -> Talk:
    reader, writer = await asyncio.open_connection("127.0.0.1", hub.port("imap"))
    writer.write(f"PROXY TCP4 {client} 127.0.0.1 1000 143\r\n".encode())
    await reader.readline()
    return Talk(reader, writer)


async def guessing(hub: Hub, guesses: list[str]) -> None:
    talk = await connected(hub, "203.0.113.66")
    try:
        for n in range(500):
            answer = await talk.ask(f"LOGIN ann@mailhub.test guess{n}-{id(talk)}")
            guesses.append(answer)
    finally:
        talk.close()
