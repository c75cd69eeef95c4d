"""What is too long, too much, too slow or half said: an answer, an end, bounded memory, and the server goes on."""

import asyncio
import random

import pytest
from support.smtp_peer import Server, Talk, talking, until

from mailhub.config import schema
from mailhub.model.clock import VirtualClock


async def begun(talk: Talk) -> None:
    """Until 354."""
    answers = await talk.asks("MAIL FROM:<a@b.c>", "RCPT TO:<alice@mailhub.test>", "DATA")
    assert answers[-1].startswith("354 ")


@pytest.mark.parametrize(
    ("message", "answer"),
    [
        (b"a\nb\r\n", "550 5.6.0 "),
        (b"a\rb\r\n", "550 5.6.0 "),
        (b"a\0b\r\n", "550 5.6.0 "),
        (b"x" * 1_001 + b"\r\n", "554 5.6.0 "),
        (b"12345678\r\n" * 1_001, "552 5.3.4 "),
        (b"Received: x\r\n" * 51, "554 5.4.6 "),
    ],
)
async def test_messages_refused_and_the_session_goes_on(message: bytes, answer: str) -> None:
    async with talking(message_size_limit=10_000, text_line_length_limit=1_000) as (server, talk):
        await begun(talk)
        talk.send(message + b".\r\n")
        assert (await talk.reply())[0].startswith(answer)
        assert server.spool.writers[-1].aborted
        await begun(talk)
        assert (await talk.ask("fine\r\n.")).startswith("250 2.0.0 ")
        assert [put.data for put in server.spool.messages] == [b"fine\r\n"]


