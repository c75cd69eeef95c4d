"""The guard at the SMTP door, over real sockets: speech before the greeting, errors that slow down, rates."""

import asyncio

import pytest
from support.hubs import until
from support.smtp_peer import Server, Talk

from mailhub.config import schema
from mailhub.model.clock import VirtualClock
from mailhub.policy import Guard, Sections

LOOPBACK = "127.0.0.1"


def guard_of(clock: VirtualClock, **limits: object) -> Guard:
    smtp = schema.Smtp(mynetworks=(), greet_pause=6.0)
    return Guard(Sections(limits=schema.Limits(**limits), smtp=smtp), clock)  # type: ignore[arg-type]


async def silent(server: Server) -> Talk:
    """A client that has connected, and whose session waits."""
    talk = await server.connect(greeted=False)
    await until(lambda: server.living and server.living[-1]._waiter is not None)
    return talk


async def test_who_speaks_before_the_greeting_is_sent_away() -> None:
    clock = VirtualClock()
    guard = guard_of(clock, ban_errors=2)
    async with Server(clock, guard=guard) as server:
        for _ in range(2):
            talk = await server.connect(greeted=False)
            talk.send(b"EHLO early.example\r\nMAIL FROM:<>\r\n")
            replies = await talk.end()
            assert replies.startswith(b"554 5.5.1 ")
            assert replies.count(b"\r\n") == 1
            talk.close()
            await server.sessions.empty()
        banned = await server.connect(greeted=False)
        assert (await banned.end()).startswith(b"421 4.7.0 Your address is banned for 15 more minutes: speech before")
        assert guard.refused == {"speech before the greeting": 2, "banned: speech before the greeting": 1}


async def test_who_waits_is_greeted_and_need_not_wait_again() -> None:
    clock = VirtualClock()
    async with Server(clock, guard=guard_of(clock)) as server:
        talk = await silent(server)
        await clock.advance(5.9)
        assert not server.living[0]._output_size
        await clock.advance(0.1)
        assert (await talk.reply())[0].startswith("220 ")
        assert (await talk.ask("NOOP")).startswith("250 ")
        again = await server.connect()
        assert (await again.ask("NOOP")).startswith("250 ")
        talk.close()
        again.close()
        await server.sessions.empty()


async def test_a_client_that_leaves_before_it_is_greeted_is_no_early_talker() -> None:
    clock = VirtualClock()
    guard = guard_of(clock)
    async with Server(clock, guard=guard) as server:
        (await silent(server)).vanish()
        await server.sessions.empty()
        assert guard.refused == {}
        assert guard.pause(LOOPBACK) == 6.0


async def test_a_stop_does_not_wait_for_the_greeting() -> None:
    clock = VirtualClock()
    async with Server(clock, guard=guard_of(clock)) as server:
        talk = await silent(server)
        server.sessions.drain()
        assert b"421 4.3.2 " in await talk.end()
        talk.close()


@pytest.mark.parametrize("service", ["submission", "lmtp"])
async def test_other_services_greet_at_once(service: str) -> None:
    clock = VirtualClock()
    async with Server(clock, service=service, guard=guard_of(clock)) as server:
        talk = await server.connect(greeted=False)
        assert (await talk.reply())[0].startswith("220 ")
        talk.close()


async def test_replies_to_errors_above_the_soft_limit_come_late() -> None:
    clock = VirtualClock()
    async with Server(clock, soft_error_limit=2, error_limit=20, error_sleep=10.0) as server:
        talk = await server.connect()
        for _ in range(2):
            assert (await talk.ask("WHAT")).startswith("500 ")
        start = clock.now()
        talk.send(b"WHAT\r\n")
        answer = asyncio.ensure_future(talk.reply())
        await until(lambda: server.living[0]._output_size)
        await clock.advance(9.9)
        assert server.living[0]._output_size
        await clock.advance(0.1)
        assert (await answer)[0].startswith("500 ")
        assert clock.now() - start == pytest.approx(10.0)
        assert (await talk.ask("NOOP")).startswith("250 ")  # no error, no delay
        talk.close()
        await server.sessions.empty()


async def test_sessions_that_end_for_their_errors_count() -> None:
    clock = VirtualClock()
    sections = Sections(limits=schema.Limits(ban_errors=2), smtp=schema.Smtp(mynetworks=(), greet_pause=0.0))
    async with Server(clock, error_limit=1, guard=Guard(sections, clock)) as server:
        for _ in range(2):
            talk = await server.connect()
            talk.send(b"WHAT\r\n")
            assert b"421 4.7.0 Too many errors" in await talk.end()
        assert (await (await server.connect(greeted=False)).end()).startswith(b"421 4.7.0 Your address is banned")


async def test_messages_and_recipients_of_a_client_have_their_rate() -> None:
    clock = VirtualClock()
    limits = schema.Limits(messages_per_client=2, recipients_per_client=1)
    sections = Sections(limits=limits, smtp=schema.Smtp(mynetworks=(), greet_pause=0.0))
    async with Server(clock, guard=Guard(sections, clock)) as server:
        talk = await server.hello()
        assert (await talk.ask("MAIL FROM:<a@b.example>")).startswith("250 ")
        assert (await talk.ask("RCPT TO:<alice@mailhub.test>")).startswith("250 ")
        assert (await talk.ask("RCPT TO:<bob@mailhub.test>")).startswith("450 4.7.1 ")
        assert (await talk.ask("RCPT TO:<gone@mailhub.test>")).startswith("550 5.1.1 ")
        await talk.asks("RSET", "MAIL FROM:<a@b.example>", "RSET")
        assert (await talk.ask("MAIL FROM:<a@b.example>")).startswith("450 4.7.1 ")
        talk.close()
        await server.sessions.empty()
