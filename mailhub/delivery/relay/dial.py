"""A connected socket to one of several addresses of a mail host, the first that answers (RFC 8305, on the clock)."""

import asyncio
import os
import socket
from collections.abc import Sequence

from mailhub.config import schema
from mailhub.model.clock import Clock

from .errors import NO_ANSWER, Lost
from .mx import Host

HEAD_START = 0.25  # seconds that one address has before the next one is tried beside it (RFC 8305 section 5)


class Dialer:
    """Connects; `port` is asked where a host names none."""

    def __init__(self, config: schema.Relay, clock: Clock) -> None:
        self._config, self._clock = config, clock

    async def first(self, hosts: Sequence[Host]) -> tuple[Host, socket.socket]:
        """The first of them to answer. A refusal makes room for the next at once, silence after the head start. Lost with the
        last trouble where none answers."""
        if len(hosts) == 1:
            return hosts[0], await self.one(hosts[0])
        loop = asyncio.get_running_loop()
        waiting = list(hosts)
        racing: dict[asyncio.Task[socket.socket], Host] = {}
        trouble = Lost("no address", NO_ANSWER)
        try:
            while waiting or racing:
                if waiting:
                    host = waiting.pop(0)
                    racing[loop.create_task(self.one(host))] = host
                for done in await self._ended(racing, HEAD_START if waiting else None):
                    host = racing.pop(done)
                    try:
                        return host, done.result()
                    except Lost as lost:
                        trouble = lost
        finally:
            await _dropped(racing)
        raise trouble

    async def _ended(
        self, racing: "dict[asyncio.Task[socket.socket], Host]", seconds: float | None
    ) -> "list[asyncio.Task[socket.socket]]":
        """Those that have ended, the one begun first in front; none where the time is over first."""
        try:
            async with self._clock.timeout(seconds):
                await asyncio.wait(racing, return_when=asyncio.FIRST_COMPLETED)
        except TimeoutError:
            return []
        return [task for task in racing if task.done()]

    async def one(self, host: Host) -> socket.socket:
        """A socket connected to that address. Literals only, and paths: names are for the resolver."""
        six = ":" in host.address
        family = socket.AF_UNIX if host.address.startswith("/") else socket.AF_INET6 if six else socket.AF_INET
        made = socket.socket(family, socket.SOCK_STREAM)
        place = host.address if family == socket.AF_UNIX else (host.address, host.port or self._config.port)
        try:
            made.setblocking(False)
            if family != socket.AF_UNIX:
                made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if source := self._config.source_ipv6 if six else self._config.source_ipv4:
                    made.bind((source, 0))
            async with self._clock.timeout(self._config.connect_timeout):
                await asyncio.get_running_loop().sock_connect(made, place)
        except TimeoutError as error:  # ours or the kernel's
            made.close()
            raise Lost(f"connect to {host}: no answer in time", NO_ANSWER) from error
        except OSError as error:
            made.close()
            raise Lost(f"connect to {host}: {os.strerror(error.errno) if error.errno else error}", NO_ANSWER) from error
        except BaseException:
            made.close()
            raise
        return made


async def _dropped(racing: "dict[asyncio.Task[socket.socket], Host]") -> None:
    """The slower ones, which may have come through meanwhile."""
    for task in racing:
        task.cancel()
    for end in await asyncio.gather(*racing, return_exceptions=True):
        if isinstance(end, socket.socket):
            end.close()
