"""A daemon as all messages ask it: bounded in time and number, and left alone when it fails again and again."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, cast

import pytest
from support.hubs import until

from mailhub.config.endpoints import Endpoint, endpoint
from mailhub.config.lookup import Malformed
from mailhub.config.rules import check
from mailhub.config.schema import Clamav, Config, Scanner
from mailhub.model.clock import VirtualClock
from mailhub.model.errors import Temporary
from mailhub.net.resolver import DnsTemporary, Resolver
from mailhub.net.stream import Stream
from mailhub.scanners import Service, Services

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Names:
    """A resolver that knows one host."""

    async def addresses(self, host: str, *, ipv6: bool = True) -> list[str]:
        if host == "scan.test":
            return ["127.0.0.1"]
        raise DnsTemporary(host)


class Scripted:
    """A daemon that does what `serve` says: "ok", "silent", "close"."""

    def __init__(self) -> None:
        self.mood, self.asked = "ok", 0
        self._writers: list[asyncio.StreamWriter] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.asked += 1
        self._writers.append(writer)
        await reader.readline()
        if self.mood == "ok":
            writer.write(b"fine\n")
        if self.mood != "silent":
            writer.close()

    def end(self) -> None:
        for writer in self._writers:
            writer.close()


@contextlib.asynccontextmanager
async def room(**options: Any) -> AsyncIterator[tuple[Service, Scripted, VirtualClock]]:
    daemon, clock = Scripted(), VirtualClock()
    server = await asyncio.start_server(daemon, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    config = Scanner(**{"address": f"inet:scan.test:{port}", "time_limit": 10.0, "breaker_failures": 3, **options})
    try:
        yield Service("x", config, cast(Resolver, Names()), clock), daemon, clock
    finally:
        daemon.end()
        server.close()


async def talk(stream: Stream) -> bytes:
    stream.write(b"well?\n")
    await stream.drain()
    return await stream.readline(100)


async def fails(service: Service, clock: VirtualClock, daemon: Scripted) -> str:
    """Ask once; the cause."""
    asked = daemon.asked
    question = asyncio.create_task(service.ask(talk))
    if daemon.mood == "silent":
        await until(lambda: daemon.asked > asked or question.done())
        await clock.advance(10.1)
    with pytest.raises(Temporary) as caught:
        await question
    return str(caught.value)


async def test_it_opens_after_failures_and_closes_after_one_good_answer() -> None:
    async with room() as (service, daemon, clock):
        assert await service.ask(talk) == b"fine\n"
        for daemon.mood, cause in (
            ("silent", "no answer in 10 seconds"),
            ("close", "the peer has ended the connection"),
        ):
            assert await fails(service, clock, daemon) == cause
        assert (service.state.state, service.state.failures) == ("closed", 2)
        await fails(service, clock, daemon)
        assert (service.state.state, service.state.asked, service.state.since) == ("open", 4, clock.now())
        assert (await fails(service, clock, daemon)).startswith("left alone after 3 failures: the peer")
        assert daemon.asked == 4
        await clock.advance(30.1)
        assert service.state.state == "half-open"
        await fails(service, clock, daemon)
        assert (service.state.state, daemon.asked, service.state.failures) == ("open", 5, 4)
        await clock.advance(30.1)
        daemon.mood = "ok"
        await service.ask(talk)
        assert (service.state.state, service.state.failures, service.state.cause) == ("closed", 0, "")


async def test_one_question_probes_and_the_others_do_not_wait_for_it() -> None:
    async with room(breaker_failures=1) as (service, daemon, clock):
        daemon.mood = "close"
        await fails(service, clock, daemon)
        await clock.advance(30.1)
        daemon.mood = "silent"
        probe = asyncio.create_task(service.ask(talk))
        await until(lambda: daemon.asked == 2)
        with pytest.raises(Temporary, match="left alone"):
            await service.ask(talk)
        probe.cancel()
        with pytest.raises(asyncio.CancelledError):
            await probe
        assert (service.state.state, service.state.busy) == ("half-open", 0)
        daemon.mood = "ok"
        assert await service.ask(talk) == b"fine\n"


async def test_so_many_at_one_time_and_who_waits_in_line_is_told_with_them() -> None:
    async with room(connections=2, breaker_failures=1) as (service, daemon, clock):
        daemon.mood = "silent"
        first = [asyncio.create_task(service.ask(talk)) for _ in range(2)]
        await until(lambda: daemon.asked == 2)
        await clock.advance(1)
        later = [asyncio.create_task(service.ask(talk)) for _ in range(3)]
        await until(lambda: service.state.busy == 2)
        await clock.advance(9.1)
        answers = await asyncio.gather(*first, *later, return_exceptions=True)
        assert [str(answer)[:9] for answer in answers] == ["no answer"] * 2 + ["left alon"] * 3
        assert (daemon.asked, service.state.busy) == (2, 0)


async def test_what_went_wrong_on_our_side_is_not_its_fault() -> None:
    async with room(breaker_failures=1) as (service, _, _):

        async def broken(stream: Stream) -> None:
            raise Temporary("our disk")

        for _ in range(3):
            with pytest.raises(Temporary, match="our disk"):
                await service.ask(broken)
        assert (service.state.state, service.state.failures) == ("closed", 0)


@pytest.mark.parametrize("address", ["inet:127.0.0.1:1", "inet:nowhere.test:1", "unix:/nowhere/s", "inet:localhost:1"])
async def test_nobody_there(address: str) -> None:
    service = Service("x", Scanner(address=address), cast(Resolver, Names()), VirtualClock())
    with pytest.raises(Temporary, match=r"inet:|unix:"):
        await service.ask(talk)
    assert service.state.failures == 1


def test_services_are_remembered_while_somebody_uses_them() -> None:
    services = Services(cast(Resolver, Names()), VirtualClock())
    config = Scanner(address="unix:/s")
    first = services.of("x", config)
    assert services.of("x", Scanner(address="unix:/s")) is first
    second = services.of("x", Scanner(address="unix:/s", connections=3))
    assert second is not first
    assert len(services.states) == 2
    del first, second
    assert services.states == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("inet:127.0.0.1:783", Endpoint("127.0.0.1", 783)),
        ("inet:[::1]:783", Endpoint("::1", 783)),
        ("inet:Host.example:1", Endpoint("host.example", 1)),
        ("unix:/run/x", Endpoint(path="/run/x")),
        ("local:/run/x", Endpoint(path="/run/x")),
    ],
)
def test_an_address(text: str, found: Endpoint) -> None:
    assert endpoint(text) == found
    assert endpoint(str(found)) == found


@pytest.mark.parametrize(
    "text",
    ["", "127.0.0.1:783", "inet:127.0.0.1", "inet:[::1:783", "inet:a:0", "inet:a:65536", "inet:a b:1", "unix:x", "unix:/\0", "unix:/" + "x" * 120, "inet:[x]:1"],
)  # fmt: skip
def test_no_address(text: str) -> None:
    with pytest.raises(Malformed):
        endpoint(text)
    wrong = [finding.path for finding in check(Config(clamav=Clamav(address=text)))]
    assert wrong == ([("clamav", "address")] if text else [])
