"""Nothing of a bench waits for ever, and nothing it started outlives it: bounded waits with a clear error; servers that end with the bench,
even by SIGKILL, and their children with them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psutil

from bench.meters import processes

START = 120.0  # seconds until a server answers, once its folder is prepared
MEASURE = 900.0  # seconds for one load
STOP = 30.0  # seconds a server has to end by itself


class Stuck(Exception):
    """What was waited for, and how long."""


@asynccontextmanager
async def within(seconds: float, what: str) -> AsyncIterator[None]:
    """Stuck, with `what` and the seconds, where the block takes longer."""
    try:
        async with asyncio.timeout(seconds) as limit:
            yield
    except TimeoutError:
        if not limit.expired():
            raise  # the block's own
        raise Stuck(f"{what}: not done within {seconds:.0f} seconds") from None


@asynccontextmanager
async def tied(process: asyncio.subprocess.Process) -> AsyncIterator[None]:
    """After the block, or when this process is gone by whatever signal, the other is told to end (in the latter case by a shell that reads
    from us until we are no more)."""
    pipe = asyncio.subprocess.PIPE
    guard = await asyncio.create_subprocess_exec("sh", "-c", 'read -r _; kill "$1"', "sh", str(process.pid), stdin=pipe)
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):  # a signal to all of the terminal has ended it
            guard.kill()
        await guard.wait()
        await end(process)


async def answers(process: asyncio.subprocess.Process, what: str, *ports: int) -> None:
    """Each port greets; Stuck where the process ended instead, or takes longer than START."""
    async with within(START, f"{what}: a greeting on the ports {', '.join(map(str, ports))}"):
        for port in ports:
            while not await _greets(port):
                if process.returncode is not None:
                    raise Stuck(f"{what} ended with {process.returncode} before it answered")
                await asyncio.sleep(0.02)


async def _greets(port: int) -> bool:
    with contextlib.suppress(OSError):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            return bool(await reader.readline())
        finally:
            writer.close()
    return False


async def end(process: asyncio.subprocess.Process) -> None:
    """By SIGTERM, after STOP by SIGKILL; and the children that it did not take along."""
    if process.returncode is not None:
        return  # its number may be another's by now
    family = processes([process.pid])
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(STOP):
            await process.wait()
    except TimeoutError:
        family += processes([process.pid])
    for each in family:  # psutil tells a reused number
        with contextlib.suppress(psutil.NoSuchProcess):
            each.kill()
    await process.wait()
