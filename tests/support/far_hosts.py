"""Mail hosts of other people on loopback, each following a script, and a relay that is to deliver to them.

    async with world(hosts=2) as far:
        far.hosts[0].script["MAIL"] = "451 4.3.0 later"
        (result,) = await far.deliver("b@far.test")

far.test has the mail hosts mx1.far.test (preference 10), mx2.far.test (20) ... in a DNS server that is really asked.
"""

import asyncio
import contextlib
import random
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import trustme
from cryptography import x509
from support.dns import DnsServer

from mailhub.config import schema
from mailhub.delivery.relay import RelayTransport
from mailhub.delivery.relay.tls_policy import TlsServices
from mailhub.delivery.transport import Job, JobRecipient, Result
from mailhub.model.clock import VirtualClock
from mailhub.net.resolver import DnsResolver
from mailhub.store.api import Body

HANG_UP = None
SILENCE = b""
TEXT = b"Subject: x\r\n\r\n.dot\r\nend\r\n"
US = "mx.here.test"


@dataclass(frozen=True)
class Flood:
    """What is said again and again, until nobody listens."""

    block: bytes


Answer = str | bytes | Flood | None


class FarHost:
    """`script`: by a whole command line, its verb, "greeting" or "." (the end of a body, also by
    BDAT), what is said instead of yes.
    A str is a reply, bytes go out as they are (SILENCE: none), HANG_UP closes. `heard`: commands; `flights`: blocks of octets
    as they came; `bodies`: with their dots and end."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.script: dict[str, Answer] = {}
        self.extensions = ["PIPELINING", "8BITMIME", "ENHANCEDSTATUSCODES"]
        self.recipients = 1_000  # that one transaction may have
        self.heard: list[str] = []
        self.flights: list[bytes] = []
        self.bodies: list[bytes] = []
        self.connections = 0
        self.flooded = 0  # octets of floods
        self.secured: list[str] = []  # SNI names of handshakes that worked
        self.open: set[asyncio.StreamWriter] = set()
        self.tls: ssl.SSLContext | None = None
        self.leaf: list[x509.Certificate] = []  # what a test wants to know of the certificate that is shown
        self.after_tls: Callable[[], object] = lambda: None
        self.paused: asyncio.Event | None = None  # a body is not read before it is set
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, address: str, port: int) -> int:
        self._server = await asyncio.start_server(self._connected, address, port, limit=1 << 20)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Nobody is there any more."""
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def secure(self, authority: trustme.CA) -> None:
        """Offer STARTTLS."""
        self.present(authority.issue_cert(self.name))

    def present(self, certificate: trustme.LeafCert) -> None:
        """Offer STARTTLS with that certificate."""
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(self.tls)
        self.extensions.append("STARTTLS")

    def commands(self, *verbs: str) -> list[str]:
        """What was heard of these verbs."""
        return [line for line in self.heard if line.partition(" ")[0].upper() in verbs]

    def flood(self, writer: asyncio.StreamWriter, block: bytes) -> None:
        """Beside the talk, until the connection is closed."""

        async def run() -> None:
            with contextlib.suppress(OSError):
                while not writer.is_closing():
                    writer.write(block)
                    self.flooded += len(block)
                    await writer.drain()

        self._own(asyncio.get_running_loop().create_task(run()))

    def _own(self, task: "asyncio.Task[None]") -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._own(asyncio.get_running_loop().create_task(self._serve(reader, writer)))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open.add(writer)
        try:
            await _Talk(self, reader, writer).run()
        except (OSError, asyncio.IncompleteReadError):
            return
        finally:
            self.open.discard(writer)
            writer.close()


