"""`mailhub serve` as root starts it on a host with system users."""

import asyncio
import contextlib
import os
import smtplib
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
from support.server import REPOSITORY
from support.system_users import SystemUsers

RUNS_AS = "mailer"
DOMAIN = "mailhub.test"


class NotStarted(Exception):
    """It ended, and said why."""


class Server:
    """`mailhub serve` as root starts it. `pid`: of the process that talks to the network."""

    def __init__(self, place: SystemUsers, process: asyncio.subprocess.Process) -> None:
        self.place, self.process = place, process
        self.ports: dict[str, int] = {}
        self.log: list[str] = []

    @property
    def pid(self) -> int:
        """The wrapper's shells have become the program."""
        return self.process.pid

    @property
    def children(self) -> list[psutil.Process]:
        return psutil.Process(self.pid).children(recursive=True)

    async def kill(self) -> None:
        """It and all that it has started, at once, as a power cut would."""
        everybody = [psutil.Process(self.pid), *self.children]
        for one in everybody:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()
        psutil.wait_procs(everybody[1:])
        await self.process.wait()

    def status(self, *names: str) -> list[str]:
        """Lines of the kernel's word on it."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return [line for line in lines if line.startswith(names)]

    async def ready(self) -> None:
        assert self.process.stdout is not None
        while line := (await self.process.stdout.readline()).decode():
            words = line.split()
            if words[:1] == ["data"]:
                return
            if len(words) == 4 and ":" in words[2]:
                self.ports[words[0]] = int(words[2].rpartition(":")[2])
        raise NotStarted

    async def logged(self, text: str) -> str:
        """The next log line that holds it."""
        assert self.process.stderr is not None
        while line := (await self.process.stderr.readline()).decode():
            self.log.append(line)
            if text in line:
                return line
        raise AssertionError("".join(self.log))

    async def send(self, *recipients: str, text: str = "Subject: x\n\nhello\n", sender: str = "s@far.test") -> None:
        def talk() -> None:
            with smtplib.SMTP("127.0.0.1", self.ports["smtp"]) as client:
                client.sendmail(sender, recipients, text)

        await asyncio.to_thread(talk)

    async def delivered(self, address: str) -> str:
        return await self.logged(f"to=<{address}>")


@contextlib.asynccontextmanager
async def serving(
    place: SystemUsers, local: str = "", extra: str = "", *, users: bool = True, runs_as: str = RUNS_AS, door: str = ""
) -> AsyncIterator[Server]:
    """`local`: lines of [local]; `extra`: what stands before; `door`: lines of the listener."""
    data = place.folder / "var"
    (place.folder / "config.toml").write_text(
        f'data = "{data}"\nuser = "{runs_as}"\n{extra}\n[[listener]]\nprotocol = "smtp"{door}\n[smtp]\ngreet_pause = 0.0\n'
        f"[queue]\nretry = [1.0]\n[local]\nsystem_users = {str(users).lower()}\n{local}\n"
    )
    process = await asyncio.create_subprocess_exec(
        place.python, "-m", "mailhub", "--config", str(place.folder / "config.toml"), stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, cwd=place.folder,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )  # fmt: skip
    server = Server(place, process)
    reading = asyncio.create_task(server.ready())
    try:
        await reading
        yield server
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        _, err = await process.communicate()
        print("".join(server.log), err.decode())
        if not server.ports:
            raise NotStarted(err.decode()) from None
        raise
    else:
        if process.returncode is None:
            process.terminate()
        _, err = await process.communicate()
        server.log += err.decode().splitlines(keepends=True)
