"""Peers that lie, babble, hang up or never end, at each stage: the result is temporary, the connection is closed, memory is
bounded, and nobody has the message twice beyond the one window there is (a last answer that is lost)."""

import asyncio
import tracemalloc

import pytest
from support.far_hosts import HANG_UP, SILENCE, Answer, Flood, Text, World, until, world

from mailhub.store.api import Fate

MEGABYTE = 1 << 20
STAGES = ("greeting", "EHLO", "MAIL", "RCPT", "DATA", ".")
BEFORE = STAGES[:-1]  # the message has not been sent: another host may have it

FAULTS: dict[str, Answer] = {
    "a line without end": Flood(b"2" * 65_536),
    "a line without end behind a code": Flood(b"250 " + b"x" * 65_536),
    "a reply without end": Flood(b"250-more\r\n" * 4_000),
    "binary": Flood(bytes(range(256)) * 256),
    "an empty line": b"\r\n",
    "no code": "hello",
    "a code that is none": "999 2.0.0 ok",
    "half a code": b"25\r\n",
    "another protocol": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "no word": HANG_UP,
}


def apart(far: World) -> None:
    """Commands one by one: then each stage has its own answer."""
    for host in far.hosts:
        host.extensions = ["8BITMIME"]


def bodies(far: World) -> int:
    return sum(len(host.bodies) for host in far.hosts)


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
@pytest.mark.parametrize("stage", BEFORE)
async def test_before_the_message_is_sent_the_next_host_has_it(stage: str, fault: Answer) -> None:
    async with world(hosts=2) as far:
        apart(far)
        far.hosts[0].script[stage] = fault
        (result,) = await far.deliver("b@far.test")
        assert (result.fate, result.remote) == (Fate.RELAYED, "mx2.far.test[127.0.0.22]")
        await until(lambda: not far.hosts[0].open)
        assert bodies(far) == 1
        assert far.hosts[0].flooded < 16 * MEGABYTE


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
@pytest.mark.parametrize(
    "offered", [["8BITMIME"], ["PIPELINING"], ["CHUNKING"], ["PIPELINING", "CHUNKING"]], ids="+".join
)
async def test_behind_the_message_no_other_host_is_asked(fault: Answer, offered: list[str]) -> None:
    async with world(hosts=2) as far:
        far.hosts[0].extensions = offered
        far.hosts[0].script["."] = fault
        (result,) = await far.deliver("b@far.test")
        assert (result.fate, far.hosts[1].connections) == (Fate.DEFERRED, 0)
        await until(lambda: not far.hosts[0].open)
        assert bodies(far) == 1, "the peer may have it: this is the window"


@pytest.mark.parametrize("stage", STAGES)
async def test_an_answer_that_nobody_asked_for_ends_the_session(stage: str) -> None:
    """What comes twice is taken for the answer to nothing else."""
    async with world() as far:
        apart(far)
        usual = {"greeting": "220 mx", "EHLO": "250 mx", "DATA": "354 go"}.get(stage, "250 2.0.0 ok")
        far.hosts[0].script[stage] = f"{usual}\r\n{usual}".encode() + b"\r\n"
        (result,) = await far.deliver("b@far.test")
        await until(lambda: not far.hosts[0].open)
        assert bodies(far) <= 1
        assert (result.fate == Fate.RELAYED) == (stage == "." and bodies(far) == 1)


async def test_a_peer_that_speaks_while_its_connection_is_kept_is_left() -> None:
    async with world() as far:
        await far.deliver("b@far.test")
        (writer,) = far.hosts[0].open
        writer.write(b"250 2.0.0 and another one\r\n")
        await until(lambda: not far.hosts[0].open)
        (result,) = await far.deliver("b@far.test")
        assert (result.fate, far.hosts[0].connections) == (Fate.RELAYED, 2)


async def test_a_flood_takes_no_memory() -> None:
    async with world() as far:
        far.hosts[0].script["greeting"] = Flood(b"220-" + b"x" * 60_000 + b"\r\n")
        await far.deliver("b@far.test")
        far.hosts[0].script["greeting"] = Flood(b"x" * 60_000)
        tracemalloc.start()
        await far.deliver("b@far.test")
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert most < 8 * MEGABYTE


@pytest.mark.parametrize("stage", BEFORE)
async def test_an_answer_by_drops_ends_when_the_clock_says_so(stage: str) -> None:
    """The time is for the whole answer, not for each octet of it."""
    async with world() as far:
        apart(far)
        far.hosts[0].script[stage] = SILENCE
        delivery = asyncio.create_task(far.deliver("b@far.test"))
        await until(lambda: far.hosts[0].open)
        (writer,) = far.hosts[0].open
        began = far.clock.now()
        while not delivery.done():
            if not writer.is_closing():
                writer.write(b"2")
            await far.clock.advance(10)
            for _ in range(5):
                await asyncio.sleep(0)
        (result,) = await delivery
        assert result.fate == Fate.DEFERRED
        assert far.clock.now() - began <= 320


@pytest.mark.parametrize("offered", [[], ["CHUNKING", "PIPELINING"]], ids=["DATA", "BDAT"])
async def test_a_loss_in_the_middle_of_a_message_leaves_nobody_with_it(offered: list[str]) -> None:
    async with world(hosts=2) as far:
        host = far.hosts[0]
        host.extensions, host.paused = offered, asyncio.Event()
        delivery = asyncio.create_task(far.deliver("b@far.test", text=Text(b"x\r\n" * 7_000_000)))
        await until(lambda: host.commands("DATA", "BDAT"))
        (writer,) = host.open
        writer.transport.abort()
        (result,) = await delivery
        assert (result.fate, bodies(far), far.hosts[1].connections) == (Fate.DEFERRED, 0, 0)
