"""Connections kept for the next message to the same host, for a short time and in a bounded number."""

import asyncio
from collections import OrderedDict
from collections.abc import Collection

from mailhub.config import schema
from mailhub.model.clock import Clock, Timer

from .client import Client
from .demand import Demand
from .mx import Host


class Pool:
    """Idle connections by host; the oldest goes where there are too many."""

    def __init__(self, config: schema.Relay, clock: Clock) -> None:
        self._config, self._clock = config, clock
        self._idle: OrderedDict[Client, Timer] = OrderedDict()
        self._goodbyes: set[asyncio.Task[None]] = set()
        self._closed = False

    def take(self, hosts: Collection[Host], demand: Demand) -> Client | None:
        """A connection to one of these whose TLS is what is demanded, no longer the pool's: the one used last. Its peer may be
        gone without a word."""
        for client in reversed(tuple(self._idle)):
            if client.host in hosts and client.demand == demand:
                self._idle.pop(client).cancel()
                if client.alive:
                    return client
                client.close()
        return None

    def keep(self, client: Client) -> None:
        """Give a connection back that has no transaction under way, for another one or for QUIT."""
        client.fresh = False
        if not client.alive:
            client.close()
            return
        if self._closed or client.exhausted or not self._config.keep_seconds:
            self.dismiss(client)
            return
        self._idle[client] = self._clock.call_later(self._config.keep_seconds, lambda: self._expire(client))
        if len(self._idle) > self._config.keep_limit:
            self._expire(next(iter(self._idle)))

    def _expire(self, client: Client) -> None:
        timer = self._idle.pop(client, None)
        if timer is not None:
            timer.cancel()
            self.dismiss(client)

    def dismiss(self, client: Client) -> None:
        """QUIT, in the background; where many peers are slow to answer it, without their answers."""
        if self._closed or len(self._goodbyes) >= self._config.keep_limit:
            client.close()
            return
        task = asyncio.get_running_loop().create_task(client.quit())
        self._goodbyes.add(task)
        task.add_done_callback(self._goodbyes.discard)

    async def close(self) -> None:
        """Close all at once."""
        self._closed = True
        for client, timer in self._idle.items():
            timer.cancel()
            client.close()
        self._idle.clear()
        for task in tuple(self._goodbyes):
            task.cancel()
        await asyncio.gather(*self._goodbyes, return_exceptions=True)
