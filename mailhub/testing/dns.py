"""A DNS server in the test's own loop, UDP and TCP on one loopback port, that aiodns really asks.

    async with DnsServer() as dns:
        dns.zone["b.test", "MX"] = ["10 mx1.b.test."]
        dns.zone["mx1.b.test", "A"] = ["127.0.0.2"]

`broken[name]`, or `broken[name, type]`: an rcode to answer with, or None to say nothing at all. `asked` counts questions by
(name, type), `by_tcp` those that came so. `vouched`: zones for which it says that it has checked DNSSEC. A name with no record and none below it does not exist (NXDOMAIN).
"""

import asyncio
import contextlib
import socket
import struct
from collections import Counter
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self, cast

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

from mailhub.config.schema import Resolver

TTL = 300
_UDP_LIMIT = 1_232  # octets; a longer answer is asked for again by TCP
_ALIASES = 8


class DnsServer:
    """`address` is what goes into config.resolver.nameservers. `ttls`: those that differ from `ttl`. `place`: where it stands;
    port 0: any."""

    def __init__(
        self, zone: Mapping[tuple[str, str], Sequence[str]] | None = None, place: tuple[str, int] = ("127.0.0.1", 0)
    ) -> None:
        self.place = place
        self.zone: dict[tuple[str, str], Sequence[str]] = dict(zone or {})
        self.broken: dict[str | tuple[str, str], dns.rcode.Rcode | None] = {}
        self.asked: Counter[tuple[str, str]] = Counter()
        self.by_tcp: Counter[tuple[str, str]] = Counter()
        self.vouched: set[str] = set()
        self.vouched_questions: set[tuple[str, str]] = set()  # besides
        self.address = ""
        self.ttl = TTL
        self.ttls: dict[tuple[str, str], int] = {}
        self._talks: set[asyncio.StreamWriter] = set()

    def config(self, **options: Any) -> Resolver:
        """A resolver's section that asks here, once, and waits for an answer however busy the machine is: c-ares reads real time,
        so a test of silence names a `timeout` of its own."""
        return Resolver(**{"nameservers": (self.address,), "timeout": 20.0, "tries": 1, **options})

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        while True:
            host, wanted = self.place
            tcp = socket.create_server((host, wanted))
            port = tcp.getsockname()[1]
            try:
                self._udp, _ = await loop.create_datagram_endpoint(lambda: _Udp(self), local_addr=(host, port))
                break
            except OSError:  # somebody has that port by UDP
                tcp.close()
                if wanted:
                    raise
        self._tcp = await asyncio.start_server(self._session, sock=tcp)
        self.address = f"{host}:{port}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._udp.close()
        self._tcp.close()
        for writer in self._talks:
            writer.close()

    def answer(self, wire: bytes, *, tcp: bool) -> bytes | None:
        query = dns.message.from_wire(wire)
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True).lower()
        kind = dns.rdatatype.to_text(question.rdtype)
        self.asked[name, kind] += 1
        self.by_tcp[name, kind] += tcp
        reply = dns.message.make_response(query, recursion_available=True)
        for key in (name, (name, kind)):
            if key in self.broken:
                rcode = self.broken[key]
                if rcode is None:
                    return None
                reply.set_rcode(rcode)
                return reply.to_wire()
        self._fill(reply, name, kind)
        names = {name, *(rrset.name.to_text(omit_final_dot=True) for rrset in reply.answer)}
        checked = all(any(f".{one}".endswith(f".{zone}") for zone in self.vouched) for one in names)
        if query.flags & dns.flags.AD and (checked or (name, kind) in self.vouched_questions):
            reply.flags |= dns.flags.AD
        found = reply.to_wire(max_size=65_535)
        if tcp or len(found) <= _UDP_LIMIT:
            return found
        reply.answer.clear()
        reply.flags |= dns.flags.TC
        return reply.to_wire()

    def _fill(self, reply: dns.message.Message, name: str, kind: str) -> None:
        for _ in range(_ALIASES):
            key = (name, kind) if (name, kind) in self.zone else (name, "CNAME")
            if key not in self.zone:
                break
            ttl = self.ttls.get(key, self.ttl)
            reply.answer.append(dns.rrset.from_text(f"{name}.", ttl, "IN", key[1], *self.zone[key]))
            if key[1] == kind:
                return
            name = self.zone[key][0].rstrip(".").lower()
        if not any(known == name or known.endswith("." + name) for known, _ in self.zone):
            reply.set_rcode(dns.rcode.NXDOMAIN)

    async def _session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._talks.add(writer)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                (length,) = struct.unpack("!H", await reader.readexactly(2))
                wire = self.answer(await reader.readexactly(length), tcp=True)
                if wire is not None:
                    writer.write(struct.pack("!H", len(wire)) + wire)
        self._talks.discard(writer)
        writer.close()


class _Udp(asyncio.DatagramProtocol):
    def __init__(self, server: DnsServer) -> None:
        self._server = server

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        wire = self._server.answer(data, tcp=False)
        if wire is not None:
            self._transport.sendto(wire, addr)
