"""The stream: lines, blocks, limits, back pressure, ends."""

import asyncio

import pytest

from mailhub.model.clock import VirtualClock
from mailhub.net.stream import HIGH, TURN, ConnectionLost, LineTooLong, PlaintextBuffered, Stream, pair
from mailhub.net.tls import opportunistic

CLOCK = VirtualClock()


async def test_lines_and_blocks_in_any_pieces() -> None:
    here, there = pair(CLOCK)
    for octet in b"one\r\ntwo\nrest":
        there.write(bytes([octet]))
        await asyncio.sleep(0)
    assert await here.readline(100) == b"one\r\n"
    assert await here.readline(100) == b"two\n"
    assert await here.readexactly(2) == b"re"
    there.close()
    assert await here.read(100) == b"st"
    with pytest.raises(ConnectionLost):
        await here.read(1)


async def test_a_line_over_its_limit_is_thrown_away_and_the_next_one_read() -> None:
    here, there = pair(CLOCK)
    there.write(b"x" * 50 + b"\r\nshort\r\n")
    with pytest.raises(LineTooLong):
        await here.readline(20)
    assert await here.readline(20) == b"short\r\n"


async def test_an_endless_line_costs_no_memory() -> None:
    here, there = pair(CLOCK)
    reading = asyncio.ensure_future(here.readline(1000))
    for _ in range(100):
        there.write(b"x" * 50_000)
        await there.drain()
        await asyncio.sleep(0)
        assert here.buffered <= HIGH
    there.write(b"\r\n")
    with pytest.raises(LineTooLong):
        await reading


async def test_who_does_not_read_stops_who_writes() -> None:
    here, there = pair(CLOCK)
    there.write(b"x" * (HIGH + 1))
    await there.drain()
    there.write(b"y" * 200_000)
    draining = asyncio.ensure_future(there.drain())
    for _ in range(10):
        await asyncio.sleep(0)
    assert not draining.done()
    left = HIGH + 1 + 200_000
    while left:
        left -= len(await here.read(65_536))
    await draining


async def test_plaintext_behind_starttls_is_refused() -> None:
    here, there = pair(CLOCK)
    there.write(b"NOOP\r\n")
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    with pytest.raises(PlaintextBuffered):
        await here.start_tls(opportunistic(), 5)


async def test_a_stream_that_is_gone_takes_writes_in_silence_and_drain_says_so() -> None:
    here, there = pair(CLOCK)
    there.abort()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    here.write(b"hello")
    with pytest.raises(ConnectionLost):
        await here.drain()
    assert isinstance(here, Stream)


async def test_lines_that_came_at_one_time_leave_others_their_turns() -> None:
    near, far = pair(CLOCK)
    near.write(b"NOOP\r\n" * 1_000)
    await far.readline(100)  # now all of it is there
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.ensure_future(other())
    for _ in range(999):
        assert await far.readline(100) == b"NOOP\r\n"
    task.cancel()
    assert turns >= 1_000 // TURN - 1
