"""A server that nobody talks to: how long until it greets, what that costs, and the memory it then holds."""

import asyncio
import contextlib
import os
import resource
import shutil
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from support.server import REPOSITORY, free_ports

from bench import bounds, meters
from bench.target import Target, folder_on_disk

QUIET = 2.0  # seconds after the greeting until memory is read
NO_CHECKS = "".join(f"{name}.enabled = false\n" for name in ("spf", "dkim", "arc", "dmarc", "iprev", "junk"))


@dataclass(frozen=True, slots=True)
class Form:
    """`options`: lines before the listeners; `web`: a listener speaks HTTP."""

    name: str
    options: str = ""
    web: bool = False


FULL = (Form("SMTP, POP3, IMAP, queue", NO_CHECKS), Form("the same with checks"), Form("the same with web", web=True))


@asynccontextmanager
async def mailhub() -> AsyncIterator[Target]:
    """Nothing runs yet: each form starts a server of its own."""
    yield Target("mailhub", __import__("mailhub").__version__, {}, list, lambda: 0)


async def measure(target: Target, load: Form) -> dict[str, object]:
    """A first start makes keys, tables and compiled modules; the second is measured."""
    folder = folder_on_disk()
    try:
        names = ("smtp", "pop3", "imap", *(("http",) if load.web else ()))
        ports = dict(zip(names, free_ports(len(names)), strict=True))
        doors = "".join(
            f'[[listener]]\nprotocol = "{name}"\nport = {port}\ntls = "{"none" if name == "http" else "starttls"}"\n'
            for name, port in ports.items()
        )
        config = folder / "config.toml"
        config.write_text(f'data = "./var"\ndomains = ["example.test"]\n{load.options}{doors}')
        await _life(config, ports)
        return {"load": load.name, **await _life(config, ports)}
    finally:
        shutil.rmtree(folder)


async def _life(config: Path, ports: dict[str, int]) -> dict[str, object]:
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    log = config.with_name("log").open("ab")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "mailhub", "--config", str(config), "serve",
        stdout=log, stderr=log, cwd=REPOSITORY, env={**environment, "PYTHONPATH": str(REPOSITORY)},
    )  # fmt: skip
    async with bounds.tied(process), bounds.within(bounds.START, "mailhub: a greeting on every port"):
        told: dict[str, object] = {}
        for name, port in ports.items():
            await _answered(port, name == "http")
            told[f"{name}_ms"] = round((time.perf_counter() - began) * 1_000)
        await asyncio.sleep(QUIET)
        told["memory_mb"] = meters.memory([process.pid])
        told["threads"] = len(os.listdir(f"/proc/{process.pid}/task"))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    told["cpu_ms"] = round((after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1_000)  # and its end
    log.close()
    return told


async def _answered(port: int, web: bool) -> None:
    while True:
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                if web:
                    writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                if await reader.readline():
                    return
            finally:
                writer.close()
        await asyncio.sleep(0.002)