class _Talk:
    """One connection to a FarHost."""

    def __init__(self, host: FarHost, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._host, self._reader, self._writer = host, reader, writer
        self._buffer = b""
        self._taken = 0  # recipients
        self._mail = False  # whether there is a sender
        self._chunks = b""
        self._going = True

    async def run(self) -> None:
        self._say("220 " + self._host.name, "greeting")
        while self._going:
            line = (await self._until(b"\r\n"))[:-2].decode()
            self._host.heard.append(line)
            verb = line.partition(" ")[0].upper()
            if verb == "STARTTLS" and verb not in self._host.script and self._host.tls:
                await self._start_tls()
            elif verb == "DATA":
                await self._data()
            elif verb == "BDAT":
                await self._chunk(line)
            else:
                self._command(line, verb)

    def _command(self, line: str, verb: str) -> None:
        usual = "250 2.0.0 ok"
        if verb == "EHLO":
            usual = "\r\n".join(["250-" + self._host.name, *("250-" + x for x in self._host.extensions), "250 HELP"])
        elif verb == "RCPT" and not self._mail:
            usual = "503 5.5.1 MAIL first"
        elif verb == "RCPT" and self._taken >= self._host.recipients:
            usual = "452 4.5.3 too many recipients"
        elif verb in ("MAIL", "RSET"):
            self._taken = 0
        said = self._say(usual, line, verb)
        if verb in ("MAIL", "RSET"):
            self._mail = verb == "MAIL" and isinstance(said, str) and said.startswith("2")
        if verb == "RCPT" and isinstance(said, str) and said.startswith("2"):
            self._taken += 1
        if verb == "QUIT":
            self._going = False

    async def _data(self) -> None:
        usual = "354 go" if self._taken else "554 5.5.1 no valid recipients"
        said = self._say(usual, "DATA")
        if not isinstance(said, str) or not said.startswith("354"):
            return
        if self._host.paused is not None:
            await self._host.paused.wait()
        self._host.bodies.append(await self._until(b"\r\n.\r\n"))
        self._say("250 2.0.0 taken", ".")

    async def _chunk(self, line: str) -> None:
        if self._host.paused is not None:
            await self._host.paused.wait()
        _, size, *last = line.split()
        self._chunks += await self._exactly(int(size))
        usual = "250 2.0.0 taken" if self._taken else "503 5.5.1 no valid recipients"
        self._say(usual if last else "250 2.0.0 go on", *([line, "."] if last else [line, "BDAT"]))
        if last:
            if self._taken:
                self._host.bodies.append(self._chunks)
            self._chunks = b""

    async def _start_tls(self) -> None:
        names: list[str] = []
        assert self._host.tls is not None
        self._host.tls.sni_callback = lambda _, name, __: names.append(name)
        self._writer.write(b"220 go\r\n")
        await self._writer.start_tls(self._host.tls)
        self._host.secured.append(names[0] if names else "")
        self._host.after_tls()
        self._buffer = b""

    def _say(self, usual: str, *keys: str) -> Answer:
        """Returns what was said."""
        answer = next((self._host.script[key] for key in keys if key in self._host.script), usual)
        if answer is HANG_UP:
            self._going = False
        elif isinstance(answer, Flood):
            self._host.flood(self._writer, answer.block)
        else:
            self._writer.write(answer if isinstance(answer, bytes) else answer.encode() + b"\r\n")
        return answer

    async def _exactly(self, size: int) -> bytes:
        while len(self._buffer) < size:
            await self._more()
        found, self._buffer = self._buffer[:size], self._buffer[size:]
        return found

    async def _more(self) -> None:
        block = await self._reader.read(1 << 20)
        if not block:
            raise ConnectionResetError
        self._host.flights.append(block)
        self._buffer += block

    async def _until(self, end: bytes) -> bytes:
        while end not in self._buffer:
            await self._more()
        found, _, self._buffer = self._buffer.partition(end)
        return found + end


class Text:
    """A message as the store hands it out. `failure` is raised when it is read."""

    def __init__(self, text: bytes = TEXT, failure: Exception | None = None) -> None:
        self.id, self.prefix, self.body = 1, b"", Body(len(text), text)
        self.size, self._text, self._failure = len(text), text, failure

    async def read(self, offset: int, length: int) -> bytes:
        if self._failure is not None:
            raise self._failure
        return self._text[offset : offset + length]

    async def blocks(self, size: int = 262_144) -> AsyncIterator[bytes]:
        for offset in range(0, self.size, size):
            yield await self.read(offset, size)


class World:
    """`hosts`, the relay, and what both stand on."""

    def __init__(self, dns: DnsServer, clock: VirtualClock, hosts: Sequence[FarHost], port: int) -> None:
        self.dns, self.clock, self.hosts, self.port = dns, clock, hosts, port
        self.relay: RelayTransport
        self.resolver: DnsResolver
        self.settings: schema.Relay
        self.port = 0

    async def deliver(self, *recipients: str | JobRecipient, text: Text | None = None, **job: Any) -> list[Result]:
        """To far.test, from a@here.test, unless `job` says otherwise."""
        to = tuple(JobRecipient(n, r) if isinstance(r, str) else r for n, r in enumerate(recipients))
        facts = {"queue_id": 1, "sender": "a@here.test", "nexthop": "far.test", "created": 0.0} | job
        return await self.relay.deliver(Job(content=text or Text(), recipients=to, **facts))

    async def waited(self, delivery: "asyncio.Task[list[Result]]") -> float:
        """Let time pass until the delivery is over; how much did. A host must have been reached before."""
        began = self.clock.now()
        while not delivery.done():
            await self.clock.advance(1)
            for _ in range(5):
                await asyncio.sleep(0)
        return self.clock.now() - began


@contextlib.asynccontextmanager
async def world(
    *,
    hosts: int = 1,
    own: Sequence[str] = (),
    resolver: dict[str, Any] | None = None,
    services: Callable[["World"], TlsServices] | None = None,
    **relay: Any,
) -> AsyncIterator[World]:
    """`relay`, `resolver`: options of those sections."""
    far = [FarHost(f"mx{number}.far.test") for number in range(1, hosts + 1)]
    clock = VirtualClock()
    port = 0
    async with DnsServer() as dns:
        for number, host in enumerate(far, 1):
            address = f"127.0.0.{20 + number}"
            dns.zone[host.name, "A"] = [address]
            port = await host.start(address, port)
        dns.zone["far.test", "MX"] = [f"{number}0 {host.name}." for number, host in enumerate(far, 1)]
        made = World(dns, clock, far, port)
        asking = DnsResolver(dns.config(**(resolver or {})), clock)
        settings = schema.Relay(**{"port": port, **relay})
        made.port, made.settings, made.resolver = port, settings, asking
        having = None if services is None else services(made)
        made.relay = RelayTransport(asking, settings, US, clock, own, random.Random(1), having)
        try:
            yield made
        finally:
            await made.relay.close()
            await asking.close()
            for host in far:
                await host.stop()


async def until(happened: Callable[[], object]) -> None:
    """Let the loop turn until it is so; the suite's own timeout is the bound."""
    while not happened():
        await asyncio.sleep(0)
