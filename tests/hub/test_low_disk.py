"""A file system that fills up, in octets and in inodes: 452 before it is full, reading goes on, and it recovers by itself."""

import asyncio
import os
import poplib
import smtplib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.hubs import PASSWORD, messages, running, send, trusting

from mailhub.config.schema import Smtp, Store
from mailhub.control.words import Status
from mailhub.hub import Hub
from mailhub.hub_status import status_of

MIB = 1 << 20
ALICE = "alice@mailhub.test"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, of 64 MiB and 2,000 files."""
    place = tmp_path / "disk"
    place.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64m,nr_inodes=2000", "tmpfs", str(place)], capture_output=True, check=False
    )
    if made.returncode:
        pytest.skip("only root may mount")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def fill(disk: Path, what: str) -> list[Path]:
    """Until little is left."""
    if what == "octets":
        path, free = disk / "filler", os.statvfs(disk)
        path.write_bytes(bytes(free.f_bavail * free.f_frsize - 8 * MIB))
        return [path]
    paths = [disk / f"filler{n}" for n in range(os.statvfs(disk).f_favail - 50)]
    for path in paths:
        path.touch()
    return paths


def looked_at_anew(hub: Hub) -> None:
    """As if a second had passed since the last look."""
    hub.store.queue._space.looked = float("-inf")  # type: ignore[attr-defined]


async def refused(hub: Hub) -> tuple[int, bytes]:
    def ask() -> tuple[int, bytes]:
        with smtplib.SMTP("127.0.0.1", hub.port("smtp")) as client:
            client.ehlo()
            return client.mail("a@example.org")

    return await asyncio.to_thread(ask)


async def read(hub: Hub) -> int:
    def ask() -> int:
        client = poplib.POP3_SSL("127.0.0.1", hub.port("pop3s"), context=trusting())
        client.user(ALICE)
        client.pass_(PASSWORD)
        count = len(client.list()[1])
        client.retr(1)
        client.quit()
        return count

    return await asyncio.to_thread(ask)


@pytest.mark.parametrize(("what", "option"), [("octets", "free_space_floor"), ("inodes", "inode_floor")])
async def test_it_refuses_reads_on_and_recovers(disk: Path, what: str, option: str) -> None:
    store = Store(free_space_floor=16 * MIB, inode_floor=100)
    async with running(disk / "var", ALICE, store=store, smtp=Smtp(greet_pause=0.0)) as hub:
        await send(hub, "a@example.org", ALICE)
        assert len(await messages(hub, ALICE)) == 1
        fillers = fill(disk, what)
        looked_at_anew(hub)
        code, text = await refused(hub)
        assert (code, text[:5]) == (452, b"4.3.1")
        assert option in (await status_of(hub, Status())).trouble
        assert await read(hub) == 1
        for path in fillers:
            path.unlink()
        looked_at_anew(hub)
        await send(hub, "a@example.org", ALICE)
        assert len(await messages(hub, ALICE)) == 2
        assert (await status_of(hub, Status())).trouble == ""
