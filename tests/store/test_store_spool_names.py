"""The names of spool files are synced once for all bodies that wait for it."""

import asyncio
import threading
from pathlib import Path

import pytest

from mailhub.store.files import Files
from mailhub.store.names import Names


class Slow(Files):
    """Each sync waits for its leave. `begun`: how many were begun."""

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.leave = 0, threading.Semaphore(0)
        self.fails = False

    def sync_file(self, path: str) -> None:
        self.begun += 1
        self.leave.acquire()
        if self.fails:
            raise OSError("the disk is gone")
        super().sync_file(path)


async def test_one_sync_for_all_that_wait_and_none_that_began_before(tmp_path: Path) -> None:
    files = Slow()
    names = Names(files, str(tmp_path))
    names.start()
    first = names.covered()
    while not files.begun:
        await asyncio.sleep(0)
    rest = [names.covered() for _ in range(5)]
    files.leave.release()
    await first
    assert not any(one.done() for one in rest), "that sync may have begun before their files were there"
    files.leave.release()
    await asyncio.gather(*rest)
    assert files.begun == 2
    await names.stop()


async def test_all_are_told_of_an_error(tmp_path: Path) -> None:
    files = Slow()
    files.fails = True
    names = Names(files, str(tmp_path))
    names.start()
    files.leave.release(9)
    for one in [names.covered() for _ in range(3)]:
        with pytest.raises(OSError, match="gone"):
            await one
    await names.stop()
