"""A DNS server in the test's own loop, UDP and TCP on one loopback port, that aiodns really asks.

    async with DnsServer() as dns:
        dns.zone["b.test", "MX"] = ["10 mx1.b.test."]
        dns.zone["mx1.b.test", "A"] = ["127.0.0.2"]

`broken[name]`: an rcode to answer with, or None to say nothing at all. `asked` counts questions by (name, type).
"""

import asyncio
import struct
from collections import Counter
from types import TracebackType
from typing import Self, cast

import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

TTL = 300


class DnsServer:
    """`address` is what goes into config.resolver.nameservers."""

    def __init__(self) -> None:
        self.zone: dict[tuple[str, str], list[str]] = {}
        self.broken: dict[str, dns.rcode.Rcode | None] = {}
        self.asked: Counter[tuple[str, str]] = Counter()
        self.address = ""
        self.ttl = TTL

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._udp, _ = await loop.create_datagram_endpoint(lambda: _Udp(self), local_addr=("127.0.0.1", 0))
        port = self._udp.get_extra_info("sockname")[1]
        self._tcp = await asyncio.start_server(self._session, "127.0.0.1", port)
        self.address = f"127.0.0.1:{port}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._udp.close()
        self._tcp.close()

    def answer(self, wire: bytes) -> bytes | None:
        query = dns.message.from_wire(wire)
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True).lower()
        kind = dns.rdatatype.to_text(question.rdtype)
        self.asked[name, kind] += 1
        reply = dns.message.make_response(query, recursion_available=True)
        if name in self.broken:
            rcode = self.broken[name]
            if rcode is None:
                return None
            reply.set_rcode(rcode)
        elif (name, kind) in self.zone:
            reply.answer.append(dns.rrset.from_text(f"{name}.", self.ttl, "IN", kind, *self.zone[name, kind]))
        elif not any(known == name for known, _ in self.zone):
            reply.set_rcode(dns.rcode.NXDOMAIN)
        return reply.to_wire()

    async def _session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                (length,) = struct.unpack("!H", await reader.readexactly(2))
                wire = self.answer(await reader.readexactly(length))
                if wire is not None:
                    writer.write(struct.pack("!H", len(wire)) + wire)
        except asyncio.IncompleteReadError:
            writer.close()


class _Udp(asyncio.DatagramProtocol):
    def __init__(self, server: DnsServer) -> None:
        self._server = server

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        wire = self._server.answer(data)
        if wire is not None:
            self._transport.sendto(wire, addr)
