"""Clients that mean harm, or break: cut off, half-closed and reset at each point, floods of every command, and what they leave behind."""

import asyncio
import contextlib
import gc
import socket
import ssl
import struct
import tracemalloc
from asyncio import selector_events
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from support.hubs import running
from support.smtp_peer import Server, Talk, until

from mailhub.config import schema
from mailhub.model.clock import VirtualClock
from mailhub.policy import Guard, Sections
from mailhub.protocols.smtp import SmtpSession

CLEAR = schema.Auth(allow_plaintext=True, failure_limit=1_000)
PLAIN = "AUTH PLAIN AGFsaWNlQG1haWxodWIudGVzdABzZWNyZXQ="
BEGUN = ("EHLO c", "MAIL FROM:<a@far.example>", "RCPT TO:<alice@mailhub.test>")


@pytest.fixture(autouse=True)
def _nothing_crashes(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    yield
    assert [record.getMessage() for record in caplog.records if record.levelname in ("ERROR", "CRITICAL")] == []


def reset(talk: Talk) -> None:
    """RST instead of FIN: what is on its way is lost."""
    sock: socket.socket = talk.writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    talk.writer.transport.abort()


# --- replies go out in batches ---


async def test_a_batch_is_answered_with_one_write(monkeypatch: pytest.MonkeyPatch) -> None:
    writes: list[bytes] = []
    real = selector_events._SelectorSocketTransport.write  # type: ignore[attr-defined]

    def counted(self: object, data: bytes) -> None:
        if bytes(data[:3]).isdigit():
            writes.append(bytes(data))
        real(self, data)

    monkeypatch.setattr(selector_events._SelectorSocketTransport, "write", counted)  # type: ignore[attr-defined]
    async with Server(service="smtp") as server:
        talk = await server.hello()
        writes.clear()
        recipients = b"RCPT TO:<alice@mailhub.test>\r\nRCPT TO:<nobody@mailhub.test>\r\n" * 5
        talk.send(b"MAIL FROM:<a@far.example>\r\n" + recipients + b"DATA\r\n")
        for _ in range(12):
            await talk.reply()
        assert [data.count(b"\r\n") for data in writes] == [12]
        writes.clear()
        talk.send(b"hi\r\n.\r\nMAIL FROM:<a@far.example>\r\nRCPT TO:<bob@mailhub.test>\r\nDATA\r\n")
        for _ in range(4):
            await talk.reply()
        assert [data.count(b"\r\n") for data in writes] == [1, 3], "what is on disk is told at once"
        writes.clear()
        talk.send(b".\r\n" + b"NOOP\r\n" * 640)
        for _ in range(641):
            await talk.reply()
        assert len(writes) <= 12, "other sessions get their turn after each 64 commands"
        talk.close()


async def test_lmtp_answers_for_all_recipients_with_one_write(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Server(service="lmtp") as server:
        talk = await server.connect()
        await talk.asks("LHLO c", "MAIL FROM:<>", "RCPT TO:<alice@mailhub.test>", "RCPT TO:<bob@mailhub.test>", "DATA")
        talk.send(b".\r\n")
        block = await talk.reader.read(65_536)
        assert block.count(b"250 2.0.0 Ok: queued as ") == 2
        talk.close()


async def test_what_is_on_disk_is_told_even_where_the_rest_of_the_batch_hangs() -> None:
    """The client sends on in one breath; what follows never ends, and the server is made to stop."""
    async with Server() as server:
        talk = await server.hello()
        await talk.asks(*BEGUN[1:], "DATA")
        hanging = asyncio.Event()

        async def hang(recipient: str) -> None:
            hanging.set()
            await asyncio.Event().wait()

        server.router.peek = hang  # type: ignore[assignment, method-assign]
        talk.send(b"hi\r\n.\r\nMAIL FROM:<a@far.example>\r\nRCPT TO:<alice@mailhub.test>\r\n")
        await hanging.wait()
        server.sessions.abort()
        assert (await talk.end()).startswith(b"250 2.0.0 Ok: queued as ")
        assert len(server.spool.messages) == 1


# --- gone at each point ---

Step = Callable[[Server, Talk], Awaitable[None]]


def said(*lines: str) -> Step:
    async def step(server: Server, talk: Talk) -> None:
        await talk.asks(*lines)

    return step


def unanswered(*lines: str, then: bytes) -> Step:
    """... and something that the server is not done with."""

    async def step(server: Server, talk: Talk) -> None:
        await talk.asks(*lines)
        talk.send(then)
        await asyncio.sleep(0)

    return step


async def _in_commit(server: Server, talk: Talk) -> None:
    await talk.asks(*BEGUN, "DATA")
    server.spool.gate.clear()
    talk.send(b"hi\r\n.\r\n")
    await server.spool.committing.wait()


async def _output_blocked(server: Server, talk: Talk) -> None:
    talk.reader._transport.pause_reading()  # type: ignore[attr-defined]
    while server.living[0]._writable is None:
        talk.send(b"HELP\r\n" * 1_000)
        await asyncio.sleep(0)


async def _in_tarpit(server: Server, talk: Talk) -> None:
    talk.send(b"WHAT\r\n" * 12)
    await until(lambda: server.living[0]._errors > 10)


async def _before_the_handshake(server: Server, talk: Talk) -> None:
    await talk.asks("EHLO c", "STARTTLS")


async def _in_the_handshake(server: Server, talk: Talk) -> None:
    await talk.asks("EHLO c", "STARTTLS")
    talk.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")  # the beginning of a ClientHello


async def _plain_words_instead_of_a_handshake(server: Server, talk: Talk) -> None:
    await talk.asks("EHLO c", "STARTTLS")
    talk.send(b"EHLO c\r\nMAIL FROM:<evil@far.example>\r\nRCPT TO:<alice@mailhub.test>\r\nDATA\r\nevil\r\n.\r\n")


async def _under_tls_in_data(server: Server, talk: Talk) -> None:
    await talk.ask("EHLO c")
    await talk.start_tls(server.client_context())
    await talk.asks(*BEGUN, "DATA")
    talk.send(b"half")


POINTS: dict[str, Step] = {
    "greeted": said(),
    "half a command": unanswered(then=b"EHL"),
    "hello": said("EHLO c"),
    "in AUTH": said("EHLO c", "AUTH LOGIN"),
    "deciding AUTH": unanswered("EHLO c", then=PLAIN.encode() + b"\r\n"),
    "signed in": said("EHLO c", PLAIN),
    "in a transaction": said(*BEGUN),
    "in DATA": unanswered(*BEGUN, "DATA", then=b"Subject: x\r\n\r\nhalf"),
    "before the last octet": unanswered(*BEGUN, "DATA", then=b"hi\r\n.\r"),
    "in a chunk": unanswered(*BEGUN, then=b"BDAT 1000 LAST\r\nabc"),
    "between chunks": unanswered(*BEGUN, then=b"BDAT 3\r\nabc"),
    "in a refused chunk": unanswered("EHLO c", then=b"BDAT 1000\r\nabc"),
    "in a commit": _in_commit,
    "a batch": unanswered(
        "EHLO c", then=b"MAIL FROM:<>\r\nRCPT TO:<alice@mailhub.test>\r\n" + b"RSET\r\nNOOP\r\n" * 500
    ),
    "output blocked": _output_blocked,
    "in the tarpit": _in_tarpit,
    "QUIT": unanswered("EHLO c", then=b"QUIT\r\n"),
    "thrown out": unanswered("EHLO c", then=b"GET / HTTP/1.0\r\n" + b"x" * 100_000),
    "before the handshake": _before_the_handshake,
    "in the handshake": _in_the_handshake,
    "no handshake": _plain_words_instead_of_a_handshake,
    "under TLS": _under_tls_in_data,
}
ENDS: dict[str, Callable[[Talk], None]] = {"reset": reset, "closed": Talk.close, "half-closed": Talk.finish}


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("end", ENDS)
async def test_a_client_that_ends_at_each_point(point: str, end: str) -> None:
    """The session ends, nothing half is kept, nothing whole is lost."""
    clock = VirtualClock()
    async with Server(clock, tls="starttls", auth=CLEAR, error_sleep=1.0, error_limit=100) as server:
        talk = await server.connect()
        await POINTS[point](server, talk)
        if end == "half-closed" and not talk.writer.can_write_eof():
            talk.close()
        else:
            ENDS[end](talk)
        server.spool.gate.set()
        async with asyncio.timeout(20):
            while len(server.sessions):
                await clock.advance(1)
                if end == "half-closed":
                    with contextlib.suppress(OSError, RuntimeError):
                        talk.reader._transport.resume_reading()  # type: ignore[attr-defined]
                await asyncio.sleep(0)
        await server.policy.settled()
        assert [put.data for put in server.spool.messages] == ([b"hi\r\n"] if point == "in a commit" else [])
        whole = len(server.spool.messages)
        assert sum(not writer.aborted for writer in server.spool.writers) == whole
        talk.vanish()


@pytest.mark.parametrize("point", POINTS)
async def test_a_server_that_is_made_to_stop_at_each_point(point: str) -> None:
    """The second stage of a stop: all is cut, and a commit under way is finished."""
    clock = VirtualClock()
    async with Server(clock, tls="starttls", auth=CLEAR, error_sleep=1.0, error_limit=100) as server:
        talk = await server.connect()
        await POINTS[point](server, talk)
        server.sessions.abort()
        async with asyncio.timeout(20):
            await server.sessions.empty()
        server.spool.gate.set()
        await server.policy.settled()
        assert [put.data for put in server.spool.messages] == ([b"hi\r\n"] if point == "in a commit" else [])
        talk.vanish()


# --- floods ---


async def test_thousands_of_recipients() -> None:
    async with Server(recipient_limit=1_000) as server:
        server.router.catch_all = True
        talk = await server.hello()
        talk.send(b"MAIL FROM:<a@far.example>\r\n")
        talk.send(b"".join(b"RCPT TO:<user%d@mailhub.test>\r\n" % n for n in range(5_000)) + b"DATA\r\n")
        codes = [(await talk.reply())[0][:3] for _ in range(5_002)]
        assert codes == ["250"] * 1_001 + ["452"] * 4_000 + ["354"]
        assert (await talk.ask(".")).startswith("250 ")
        assert len(server.spool.messages[0].envelope.recipients) == 1_000
        talk.close()


async def test_a_giant_pipeline_holds_no_more_than_its_bound() -> None:
    async with Server(command_limit=10_000_000) as server:
        talk = await server.connect()
        most = 0

        async def flood() -> None:
            nonlocal most
            for _ in range(20):
                talk.send(b"NOOP\r\n" * 5_000)
                await talk.writer.drain()
                most = max(most, len(server.living[0]._input), server.living[0]._output_size)
            talk.send(b"QUIT\r\n")

        flooding = asyncio.ensure_future(flood())
        assert (await talk.end()).count(b"250 2.0.0 Ok\r\n") == 100_000
        await flooding
        assert most < 400_000
        talk.close()


@pytest.mark.parametrize(
    "line",
    ["AUTH PLAIN =", "AUTH NONE", "AUTH PLAIN\r\n*", "AUTH LOGIN\r\n" + "A" * 13_000, "AUTH", "AUTH LOGIN YQ==\r\n*"],
)
async def test_dialogues_of_auth_without_end(line: str) -> None:
    """Whatever goes wrong in them is an error, and errors end the session."""
    async with Server(auth=CLEAR, error_limit=20) as server:
        talk = await server.hello()
        talk.send((line + "\r\n").encode() * 50)
        replies = (await talk.end()).decode().splitlines()
        assert replies[-1] == "421 4.7.0 Too many errors"
        assert sum(reply.startswith("50") for reply in replies) == 20
        talk.close()


async def test_guesses_in_one_breath_are_not_heard_beyond_the_limit() -> None:
    async with Server(auth=schema.Auth(allow_plaintext=True, failure_limit=3)) as server:
        talk = await server.hello()
        wrong = b"AUTH PLAIN AGFsaWNlQG1haWxodWIudGVzdAB3cm9uZw==\r\n"
        talk.send(wrong * 50 + PLAIN.encode() + b"\r\n")
        replies = (await talk.end()).decode().splitlines()
        assert [reply[:3] for reply in replies] == ["535"] * 3 + ["421"]
        talk.close()


async def test_clients_made_up_by_xclient_are_bounded() -> None:
    """A proxy gone mad names another client each time."""
    clock = VirtualClock()
    smtp = schema.Smtp(mynetworks=(), greet_pause=0.0)
    guard = Guard(Sections(limits=schema.Limits(table_limit=100), smtp=smtp), clock)
    async with Server(clock, guard=guard, xclient_hosts=("127.0.0.1",), recipient_limit=1) as server:
        talk = await server.hello()
        for n in range(1_000):
            assert (await talk.ask(f"XCLIENT ADDR=10.0.{n // 256}.{n % 256} NAME=h{n}.example")).startswith("220 ")
        assert len(guard._connections) <= 100  # type: ignore[attr-defined]
        talk.close()


V2 = b"\r\n\r\n\0\r\nQUIT\n"
HEADERS = {
    "version 1 without end": b"PROXY TCP4 " + b"1" * 200,
    "version 1 with LF": b"PROXY TCP4 192.0.2.7 192.0.2.1 5000 25\n" + b"x" * 100,
    "a name": b"PROXY TCP4 mail.example 192.0.2.1 5000 25\r\n",
    "a port too high": b"PROXY TCP4 192.0.2.7 192.0.2.1 99999 25\r\n",
    "the wrong family": b"PROXY TCP6 192.0.2.7 192.0.2.1 5000 25\r\n",
    "more words": b"PROXY TCP4 192.0.2.7 192.0.2.1 5000 25 NOOP\r\n",
    "version 2, 64 KB": V2 + b"\x21\x11\xff\xff" + b"x" * 65_535,
    "version 2, too short": V2 + b"\x21\x11\x00\x04" + b"\x7f\x00\x00\x01",
    "version 3": V2 + b"\x31\x11\x00\x0c" + b"\x7f\x00\x00\x01" * 3,
    "another command": V2 + b"\x22\x11\x00\x0c" + b"\x7f\x00\x00\x01" * 3,
    "UDP": V2 + b"\x21\x12\x00\x0c" + b"\x7f\x00\x00\x01" * 3,
    "SMTP": b"EHLO c\r\nMAIL FROM:<a@far.example>\r\nRCPT TO:<x@far.example>\r\nDATA\r\n",
    "nothing, then the end": b"",
    "half, then the end": b"PROXY TCP4 192.0.2.7 ",
}


async def test_headers_that_are_none_let_nobody_in(tmp_path: Path) -> None:
    """PROXY, malformed, ended or slow: the connection is closed without a word, and nothing waits for it."""
    clock = VirtualClock()
    door = schema.Listener(protocol="smtp", tls="none", proxy_protocol=True)
    async with running(tmp_path, clock=clock, listener=(door,)) as hub:
        for name, header in HEADERS.items():
            talk = Talk(*await asyncio.open_connection("127.0.0.1", hub.port("smtp")))
            talk.send(header)
            talk.finish()
            assert await talk.end() == b"", name
            talk.close()
        slow, gone = [Talk(*await asyncio.open_connection("127.0.0.1", hub.port("smtp"))) for _ in range(2)]
        (listener,) = hub.listeners
        await until(lambda: len(listener._opening) == 2)
        gone.send(b"PROXY TCP4 ")
        reset(gone)
        await until(lambda: len(listener._opening) == 1)
        for octet in b"PROXY TCP4 1":
            slow.send(bytes((octet,)))
            await clock.advance(2.9)
        assert await slow.end() == b""
        assert len(hub.sessions) == len(listener._opening) == 0
        slow.close()
        twice = Talk(*await asyncio.open_connection("127.0.0.1", hub.port("smtp")))
        twice.send(b"PROXY TCP4 192.0.2.7 192.0.2.1 5000 25\r\nPROXY TCP4 127.0.0.1 192.0.2.1 5000 25\r\n")
        await until(lambda: len(hub.sessions))
        assert (await twice.end()).startswith(b"554 5.5.1 Protocol error: you spoke before I greeted you")
        twice.close()


# --- what is left behind ---


async def _visit(server: Server, number: int) -> None:
    """A session that ends in one of many ways."""
    talk = await server.connect()
    match number % 6:
        case 0:
            await talk.asks(*BEGUN, "DATA", "hi\r\n.", "QUIT")
        case 1:
            await talk.asks(*BEGUN, "DATA")
            talk.send(b"x" * 10_000)
            reset(talk)
        case 2:
            talk.send(b"GET / HTTP/1.0\r\n")
            await talk.end()
        case 3:
            await talk.asks("EHLO c", PLAIN, "AUTH PLAIN", "MAIL FROM:<alice@mailhub.test>")
            talk.finish()
            await talk.end()
        case 4:
            await talk.asks("EHLO c", "AUTH LOGIN")
            reset(talk)
        case 5:
            await talk.asks(*BEGUN)
            talk.send(b"BDAT 1000\r\nabc")
            talk.vanish()
    talk.close()
    server.spool.messages.clear()
    server.spool.writers.clear()
    server.living.clear()


def _sessions() -> set[int]:
    """Those alive in this process, some perhaps of a test before: what keeps an exception keeps its session."""
    gc.collect()
    return {id(one) for one in gc.get_objects() if isinstance(one, SmtpSession)}


@pytest.mark.slow
async def test_sessions_leave_nothing_behind() -> None:
    """No session object outlives its connection, and hundreds more of them take no more memory than the first."""
    others = _sessions()
    async with Server(auth=CLEAR) as server:
        for number in range(60):
            await _visit(server, number)
        await server.sessions.empty()
        gc.collect()
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        for number in range(240):
            await _visit(server, number)
        await server.sessions.empty()
        for _ in range(10):
            await asyncio.sleep(0)
        server.living.clear()
        gc.collect()
        grown = tracemalloc.get_traced_memory()[0] - before
        tracemalloc.stop()
        assert _sessions() <= others
        assert grown < 200_000, f"{grown} octets"


async def test_handshakes_that_fail_leave_nothing_behind() -> None:
    others = _sessions()
    async with Server(tls="implicit", service="submission") as server:
        for number in range(60):
            reader, writer = await asyncio.open_connection("127.0.0.1", server.listener.port)
            talk = Talk(reader, writer)
            talk.send(b"EHLO c\r\n" if number % 2 else b"\x16\x03\x01\x02\x00\x01\x00")
            reset(talk) if number % 3 else talk.close()
        with contextlib.suppress(ssl.SSLError):
            talk = await server.connect()
            talk.close()
        async with asyncio.timeout(20):
            await server.sessions.empty()
        server.living.clear()
        for _ in range(10):
            await asyncio.sleep(0)
        gc.collect()
        assert _sessions() <= others
