"""What stays in memory of bodies that came just now: few, none that is very large, and the same octets as in the file."""

import os
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mailhub.model.errors import Temporary
from mailhub.store import recent
from mailhub.store.bodies import Spool, SpoolWriter
from mailhub.store.files import Files

LIMIT = 1_000


@pytest.fixture
async def spool(tmp_path: Path) -> AsyncIterator[Spool]:
    with ThreadPoolExecutor(2) as pool:
        spool = Spool(Files(), str(tmp_path), pool, pool, LIMIT)
        spool.names.start()
        yield spool
        await spool.names.stop()


async def come(spool: Spool, number: int, text: bytes, block: int, room: int = 0) -> str:
    writer = spool.writer(number, (lambda: room) if room else None)
    for start in range(0, len(text), block):
        writer.feed(text[start : start + block])
    name = (await writer.finish()).spool
    assert name is not None
    return name


@pytest.mark.parametrize("room", [0, 77])
@pytest.mark.parametrize("block", [1, 999, 1_000, 1_001, 5_000])
async def test_what_is_in_memory_is_what_is_in_the_file(block: int, room: int, spool: Spool) -> None:
    text = os.urandom(3_000)
    name = await come(spool, 1, text, block, room)
    asked = [(0, 3_000), (0, 10), (990, 30), (2_990, 100), (3_000, 5)]
    first = [await spool.read(name, *one) for one in asked]
    spool.files.rename(spool.path(name), spool.path("aside"))
    assert [await spool.read(name, *one) for one in asked] == first == [text[at : at + n] for at, n in asked]
    spool.recent.forget(name)
    with pytest.raises(Temporary):
        await spool.read(name, 0, 10)
    spool.files.rename(spool.path("aside"), spool.path(name))
    assert [await spool.read(name, *one) for one in asked] == first


async def test_what_is_very_large_does_not_stay(spool: Spool) -> None:
    for block in (recent.LARGEST + 1, 50_000):
        name = await come(spool, block, bytes(recent.LARGEST + 1), block)
        assert len(spool.recent) == 0
        assert len(await spool.read(name, 0, 1 << 20)) == recent.LARGEST + 1


async def test_many_come_at_one_time_and_few_stay(spool: Spool) -> None:
    writers = [spool.writer(number) for number in range(recent.MANY + 20)]
    texts = {writer: os.urandom(LIMIT + 1 + n) for n, writer in enumerate(writers)}
    for writer, text in texts.items():
        writer.feed(text[:LIMIT])
        writer.feed(text[LIMIT:])
    assert len(spool.recent) == recent.MANY
    for writer, text in texts.items():
        body = await writer.finish()
        assert body.spool is not None
        assert await spool.read(body.spool, 0, 1 << 20) == text
    for number in range(recent.MANY + 1):
        await come(spool, 1_000 + number, bytes(2_000), 2_000)
    assert len(spool.recent) == recent.MANY


async def test_what_is_given_up_does_not_stay(spool: Spool) -> None:
    finished, broken = spool.writer(1), spool.writer(2)
    for writer in (finished, broken):
        writer.feed(bytes(2_000))
    await finished.finish()
    assert len(spool.recent) == 2
    for writer in (finished, broken):
        writer.abort()
    assert len(spool.recent) == 0
    await SpoolWriter.drain(broken)
