"""Under stress, as Postfix has it: short silence, few errors; and as before when it is over."""

import asyncio

import pytest
from support.smtp_peer import Server, Talk, talking

from mailhub.config import schema
from mailhub.model.clock import VirtualClock

LIMITS = schema.Sessions(limit=4, stress_level=0.5)


async def crowded(server: Server) -> Talk:
    """One more client, with whom the stress begins."""
    assert not server.sessions.stressed
    other = await server.hello()
    assert server.sessions.stressed
    return other


async def test_silence_is_short_for_who_comes_then_and_who_is_there() -> None:
    clock = VirtualClock()
    async with talking(clock=clock, limits=LIMITS) as (server, talk):
        await clock.advance(20)
        assert (await talk.ask("NOOP")).startswith("250 ")
        other, third = await crowded(server), await server.hello()
        await clock.advance(9)
        assert (await other.ask("NOOP")).startswith("250 ")
        for _ in range(2):
            assert (await third.ask("NOOP")).startswith("250 ")
            await clock.advance(9)
        async with asyncio.timeout(30):
            assert (await other.reply())[0].startswith("421 ")  # after ten seconds
            assert (await third.ask("NOOP")).startswith("250 ")
            await clock.advance(5)
            assert (await talk.reply())[0].startswith("421 ")  # after thirty: it waited already
        assert server.sessions.stressed
        third.writer.close()


async def test_silence_within_a_message_is_short() -> None:
    clock = VirtualClock()
    async with talking(clock=clock, limits=LIMITS) as (server, talk):
        other = await crowded(server)
        await other.asks("MAIL FROM:<a@b.c>", "RCPT TO:<alice@mailhub.test>", "DATA")
        other.send(b"Subject: half")
        await clock.advance(11)
        assert (await other.reply())[0].startswith("421 ")
        talk.writer.close()


@pytest.mark.parametrize("stressed", [True, False])
async def test_the_first_error_is_the_last(stressed: bool) -> None:
    async with talking(limits=LIMITS) as (server, talk):
        if stressed:
            await crowded(server)
        assert (await talk.ask("NONSENSE")).startswith("50")
        if stressed:
            assert (await talk.reply())[0].startswith("421 4.7.0 ")
        else:
            assert (await talk.ask("NOOP")).startswith("250 ")


async def test_it_is_told_once_when_it_begins_and_ends(caplog: pytest.LogCaptureFixture) -> None:
    async with talking(limits=LIMITS) as (server, _):
        await crowded(server)
        third = await server.hello()
        assert caplog.text.count("under stress: 2 sessions, sessions.limit is 4") == 1
        for session in server.sessions:
            session.end()
        assert caplog.text.count("the stress is over") == 1
        third.writer.close()
