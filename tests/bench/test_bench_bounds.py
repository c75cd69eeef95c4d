"""The bench's waits end, and so do the servers it started."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import psutil
import pytest
from support.server import REPOSITORY

sys.path.insert(0, str(REPOSITORY))
from bench import bounds

STUBBORN = "trap '' TERM; sleep 300 & echo $!; while :; do wait; done"


async def test_what_takes_too_long_is_named() -> None:
    with pytest.raises(bounds.Stuck, match=r"a greeting: not done within 0 seconds"):
        async with bounds.within(0, "a greeting"):
            await asyncio.Event().wait()


async def test_a_timeout_of_the_block_itself_stays_one() -> None:
    with pytest.raises(TimeoutError, match="its own"):
        async with bounds.within(60, "a greeting"):
            raise TimeoutError("its own")


async def test_a_server_that_does_not_end_is_ended_with_its_children(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "STOP", 0)
    process = await asyncio.create_subprocess_exec("sh", "-c", STUBBORN, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    child = psutil.Process(int(await process.stdout.readline()))
    await bounds.end(process)
    assert process.returncode == -signal.SIGKILL
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


async def test_a_server_that_ended_before_it_answered_is_named() -> None:
    process = await asyncio.create_subprocess_exec("sh", "-c", "exit 7")
    await process.wait()
    with pytest.raises(bounds.Stuck, match="ended with 7 before it answered"):
        await bounds.answers(process, "Postfix", 1)


async def test_a_server_ends_with_a_bench_that_was_killed(tmp_path: Path) -> None:
    program = tmp_path / "killed.py"
    program.write_text(
        f"import asyncio, os, sys\nsys.path.insert(0, {str(REPOSITORY)!r})\nfrom bench import bounds\n"
        "async def main():\n"
        "    process = await asyncio.create_subprocess_exec('sleep', '300')\n"
        "    async with bounds.tied(process):\n"
        "        print(process.pid, flush=True)\n"
        "        await asyncio.Event().wait()\n"
        "asyncio.run(main())\n"
    )
    killed = await asyncio.create_subprocess_exec(sys.executable, str(program), stdout=asyncio.subprocess.PIPE)
    assert killed.stdout is not None
    server = psutil.Process(int(await killed.stdout.readline()))
    os.kill(killed.pid, signal.SIGKILL)
    await killed.wait()
    async with asyncio.timeout(30):
        while server.is_running() and server.status() != psutil.STATUS_ZOMBIE:
            await asyncio.sleep(0.01)  # it is no child of ours to wait for
