"""A real `python -m mailhub` in a process of its own, on free ports, with its data in a test's folder."""

import asyncio
import contextlib
import os
import random
import signal
import socket
import sys
from pathlib import Path

from mailhub.config.schema import Store as StoreConfig
from mailhub.model.clock import SystemClock
from mailhub.store.api import AccountRow
from mailhub.store.sqlite import SqliteStore

REPOSITORY = Path(__file__).resolve().parents[2]


def free_port() -> int:
    return free_ports(1)[0]


def free_ports(count: int) -> list[int]:
    """All different: each is held until the last is found. Below those that the system gives to outgoing connections, of which one could take
    it before the server does."""
    with contextlib.ExitStack() as held:
        probes = [held.enter_context(socket.socket()) for _ in range(count)]
        return [_bound(probe) for probe in probes]


def _bound(probe: socket.socket) -> int:
    while True:
        port = random.SystemRandom().randrange(10_000, 32_000)
        with contextlib.suppress(OSError):
            probe.bind(("0.0.0.0", port))
            return port


class Server:
    """`await start()` returns when the server answers on all its ports. `ports`: by protocol."""

    def __init__(self, folder: Path, extra: str = "") -> None:
        self.folder = folder
        self.ports = {name: free_port() for name in ("smtp", "submission", "pop3", "imap")}
        self.config = folder / "config.toml"
        listeners = "".join(
            f'\n[[listener]]\nprotocol = "{name}"\nport = {port}\n' for name, port in self.ports.items()
        )
        self.config.write_text(f'domains = ["example.test"]\ndata = "./var"\n{extra}\n{listeners}')
        self.process: asyncio.subprocess.Process | None = None

    async def accounts(self, *names: str, password: str = "") -> None:
        """Accounts made while no server runs; without a password they receive mail and cannot sign in."""
        store = SqliteStore(self.folder / "var", StoreConfig(), SystemClock(), "mailhub.test")
        await store.open()
        for name in names:
            await store.directory.put_account(AccountRow(name, password and f"{{PLAIN}}{password}"))
        await store.close()

    async def start(self) -> None:
        log = (self.folder / "log").open("ab")
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "mailhub", "--config", str(self.config), "serve",
            stdout=log, stderr=log, cwd=REPOSITORY, env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        )  # fmt: skip
        log.close()
        for port in self.ports.values():
            await self._answers(port)

    async def _answers(self, port: int) -> None:
        assert self.process is not None
        while True:
            assert self.process.returncode is None, (self.folder / "log").read_text()[-4000:]
            with contextlib.suppress(OSError):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                greeting = await reader.readline()
                writer.close()
                if greeting:
                    return
            await asyncio.sleep(0.02)

    async def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        await self.process.wait()

    async def stop(self) -> int:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return await self.process.wait()

    def log(self) -> str:
        return (self.folder / "log").read_text()
