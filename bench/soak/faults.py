"""What happens to the server, at random moments: real signals, real limits of its process, a far host that is gone."""

import asyncio
import os
import random
import resource
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from support.server import Server

from .far import FarHost
from .ledger import Ledger


@dataclass
class Faults:
    """`story`: those that were, and how long until the server was as before."""

    server: Server
    far: FarHost
    ledger: Ledger
    chance: random.Random
    story: list[str] = field(default_factory=list)

    def kinds(self, *, fatal: bool) -> list[Callable[[], Awaitable[None]]]:
        """`fatal`: also those after which it has to be started again."""
        mild = [self.reload, self.stopped, self.no_descriptors, self.no_writes, self.far_host_gone]
        return [*mild, *[self.killed] * 6, self.killed_while_starting, self.restarted] if fatal else mild

    async def one(self, *, fatal: bool) -> None:
        fault = self.chance.choice(self.kinds(fatal=fatal))
        name, began = fault.__name__.replace("_", " "), asyncio.get_running_loop().time()
        self.ledger.counts[f"fault: {name}"] += 1
        await fault()
        self.story.append(f"{name}, {asyncio.get_running_loop().time() - began:.1f} s")

    @property
    def pid(self) -> int:
        assert self.server.process is not None
        return self.server.process.pid

    def _ended(self) -> None:
        self.ledger.ends.append(asyncio.get_running_loop().time())

    async def killed(self) -> None:
        await self.server.kill()
        self._ended()
        await self.server.start()

    async def killed_while_starting(self) -> None:
        await self.server.kill()
        self._ended()
        for _ in range(3):
            starting = asyncio.create_task(self.server.start())
            await asyncio.sleep(self.chance.uniform(0.1, 1.5))
            starting.cancel()
            await asyncio.gather(starting, return_exceptions=True)
            await self.server.kill()
            self._ended()
        await self.server.start()

    async def restarted(self) -> None:
        if (code := await self.server.stop()) != 0:
            self.ledger.blame(f"it was asked to stop and ended with {code}")
        self._ended()
        await self.server.start()

    async def reload(self) -> None:
        os.kill(self.pid, signal.SIGHUP)

    async def stopped(self) -> None:
        """As where a machine sleeps, or swaps."""
        os.kill(self.pid, signal.SIGSTOP)
        await asyncio.sleep(self.chance.uniform(0.5, 3.0))
        os.kill(self.pid, signal.SIGCONT)

    async def no_descriptors(self) -> None:
        """EMFILE."""
        await self._limited(resource.RLIMIT_NOFILE, len(os.listdir(f"/proc/{self.pid}/fd")) + 2)

    async def no_writes(self) -> None:
        """EFBIG from each write behind the 100,000th octet of a file: database, log of it, large messages, its log."""
        await self._limited(resource.RLIMIT_FSIZE, 100_000)

    async def _limited(self, which: int, value: int) -> None:
        soft, hard = resource.prlimit(self.pid, which)
        resource.prlimit(self.pid, which, (value, hard))
        await asyncio.sleep(self.chance.uniform(1.0, 5.0))
        resource.prlimit(self.pid, which, (soft, hard))

    async def far_host_gone(self) -> None:
        self.far.shut()
        await asyncio.sleep(self.chance.uniform(1.0, 8.0))
        await self.far.open()