@pytest.mark.parametrize("end", [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r.\r\n", b"\r\n.\r"])
async def test_no_second_message_is_smuggled_in(end: bytes) -> None:
    smuggled = b"MAIL FROM:<evil@y.example>\r\nRCPT TO:<bob@mailhub.test>\r\nDATA\r\nevil\r\n.\r\n"
    async with talking() as (server, talk):
        await begun(talk)
        talk.send(b"a" + end + smuggled)
        assert (await talk.reply())[0].startswith("550 5.6.0 ")
        assert server.spool.messages == []
    async with talking(bare_newlines="normalize") as (server, talk):
        await begun(talk)
        talk.send(b"a" + end + smuggled)
        assert (await talk.reply())[0].startswith("250 2.0.0 ")
        assert (await talk.ask("NOOP")).startswith("250 ")
        (put,) = server.spool.messages
        assert put.data.endswith(b"evil\r\n")
        assert put.data.count(b"\n") == put.data.count(b"\r\n") == put.data.count(b"\r")


async def test_far_beyond_the_limit_the_connection_is_cut() -> None:
    async with talking(message_size_limit=10_000) as (server, talk):
        await begun(talk)
        talk.send(b"x" * 2_000_000)
        assert (await talk.end()).startswith(b"552 5.3.4 ")
        talk.close()
        await server.sessions.empty()


async def test_a_client_that_talks_on_after_our_last_words_has_moments() -> None:
    clock = VirtualClock()
    async with Server(clock, error_limit=1) as server:
        patient, loud = await server.connect(), await server.connect()
        for talk in (patient, loud):
            talk.send(b"WHAT\r\nNOOP\r\n")
            assert (await talk.end()).endswith(b"421 4.7.0 Too many errors\r\n")
        loud.send(b"x" * 20_000_000)
        await until(lambda: len(server.sessions) == 1)
        await clock.advance(6)
        await server.sessions.empty()
        patient.close()
        loud.vanish()


async def test_a_line_that_never_ends_is_not_kept() -> None:
    async with talking() as (server, talk):
        for _ in range(50):
            talk.send(b"x" * 65_536)
            await talk.writer.drain()
            assert len(server.living[0]._input) < 1_000_000
        talk.send(b"\r\nNOOP\r\n")
        assert (await talk.reply())[0].startswith("500 5.5.2 ")
        assert (await talk.reply())[0].startswith("250 2.0.0 ")


async def test_too_many_errors() -> None:
    async with Server(error_limit=3) as server:
        talk = await server.connect()
        talk.send(b"A\r\nB\r\nC\r\nNOOP\r\n")
        replies = (await talk.end()).decode().splitlines()
        assert [line[:9] for line in replies] == ["500 5.5.1", "500 5.5.1", "500 5.5.1", "421 4.7.0"]


async def test_a_delivered_message_forgives_errors() -> None:
    async with talking(error_limit=3) as (_, talk):
        await talk.asks("A", "B")
        await begun(talk)
        await talk.ask(".")
        assert (await talk.ask("C")).startswith("500 ")
        assert (await talk.ask("NOOP")).startswith("250 ")


async def test_a_long_list_of_unknown_recipients_is_no_crime_for_who_signed_in() -> None:
    async with talking(error_limit=3, auth=schema.Auth(allow_plaintext=True)) as (_, talk):
        await talk.asks("AUTH PLAIN AGFsaWNlQG1haWxodWIudGVzdABzZWNyZXQ=", "MAIL FROM:<alice@mailhub.test>")
        for n in range(10):
            assert (await talk.ask(f"RCPT TO:<gone{n}@mailhub.test>")).startswith("550 5.1.1 ")
        assert (await talk.ask("RCPT TO:<bob@mailhub.test>")).startswith("250 ")


async def test_too_many_commands() -> None:
    async with Server(command_limit=70) as server:
        talk = await server.connect()
        talk.send(b"NOOP\r\n" * 100)
        replies = (await talk.end()).decode().splitlines()
        assert len(replies) == 71
        assert replies[-1].startswith("421 4.7.0 ")


async def test_too_many_messages() -> None:
    async with talking(message_limit=1) as (_, talk):
        await begun(talk)
        await talk.ask(".")
        assert (await talk.ask("MAIL FROM:<a@b.c>")).startswith("421 4.7.0 ")
        assert await talk.end() == b""


async def test_too_many_recipients() -> None:
    async with talking(recipient_limit=1) as (_, talk):
        answers = await talk.asks("MAIL FROM:<a@b.c>", "RCPT TO:<alice@mailhub.test>", "RCPT TO:<bob@mailhub.test>")
        assert answers[-1].startswith("452 4.5.3 ")


async def test_a_full_or_broken_disk_is_temporary() -> None:
    async with talking() as (server, talk):
        server.spool.full = True
        assert (await talk.ask("MAIL FROM:<a@b.c>")).startswith("452 4.3.1 ")
        server.spool.full, server.spool.broken = False, True
        await begun(talk)
        assert (await talk.ask("x\r\n.")).startswith("451 4.3.0 ")
        await begun(talk)
        talk.send(b"0123456\r\n" * 400_000 + b".\r\n")
        assert (await talk.reply())[0].startswith("451 4.3.0 ")
        assert (await talk.ask("NOOP")).startswith("250 ")


async def test_a_slow_disk_stops_the_client_instead_of_filling_memory() -> None:
    async with talking() as (server, talk):
        server.spool.release.clear()
        await begun(talk)
        feeding = asyncio.ensure_future(_feed(talk, 300))
        await until(lambda: bool(server.spool.drains and not server.living[0]._reading))
        assert server.spool.writers[0].size < 2_000_000
        assert not feeding.done()
        server.spool.release.set()
        await feeding
        assert (await talk.reply())[0].startswith("250 ")
        assert len(server.spool.messages[0].data) == 2 + 300 * 65_536


async def _feed(talk: Talk, blocks: int) -> None:
    """Behind an empty header."""
    talk.send(b"\r\n")
    for _ in range(blocks):
        talk.send((b"x" * 62 + b"\r\n") * 1_024)
        await talk.writer.drain()
    talk.send(b".\r\n")


async def test_a_client_that_does_not_read_is_not_served_on() -> None:
    clock = VirtualClock()
    async with Server(clock, command_limit=10_000_000) as server:
        talk = await server.connect()
        talk.reader._transport.pause_reading()  # type: ignore[attr-defined]
        sending = asyncio.ensure_future(_flood(talk))
        await until(lambda: server.living[0]._writable is not None)
        assert len(server.living[0]._input) < 1_000_000
        assert server.living[0]._output_size < 100_000
        await clock.advance(301)
        await server.sessions.empty()
        talk.vanish()
        sending.cancel()


async def _flood(talk: Talk) -> None:
    while True:
        talk.send(b"HELP\r\n" * 1_000)
        await talk.writer.drain()


# --- time ---


async def test_silence_before_a_command_and_in_a_message() -> None:
    clock = VirtualClock()
    async with Server(clock) as server:
        for steps in ([], ["EHLO c"], ["EHLO c", "MAIL FROM:<a@b.c>"]):
            talk = await server.connect()
            await talk.asks(*steps)
            await clock.advance(299)
            assert (await talk.ask("NOOP")).startswith("250 ")
            await clock.advance(301)
            assert (await talk.end()).startswith(b"421 4.4.2 ")
        talk = await server.hello()
        await begun(talk)
        await clock.advance(179)
        talk.send(b"Subject: x\r\n" * 10_000)
        await until(lambda: server.living[-1]._deadline == clock.monotonic() + 180)
        await clock.advance(181)
        assert (await talk.end()).startswith(b"421 4.4.2 ")
        assert server.spool.messages == []
        assert server.spool.writers[-1].aborted


@pytest.mark.parametrize("way", ["DATA", "BDAT"])
async def test_a_message_octet_by_octet_gets_no_more_time(way: str) -> None:
    """One octet a second is not silence, and is not sending either; 600 octets a second are slow and welcome."""
    clock = VirtualClock()
    async with Server(clock) as server:
        trickling, slow = await server.hello(), await server.hello()
        for talk in (trickling, slow):
            await talk.asks("MAIL FROM:<a@b.c>", "RCPT TO:<alice@mailhub.test>")
            talk.send(b"BDAT 300002 LAST\r\n" if way == "BDAT" else b"DATA\r\n")
            if way == "DATA":
                await talk.reply()
        await until(lambda: len(server.spool.writers) == 2)
        slow.send(b"\r\n")  # the header is over: it is held back until then
        heard = 0
        for _ in range(500):
            if not server.living[0]._done:
                trickling.send(b"x")
            slow.send(b"x" * 598 + b"\r\n")
            heard += 600
            await until(lambda heard=heard: server.spool.writers[1].size >= heard - 4)
            await clock.advance(1)
        assert (await trickling.end()).startswith(b"421 4.4.2 ")
        slow.send(b".\r\n" if way == "DATA" else b"")
        assert (await slow.reply())[0].startswith("250 2.0.0 ")
        trickling.close()
        slow.close()


async def test_a_command_letter_by_letter_gets_no_more_time() -> None:
    clock = VirtualClock()
    async with Server(clock) as server:
        talk = await server.connect()
        for n, letter in enumerate(b"NO", 1):
            talk.send(bytes((letter,)))
            await until(lambda n=n: len(server.living[0]._input) >= n)
            await clock.advance(140)
        await clock.advance(21)
        assert (await talk.end()).startswith(b"421 4.4.2 ")


async def test_no_timer_runs_while_we_work() -> None:
    clock = VirtualClock()
    async with Server(clock) as server:
        talk = await server.hello()
        await begun(talk)
        server.spool.gate.clear()
        talk.send(b"x\r\n.\r\n")
        await server.spool.committing.wait()
        await clock.advance(10_000)
        server.spool.gate.set()
        assert (await talk.reply())[0].startswith("250 ")
        talk.close()


# --- clients that go away ---


@pytest.mark.parametrize("how", ["vanish", "close"])
@pytest.mark.parametrize("steps", range(5))
async def test_a_client_that_goes_away_at_each_step(how: str, steps: int) -> None:
    lines = ["EHLO c", "MAIL FROM:<a@b.c>", "RCPT TO:<alice@mailhub.test>", "DATA", ""]
    async with Server() as server:
        talk = await server.connect()
        await talk.asks(*lines[:steps])
        talk.send(b"half a li")
        getattr(talk, how)()
        await server.sessions.empty()
        assert server.spool.messages == []
        assert all(writer.aborted for writer in server.spool.writers)


@pytest.mark.parametrize("how", ["vanish", "close", "abort"])
async def test_a_commit_under_way_is_finished_whoever_goes_away(how: str) -> None:
    async with Server() as server:
        talk = await server.hello()
        await begun(talk)
        server.spool.gate.clear()
        talk.send(b"x\r\n.\r\n")
        await server.spool.committing.wait()
        if how == "abort":
            server.sessions.abort()
            await server.sessions.empty()
        else:
            getattr(talk, how)()
            await until(lambda: server.living[0]._ended)
        server.spool.gate.set()
        await server.policy.settled()
        await asyncio.wait_for(server.sessions.empty(), 10)
        assert [put.data for put in server.spool.messages] == [b"x\r\n"]
        assert not server.spool.writers[0].aborted
        talk.close()


async def test_a_half_closed_client_gets_its_answers() -> None:
    async with Server() as server:
        talk = await server.connect()
        talk.send(b"EHLO c\r\nMAIL FROM:<a@b.c>\r\nRCPT TO:<alice@mailhub.test>\r\nDATA\r\nx\r\n.\r\nNOOP\r\n")
        talk.finish()
        replies = (await talk.end()).decode().splitlines()
        assert replies[-1] == "250 2.0.0 Ok"
        assert len(server.spool.messages) == 1


# --- stopping ---


async def test_draining_tells_the_idle_and_lets_the_busy_finish() -> None:
    async with Server() as server:
        idle, busy = await server.hello(), await server.hello()
        await begun(busy)
        server.sessions.drain()
        assert (await idle.reply())[0].startswith("421 4.3.2 ")
        assert await idle.end() == b""
        busy.send(b"x\r\n.\r\nNOOP\r\n")
        assert (await busy.reply())[0].startswith("250 2.0.0 ")
        assert (await busy.reply())[0].startswith("421 4.3.2 ")
        assert await busy.end() == b""
        await server.sessions.empty()
        assert len(server.spool.messages) == 1


# --- anything at all ---

WORDS = [
    b"EHLO c", b"HELO c", b"MAIL FROM:<a@b.c>", b"MAIL FROM:<>", b"RCPT TO:<alice@mailhub.test>", b"RCPT TO:<x@y.z>", b"DATA",
    b"RSET", b"NOOP", b"QUIT", b"AUTH PLAIN", b"AUTH LOGIN", b"AUTH LOGIN YQ==", b"*", b"YQ==", b"STARTTLS", b"VRFY", b"HELP",
    b".", b"..", b"\r\n", b"\r\n", b"\r\n", b"\r\n", b"\n", b"\r", b"\0", b" ", b":", b"<", b">", b"\xff\xfe", b"x" * 3_000,
    b"MAIL FROM:<a@b.c> SIZE=1 BODY=8BITMIME SMTPUTF8", b"\r\n.\r\n",
]  # fmt: skip


@pytest.mark.parametrize("seed", range(25))
async def test_no_stream_of_octets_breaks_a_session(seed: int, caplog: pytest.LogCaptureFixture) -> None:
    rng = random.Random(seed)
    auth = schema.Auth(allow_plaintext=True, failure_limit=1_000)
    async with Server(error_limit=10_000, auth=auth) as server:
        for _ in range(8):
            talk = await server.connect()
            for word in rng.choices(WORDS, k=60):
                talk.send(word if rng.random() < 0.2 else word + b"\r\n")
                if rng.random() < 0.1:
                    await asyncio.sleep(0)
            talk.finish()
            for line in (await talk.end()).splitlines():
                assert line[:3].isdigit(), line
                assert line[3:4] in b" -", line
                assert line[:3] in (b"354", b"334", b"250", b"220") or line[4:5] in b"245", line
            talk.close()
        await server.sessions.empty()
    assert "crashed" not in caplog.text
