"""The relay against a peer that follows a script: what each answer, silence and end of connection becomes."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as some
from support.dns import DnsServer

from mailhub.config.schema import Relay, Resolver
from mailhub.delivery.relay import RelayTransport
from mailhub.delivery.relay.body import stuffed
from mailhub.delivery.transport import Job, JobRecipient, Result
from mailhub.model.clock import VirtualClock
from mailhub.net.resolver import DnsResolver
from mailhub.store.api import Body, Content, Fate
from mailhub.store.sqlite.bodies import Spool, StoredContent

TEXT = b"Subject: x\r\n\r\n.dot\r\nend\r\n"


async def all_of(blocks: list[bytes]) -> bytes:
    async def source() -> AsyncIterator[bytes]:
        for block in blocks:
            yield block

    return b"".join([block async for block in stuffed(source())])


def undone(data: bytes) -> bytes:
    """What a strict receiver makes of it."""
    end = (b"\r\n" + data).index(b"\r\n.\r\n")
    return (b"\r\n" + data)[: end + 2].replace(b"\r\n.", b"\r\n")[2:]


@given(some.lists(some.text("\r\n.x", max_size=6).map(str.encode), max_size=8))
async def test_no_content_ends_the_data_early_or_sends_a_bare_newline(blocks: list[bytes]) -> None:
    sent = await all_of(blocks)
    assert sent.endswith(b"\r\n.\r\n") or sent == b".\r\n"
    assert (b"\r\n" + sent).count(b"\r\n.\r\n") == 1
    assert sent.count(b"\r") == sent.count(b"\n") == sent.count(b"\r\n")
    whole = b"".join(blocks).replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")
    assert undone(sent) == whole + (b"" if whole.endswith(b"\r\n") or not whole else b"\r\n")


def content() -> Content:
    async def load(number: int) -> bytes:
        raise AssertionError

    spool = Spool(None, "", None, 0)  # type: ignore[arg-type]
    return StoredContent(1, b"P: 1\r\n", Body(len(TEXT), TEXT), spool, load)


class Peer:
    """Says `script[word]` to a command (default: yes), and keeps what it was told. None: hangs up without a word."""

    def __init__(self) -> None:
        self.script: dict[str, str | None] = {}
        self.heard: list[str] = []
        self.bodies: list[bytes] = []
        self.connections = 0
        self.extensions = ["PIPELINING", "8BITMIME", "SIZE 1000000"]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            if not self._say(writer, "greeting", "220 peer"):
                return
            while line := await reader.readline():
                command = line.decode().strip()
                self.heard.append(command)
                word = command.split(":")[0].upper().split(" ")[0]
                usual = "250-peer\r\n" + "\r\n".join(f"250-{e}" for e in self.extensions) + "\r\n250 HELP"
                answer = usual if word == "EHLO" else "354 go" if word == "DATA" else "250 2.0.0 ok"
                if not self._say(writer, word if command.upper() not in self.script else command.upper(), answer):
                    return
                if word == "DATA" and self.script.get("DATA", "354").startswith("354"):  # type: ignore[union-attr]
                    self.bodies.append(await reader.readuntil(b"\r\n.\r\n"))
                    if not self._say(writer, ".", "250 2.0.0 taken"):
                        return
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()

    def _say(self, writer: asyncio.StreamWriter, word: str, usual: str) -> bool:
        answer = self.script.get(word, usual)
        if answer is None:
            return False
        writer.write(answer.encode() + b"\r\n")
        return True


class Place:
    def __init__(self, peers: list[Peer], transport: RelayTransport, clock: VirtualClock) -> None:
        self.peers, self.transport, self.clock = peers, transport, clock

    async def deliver(self, *recipients: str, sender: str = "a@here.test") -> list[Result]:
        job = Job(1, sender, content(), tuple(JobRecipient(n, r) for n, r in enumerate(recipients)), 0.0, "far.test")
        return await self.transport.deliver(job)


@asynccontextmanager
async def place() -> AsyncIterator[Place]:
    peers = [Peer(), Peer()]
    first = await asyncio.start_server(peers[0].serve, "127.0.0.21", 0)
    port = first.sockets[0].getsockname()[1]
    second = await asyncio.start_server(peers[1].serve, "127.0.0.22", port)
    clock = VirtualClock()
    async with DnsServer() as dns:
        dns.zone["far.test", "MX"] = ["10 one.far.test.", "20 two.far.test."]
        dns.zone["one.far.test", "A"] = ["127.0.0.21"]
        dns.zone["two.far.test", "A"] = ["127.0.0.22"]
        resolver = DnsResolver(Resolver(nameservers=(dns.address,)), clock)
        transport = RelayTransport(
            resolver, Relay(port=port, ipv6=False), "mx.here.test", clock, chance=random.Random(1)
        )
        try:
            yield Place(peers, transport, clock)
        finally:
            await transport.close()
            await resolver.close()
            first.close()
            second.close()


async def test_a_message_is_taken_and_the_connection_kept() -> None:
    async with place() as here:
        for _ in range(2):
            (result,) = await here.deliver("b@far.test")
            assert (result.fate, result.reply.code, result.remote) == (Fate.RELAYED, 250, "one.far.test[127.0.0.21]")
        assert here.peers[0].connections == 1
        assert here.peers[0].bodies == [b"P: 1\r\nSubject: x\r\n\r\n..dot\r\nend\r\n.\r\n"] * 2
        assert f"MAIL FROM:<a@here.test> SIZE={len(TEXT) + 6}" in here.peers[0].heard


@pytest.mark.parametrize(
    ("word", "answer", "fate", "next_host"),
    [
        ("greeting", "554 5.7.1 go away", Fate.RELAYED, True),
        ("greeting", "421 4.3.2 busy", Fate.RELAYED, True),
        ("greeting", None, Fate.RELAYED, True),
        ("greeting", "nonsense", Fate.RELAYED, True),
        ("EHLO", None, Fate.RELAYED, True),
        ("MAIL", "451 4.3.0 later", Fate.RELAYED, True),
        ("MAIL", "550 5.1.8 no", Fate.FAILED, False),
        ("RCPT", "450 4.2.1 later", Fate.DEFERRED, False),
        ("RCPT", "550 5.1.1 nobody", Fate.FAILED, False),
        ("DATA", "554 5.6.0 no", Fate.FAILED, False),
        (".", "554 5.6.0 no", Fate.FAILED, False),
        (".", "451 4.3.0 later", Fate.DEFERRED, False),
    ],
)
async def test_each_answer_at_each_stage(word: str, answer: str | None, fate: Fate, next_host: bool) -> None:
    async with place() as here:
        here.peers[0].script[word] = answer
        (result,) = await here.deliver("b@far.test")
        assert result.fate == fate, result
        assert bool(here.peers[1].connections) == next_host


async def test_a_lost_final_reply_is_deferred_or_taken_by_the_next_host_never_failed() -> None:
    async with place() as here:
        for peer in here.peers:
            peer.script["."] = None
        (result,) = await here.deliver("b@far.test")
        assert result.fate == Fate.DEFERRED


async def test_each_recipient_has_its_own_answer() -> None:
    async with place() as here:
        here.peers[0].script["RCPT TO:<NO@FAR.TEST>"] = "550 5.1.1 nobody"
        here.peers[0].script["RCPT TO:<WAIT@FAR.TEST>"] = "450 4.2.1 later"
        results = await here.deliver("yes@far.test", "no@far.test", "wait@far.test")
        assert [result.fate for result in results] == [Fate.RELAYED, Fate.FAILED, Fate.DEFERRED]


async def test_addresses_that_could_be_commands_are_not_sent() -> None:
    async with place() as here:
        (result,) = await here.deliver("x@far.test>\r\nRCPT TO:<y@far.test")
        assert result.fate == Fate.FAILED
        assert not any("y@far" in line for line in here.peers[0].heard)


async def test_internationalised_addresses_need_a_peer_that_takes_them() -> None:
    async with place() as here:
        (result,) = await here.deliver("ü@far.test")
        assert (result.fate, result.reply.enhanced) == (Fate.FAILED, "5.6.7")
        here.peers[0].extensions.append("SMTPUTF8")
    async with place() as here:
        here.peers[0].extensions.append("SMTPUTF8")
        (result,) = await here.deliver("ü@far.test")
        assert result.fate == Fate.RELAYED
        assert here.peers[0].heard[1].endswith(" SMTPUTF8")


async def test_a_peer_that_says_nothing_is_left_when_the_clock_says_so() -> None:
    async with place() as here:
        for peer in here.peers:
            peer.script["MAIL"] = ""  # an empty line is no answer
        task = asyncio.create_task(here.deliver("b@far.test"))
        for _ in range(40):
            await asyncio.sleep(0.01)
            await here.clock.advance(100)
            if task.done():
                break
        (result,) = await task
        assert result.fate == Fate.DEFERRED
