"""Compressed connections: readable after each flush, and never more in memory than was asked for (RFC 1951, RFC 4978)."""

import asyncio
import os
import zlib

import pytest

from mailhub.model.clock import VirtualClock
from mailhub.net.deflate import Deflate
from mailhub.net.stream import HIGH, INFLATED, ConnectionLost, LineTooLong, Stream, pair


def deflated(data: bytes) -> bytes:
    out = zlib.compressobj(9, zlib.DEFLATED, -15)
    return out.compress(data) + out.flush(zlib.Z_SYNC_FLUSH)


@pytest.mark.parametrize("step", [1, 7, 100_000])
def test_there_and_back(step: int) -> None:
    here, there = Deflate(), Deflate()
    data = os.urandom(5_000) + b"\r\n" * 5_000
    wire = here.compress(data) + here.flush()
    assert here.flush() == b""
    found = b""
    for at in range(0, len(wire), step):
        there.take(wire[at : at + step])
        while plain := there.inflate(1_000):
            assert len(plain) <= 1_000
            found += plain
    assert found == data


def test_a_bomb_comes_in_pieces() -> None:
    there = Deflate()
    there.take(deflated(bytes(100_000_000)))
    pieces = [len(there.inflate(INFLATED)) for _ in range(10)]
    assert pieces == [INFLATED] * 10
    assert there.pending > 90_000  # the rest is still what came


@pytest.mark.parametrize("wrong", [b"\xff" * 10, zlib.compress(b"with a header" * 100)])
def test_what_is_no_deflate(wrong: bytes) -> None:
    there = Deflate()
    there.take(wrong)
    with pytest.raises(ValueError, match="Error -3"):
        there.inflate(1_000)


def test_what_comes_after_the_end() -> None:
    out = zlib.compressobj(9, zlib.DEFLATED, -15)
    there = Deflate()
    there.take(out.compress(b"last") + out.flush() + b"more")
    assert there.inflate(10) == b"last"
    with pytest.raises(ValueError, match="ended"):
        there.inflate(10)


async def compressed() -> tuple[Stream, Stream]:
    near, far = pair(VirtualClock())
    near.deflate()
    far.deflate()
    return near, far


async def test_streams_lines_and_blocks() -> None:
    near, far = await compressed()
    near.write(b"one\r\n")
    near.write(b"two\r\nrest")
    await near.drain()
    assert await far.readline(100) == b"one\r\n"
    assert await far.readline(100) == b"two\r\n"
    assert await far.readexactly(4) == b"rest"
    near.write(b"bye\r\n")
    near.close()  # nothing waits in the compressor
    assert await far.readline(100) == b"bye\r\n"
    with pytest.raises(ConnectionLost):
        await far.read(1)


async def test_what_came_before_is_compressed_already() -> None:
    near, far = pair(VirtualClock())
    near.write(deflated(b"early\r\n"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    far.deflate()
    assert await far.readline(100) == b"early\r\n"


async def test_a_line_that_inflates_without_end() -> None:
    """50 MB without a line end, from 50 kB: thrown away in pieces, the loop has its turns, and what follows is read."""
    near, far = pair(VirtualClock())
    far.deflate()
    near.write(deflated(b"x" * 50_000_000 + b"\r\nnext\r\n"))
    turns = 0
    most = 0

    async def others() -> None:
        nonlocal turns, most
        while True:
            turns += 1
            most = max(most, len(far._buffer))
            await asyncio.sleep(0)

    task = asyncio.ensure_future(others())
    with pytest.raises(LineTooLong):
        await far.readline(10_000)
    task.cancel()
    assert turns > 500
    assert most <= INFLATED + 10_000 + HIGH
    assert await far.readline(100) == b"next\r\n"


async def test_garbage_ends_the_connection() -> None:
    near, far = pair(VirtualClock())
    far.deflate()
    near.write(b"a NOOP\r\n" * 10)
    with pytest.raises(ConnectionLost):
        await far.readline(100)
