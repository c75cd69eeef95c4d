"""Several mail servers, the names that lead to them, and one clock: an internet of a test's own.

Each host has a loopback address of its own, all one port (as mail hosts have 25), and asks a real DNS server that lives in
the test. Messages travel by the real code over real connections.
"""

import contextlib
import errno
import os
import socket
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from mailhub.config.schema import Relay, Resolver, Smtp, Tls
from mailhub.model.clock import Clock, SystemClock, VirtualClock

from .authority import Authority, PolicySite
from .clock import AsyncTestClock
from .dns import DnsServer
from .remote import RemoteHost
from .server import DOORS, AsyncMailHub

_TRIES = 20  # for a port that is free on all addresses
_PORTS = (12_000, 32_000)  # below those that connections come from: one of these may have any of them


class AsyncInternet:
    """`async with AsyncInternet() as net:`, then `await net.hub("a.test")` for each server.

    `dns`: zones (`dns.zone["b.test", "MX"] = ["10 mx.b.test."]`), their failures (`dns.broken`), what was asked (`dns.asked`).
    `clock`: of all servers. `latency`: seconds of real time that what clients say is on its way. Loopback addresses beyond 127.0.0.1 are needed: Linux has them.
    """

    def __init__(self, *, clock: Clock | None = None, latency: float = 0.0) -> None:
        self._latency = latency
        self._time = clock or VirtualClock(SystemClock().now())
        self.clock = AsyncTestClock(self._time)
        self.dns = DnsServer()
        self.hubs: list[AsyncMailHub] = []
        self._hosts = 0
        self.port = 0
        self._undo = AsyncExitStack()

    async def __aenter__(self) -> Self:
        folder = Path(self._undo.enter_context(tempfile.TemporaryDirectory(prefix="mailhub-net-")))
        await self._undo.enter_async_context(self.dns)
        self.authority = Authority(folder, self._time.now())
        self._policies = PolicySite(self.authority)
        await self._policies.start("127.0.0.1")
        self._undo.push_async_callback(self._policies.stop)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._undo.aclose()

    async def hub(self, *domains: str, name: str = "", **options: Any) -> AsyncMailHub:
        """A mail server for these domains, found by DNS; mail to all others it relays. Its users sign in, or post from 127.0.0.1.
        `name`: what it calls itself, "mx." and the first domain. `options`: as of AsyncMailHub."""
        name = name or f"mx.{domains[0]}"
        address = self._address()
        self._announce(name, address, domains)
        smtp, relay = options.pop("smtp", Smtp()), options.pop("relay", Relay())
        here = {
            "port": self.port, "ipv6": False, "source_ipv4": address, "tls_ca": str(self.authority.file),
            "mta_sts_port": self._policies.port,
        }  # fmt: skip
        options.setdefault("tls", Tls(certificate=str(self.authority.certificate(name, address))))
        doors = [msgspec.structs.replace(door, address=address) for door in DOORS]
        doors[0] = msgspec.structs.replace(doors[0], port=self.port, tls="starttls")
        hub = AsyncMailHub(
            *domains, capture=False, clock=self._time, host=address, hostname=name, listener=tuple(doors),
            smtp=msgspec.structs.replace(smtp, greet_pause=0.0, mynetworks=("127.0.0.1/32", f"{address}/32")), relay=msgspec.structs.replace(relay, **here),
            resolver=options.pop("resolver", self.resolver()), latency=self._latency, **options,
        )  # fmt: skip
        await hub.start()
        self.hubs.append(hub)
        self._undo.push_async_callback(hub.stop)
        return hub

    async def remote(
        self, *domains: str, name: str = "", script: Mapping[str, Sequence[str]] | None = None
    ) -> RemoteHost:
        """A host for these domains that does what `script` says; see RemoteHost."""
        host = RemoteHost(name or f"mx.{domains[0]}", script)
        address = self._address()
        self._announce(host.name, address, domains)
        await host.start(address, self.port)
        self._undo.push_async_callback(host.stop)
        return host

    def publish_mta_sts(self, domain: str, *, mode: str = "enforce", mx: str = "", max_age: int = 604_800) -> None:
        """A policy of that domain (RFC 8461): its hosts must show a certificate of our authority. `mx`: "mx." and the domain."""
        host = f"mta-sts.{domain}"
        self.dns.zone[host, "A"] = ["127.0.0.1"]
        self.dns.zone[f"_mta-sts.{domain}", "TXT"] = [f'"v=STSv1; id={len(self._policies.texts) + 1};"']
        lines = ["version: STSv1", f"mode: {mode}", f"mx: {mx or 'mx.' + domain}", f"max_age: {max_age}"]
        self._policies.publish(host, "\r\n".join([*lines, ""]))

    def withdraw_mta_sts(self, domain: str) -> None:
        """No record and no policy any more: who knows the old one obeys it until it expires."""
        self.dns.zone.pop((f"_mta-sts.{domain}", "TXT"), None)
        self._policies.texts.pop(f"mta-sts.{domain}", None)

    def resolver(self) -> Resolver:
        """The section of who asks here."""
        return self.dns.config()

    async def settled(self) -> None:
        """Return when nothing is in flight in any of the servers."""
        before = -1
        while before != sum(hub.heard for hub in self.hubs):
            before = sum(hub.heard for hub in self.hubs)
            for hub in self.hubs:
                await hub.settled()

    def _announce(self, name: str, address: str, domains: Sequence[str]) -> None:
        """One more MX for each domain, after those it has."""
        self.dns.zone[name, "A"] = [address]
        backwards = ".".join(reversed(address.split(".")))
        self.dns.zone[f"{backwards}.in-addr.arpa", "PTR"] = [f"{name}."]
        for domain in domains:
            known = self.dns.zone.get((domain, "MX"), [])
            self.dns.zone[domain, "MX"] = [*known, f"{10 * (len(known) + 1)} {name}."]

    def _address(self) -> str:
        """The next address, with the port free on it."""
        self._hosts += 1
        address = f"127.{100 + os.getpid() % 100}.{self._hosts // 250}.{self._hosts % 250 + 1}"
        if self.port:
            return address
        for n in range(_TRIES):
            port = _PORTS[0] + (os.getpid() * _TRIES + n) % (_PORTS[1] - _PORTS[0])
            with socket.socket() as probe, contextlib.suppress(OSError):
                probe.bind((address, port))
                self.port = port
                return address
        raise OSError(errno.EADDRINUSE, "no port is free")
