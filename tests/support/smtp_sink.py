"""Postfix's smtp-sink(1), which takes mail and can be told where to fail, and a relay that is to deliver to it."""

import contextlib
import random
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support.far_hosts import US, Text
from support.server import free_port

from mailhub.config import schema
from mailhub.delivery.relay import RelayTransport
from mailhub.delivery.transport import Job, JobRecipient, Result
from mailhub.model.clock import VirtualClock
from mailhub.net.resolver import NoData

START = 10.0  # seconds


class NoNames:
    """A resolver that is not to be asked: sinks are literals."""

    async def mx(self, domain: str) -> list[tuple[int, str]]:
        raise NoData(domain)


@dataclass(frozen=True)
class Sink:
    """`file`: all that it took (smtp-sink(1), "DUMP FILE FORMAT")."""

    port: int
    file: Path

    def taken(self) -> bytes:
        return self.file.read_bytes()


@contextlib.contextmanager
def sink(*options: str, port: int = 0) -> Iterator[Sink]:
    """It runs as nobody, and so needs a folder of its own. `port`: 0 for a free one."""
    program = shutil.which("smtp-sink", path="/usr/sbin:/usr/bin")
    if program is None:
        pytest.skip("smtp-sink is not installed")
    port = port or free_port()
    folder = Path(tempfile.mkdtemp(prefix="ms"))
    folder.chmod(0o777)
    command = [program, "-u", "nobody", "-D", str(folder / "taken"), *options, f"127.0.0.1:{port}", "10"]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        try:
            _wait(process, port)
            yield Sink(port, folder / "taken")
        finally:
            process.kill()
            shutil.rmtree(folder, ignore_errors=True)


def _wait(process: "subprocess.Popen[bytes]", port: int) -> None:
    until = time.monotonic() + START
    while time.monotonic() < until:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        if process.poll() is not None and process.stderr is not None:
            raise AssertionError(process.stderr.read().decode(errors="replace"))
        time.sleep(0.01)  # it has no way to tell
    raise AssertionError("no answer")


@contextlib.asynccontextmanager
async def sending(**options: Any) -> AsyncIterator[RelayTransport]:
    """A relay with these options, on virtual time."""
    relay = RelayTransport(NoNames(), schema.Relay(**options), US, VirtualClock(), chance=random.Random(1))  # type: ignore[arg-type]
    try:
        yield relay
    finally:
        await relay.close()


async def deliver(
    relay: RelayTransport, to: Sink, *recipients: str, text: Text | None = None, **job: Any
) -> list[Result]:
    """From a@here.test to a sink."""
    all_of_them = tuple(JobRecipient(n, recipient) for n, recipient in enumerate(recipients or ("b@far.test",)))
    facts = {"queue_id": 1, "sender": "a@here.test", "created": 0.0} | job
    return await relay.deliver(
        Job(content=text or Text(), recipients=all_of_them, nexthop=f"[127.0.0.1]:{to.port}", **facts)
    )
