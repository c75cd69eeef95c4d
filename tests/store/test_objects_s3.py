"""Where large bodies lie: a folder, and a real S3 server that is killed, stalled and away."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from support.mariadb import Mariadb
from support.radosgw import Radosgw
from support.stores import Stores, emptied, queued

from mailhub.model.errors import Permanent, Temporary
from mailhub.store.api import Body, NewMessage
from mailhub.store.files import Files
from mailhub.store.mysql import buckets
from mailhub.store.mysql.buckets import Bucket, bucket_of

WHO = "alice@example.org"
LARGE = b"z" * 200_000


@pytest.fixture(params=["folder", pytest.param("s3", marks=pytest.mark.slow)])
def bucket(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bucket]:
    with ThreadPoolExecutor(2) as pool:
        if request.param == "s3":
            request.getfixturevalue("gateway")
        where = next(request.getfixturevalue("places")) if request.param == "s3" else str(tmp_path / "objects")
        yield bucket_of(where, Files(), pool)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "body"
    path.write_bytes(LARGE)
    return path


def name(number: int) -> str:
    return f"{number:064x}.body"


async def test_what_is_put_is_there_until_it_is_deleted(bucket: Bucket, source: Path, tmp_path: Path) -> None:
    for _ in range(2):  # the answer to the first was lost
        await bucket.put(name(1), str(source))
    await bucket.get(name(1), str(tmp_path / "copy"))
    assert (tmp_path / "copy").read_bytes() == LARGE
    for _ in range(2):
        await bucket.delete(name(1))
    with pytest.raises(Temporary):
        await bucket.get(name(1), str(tmp_path / "gone"))


async def test_all_names_are_listed_by_pages(bucket: Bucket, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buckets, "_PAGE", 4)
    numbers = [n << 248 | n % 5 for n in (3, 7, 7, 7, 8, 9, 9, 200, 201, 202, 255)] + [(7 << 248) + n for n in range(9)]
    before = await bucket.now()
    for number in numbers:
        await bucket.put(name(number), str(source))
    found, after = [], ""
    while page := await bucket.page(after):
        found += page
        after = page[-1][0]
    bodies = [(one, written) for one, written in found if one.endswith(".body")]
    assert [one for one, _ in bodies] == sorted({name(number) for number in numbers})
    later = await bucket.now()
    assert all(before - 1 <= written <= later + 1 for _, written in bodies), "by one clock"


def test_a_place_that_can_not_be_is_told_at_the_start() -> None:
    with ThreadPoolExecutor(1) as pool, pytest.raises(Permanent, match=r"store\.objects"):
        bucket_of("s3://", Files(), pool)


@pytest.fixture
def stores(
    mariadb_server: Mariadb, gateway: Radosgw, places: Iterator[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Stores]:
    """A node that has less patience than others."""
    monkeypatch.setattr(buckets, "TIMEOUT", "2s")
    with emptied(mariadb_server, tmp_path, objects=next(places)) as made:
        yield made


async def body(store: Any, octets: bytes = LARGE) -> Body:
    writer = store.queue.body_writer()
    writer.feed(octets)
    made: Body = await writer.finish()
    return made


async def read(store: Any, folder: int, uid: int) -> bytes:
    async with await store.mailboxes.open(folder, uid) as opened:
        octets: bytes = await opened.read(0, 1_000_000)
        return octets


@pytest.mark.slow
@pytest.mark.parametrize("trouble", ["killed", "stalled"])
async def test_without_the_objects_small_mail_goes_on_and_large_mail_waits(
    stores: Stores, gateway: Radosgw, trouble: str
) -> None:
    store = stores.make("a")
    await store.open()
    folder = (await store.mailboxes.folders(WHO))[0].id
    await store.mailboxes.append(folder, [NewMessage(await body(store), 1, b"E", b"B")])
    store._objects.drop(next(iter(store._objects._held)))  # what is read here is fetched
    await asyncio.to_thread(gateway.kill if trouble == "killed" else gateway.stall)
    try:
        with pytest.raises(Temporary, match="objects in s3"):
            await body(store)
        with pytest.raises(Temporary, match="objects in s3"):
            await read(store, folder, 1)
        with pytest.raises(Temporary, match="objects in s3"):
            await store.collector.sweep(-60.0)
        await store.mailboxes.append(folder, [NewMessage(await body(store, b"small"), 1, b"E", b"B")])
        put = await store.queue.put(queued(store, "x@example.org"))
        await store.queue.release(put.id, put.lease)
        assert list((await store.mailboxes.view(folder)).uids) == [1, 2]
        assert await read(store, folder, 2) == b"small"
        await store.mailboxes.expunge(folder, [1])
        with pytest.raises(Temporary, match="objects in s3"):
            await store.collector.collect(-1.0)
        assert stores.count("doomed where gone <= 0") == 1, "it is deleted another time"
    finally:
        await asyncio.to_thread(gateway.start if trouble == "killed" else gateway.resume)
    assert stores.count("message") == 1
    assert stores.count("body") == 2  # small ones: in the folder, and in the queue
    await store.mailboxes.append(folder, [NewMessage(await body(store), 1, b"E", b"B")])
    assert await read(store, folder, 3) == LARGE
    await store.collector.collect(-1.0)
    await store.collector.sweep(-60.0)  # what a stalled server took in after all
    assert len(stores.bodies()) == 1
    assert not [path for path in (stores.path / "a/cache").iterdir() if path.suffix != ".body"], "nothing half is left"
    await store.close()


@pytest.mark.slow
async def test_killed_under_load_it_has_whole_objects_and_all_that_were_promised(
    stores: Stores, gateway: Radosgw
) -> None:
    store = stores.make("a")
    await store.open()
    promised: list[tuple[Body, bytes]] = []
    failed = 0

    async def store_some(n: int) -> None:
        nonlocal failed
        for k in range(12):
            octets = b"%04d" % (n * 100 + k) * 100_000
            try:
                promised.append((await body(store, octets), octets))
            except Temporary:
                failed += 1

    async def kill() -> None:
        while len(promised) < 30:
            await asyncio.sleep(0.01)  # the work goes on beside it
        await asyncio.to_thread(gateway.kill)
        while not failed:
            await asyncio.sleep(0.01)
        await asyncio.to_thread(gateway.start)

    await asyncio.gather(kill(), *[store_some(n) for n in range(8)])
    assert failed
    assert len(promised) + failed == 96
    for name_ in list(store._objects._held):
        store._objects.drop(name_)
    for made, octets in promised:
        assert b"".join([part async for part in blocks(store, made)]) == octets
    for path in stores.bodies():  # those that nobody was told of, too
        await store._objects.bucket.get(path.rpartition("/")[2], str(stores.path / "whole"))
        assert (stores.path / "whole").stat().st_size == 400_000
        (stores.path / "whole").unlink()
    assert await store.collector.sweep(60.0) == 0, "what is young may be on its way to its row"
    await store.collector.sweep(-60.0)
    assert stores.bodies() == []
    await store.close()


async def blocks(store: Any, made: Body) -> Any:
    offset = 0
    while block := await store.queue.read_body(made, offset, 131_072):
        yield block
        offset += len(block)
