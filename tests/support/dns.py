"""A DNS server in the test's loop, on loopback, UDP and TCP, whose zone a test edits while it runs.

    async with DnsServer("a.test MX 10 mx.a.test", "mx.a.test A 127.0.0.2") as dns:
        resolver = DnsResolver(dns.config(), clock)
        dns.add("b.test MX 0 .", ttl=60)
        dns.broken["c.test"] = "servfail"
        assert dns.asked("a.test", "MX") == 1

A name that has no record, and nothing below it, does not exist (NXDOMAIN).
"""

import asyncio
import contextlib
import socket
import struct
from collections import Counter
from typing import Any, Literal

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

from mailhub.config import schema

Trouble = Literal["servfail", "refused", "silent"]
_UDP_LIMIT = 1_232


class DnsServer:
    """`queries` counts (name, type) as they came by UDP; `tcp_queries` those by TCP. `broken`: names with their trouble."""

    def __init__(self, *records: str, ttl: int = 300) -> None:
        self._records: dict[tuple[str, str], dns.rrset.RRset] = {}
        self.broken: dict[str, Trouble] = {}
        self.queries: Counter[tuple[str, str]] = Counter()
        self.tcp_queries: Counter[tuple[str, str]] = Counter()
        self._talks: set[asyncio.StreamWriter] = set()
        self.add(*records, ttl=ttl)

    # --- the zone ---

    def add(self, *records: str, ttl: int = 300) -> None:
        """Records as "name type data", beside those there are."""
        for record in records:
            name, kind, data = record.split(None, 2)
            key = (name.lower(), kind)
            new = dns.rrset.from_text(name + ".", ttl, "IN", kind, *([_dotted(kind, data)]))
            if key in self._records:
                self._records[key].union_update(new)
                self._records[key].update_ttl(ttl)
            else:
                self._records[key] = new

    def remove(self, name: str, kind: str) -> None:
        del self._records[name.lower(), kind]

    def mail(self, domain: str, *hosts: str, ttl: int = 300) -> None:
        """`domain` has the mail hosts mx1.domain (preference 10), mx2.domain (20) ... at these addresses."""
        for number, address in enumerate(hosts, 1):
            kind = "AAAA" if ":" in address else "A"
            self.add(f"{domain} MX {number}0 mx{number}.{domain}", f"mx{number}.{domain} {kind} {address}", ttl=ttl)

    # --- what a test asks ---

    def asked(self, name: str, kind: str) -> int:
        """How often this came by UDP."""
        return self.queries[name, kind]

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def config(self, **options: object) -> schema.Resolver:
        """A resolver's section that asks here, and does not wait long."""
        return schema.Resolver(**{"nameservers": (self.address,), "timeout": 0.2, "tries": 1, **options})  # type: ignore[arg-type]

    # --- life ---

    async def __aenter__(self) -> "DnsServer":
        loop = asyncio.get_running_loop()
        while True:
            stream = socket.create_server(("127.0.0.1", 0))
            self.port: int = stream.getsockname()[1]
            try:
                self._udp, _ = await loop.create_datagram_endpoint(
                    lambda: _Datagrams(self), local_addr=("127.0.0.1", self.port)
                )
                break
            except OSError:  # somebody has that port by UDP
                stream.close()
        self._tcp = await asyncio.start_server(self._talk, sock=stream)
        return self

    async def __aexit__(self, *error: object) -> None:
        self._udp.close()
        self._tcp.close()
        for writer in self._talks:
            writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._talks.add(writer)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                (size,) = struct.unpack("!H", await reader.readexactly(2))
                answer = self.answer(await reader.readexactly(size), udp=False)
                if answer:
                    writer.write(struct.pack("!H", len(answer)) + answer)
        self._talks.discard(writer)
        writer.close()

    # --- answering ---

    def answer(self, question: bytes, *, udp: bool) -> bytes | None:
        query = dns.message.from_wire(question)
        asked = query.question[0]
        name = str(asked.name).rstrip(".").lower()
        kind = dns.rdatatype.to_text(asked.rdtype)
        (self.queries if udp else self.tcp_queries)[name, kind] += 1
        response = dns.message.make_response(query)
        response.flags |= dns.flags.RA
        trouble = self.broken.get(name)
        if trouble == "silent":
            return None
        if trouble:
            response.set_rcode(dns.rcode.SERVFAIL if trouble == "servfail" else dns.rcode.REFUSED)
            return response.to_wire()
        self._fill(response, name, kind)
        wire = response.to_wire(max_size=65_535)
        if udp and len(wire) > _UDP_LIMIT:
            response.answer.clear()
            response.flags |= dns.flags.TC
            wire = response.to_wire()
        return wire

    def _fill(self, response: dns.message.Message, name: str, kind: str) -> None:
        for _ in range(8):
            if found := self._records.get((name, kind)):
                response.answer.append(found)
                return
            alias = self._records.get((name, "CNAME"))
            if alias is None:
                break
            response.answer.append(alias)
            name = str(alias[0].target).rstrip(".").lower()
        if not any(known == name or known.endswith("." + name) for known, _ in self._records):
            response.set_rcode(dns.rcode.NXDOMAIN)


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, server: DnsServer) -> None:
        self._server = server

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        answer = self._server.answer(data, udp=True)
        if answer:
            self._transport.sendto(answer, address)


def _dotted(kind: str, data: str) -> str:
    """Names in the data are whole ones."""
    return data if data.endswith(".") or kind not in ("MX", "CNAME", "PTR", "NS") else data + "."
