"""The registry of sessions: limits, the two stages of a stop, and what a crash leaves behind."""

import asyncio
import logging

import pytest

from mailhub.config import schema
from mailhub.net.addresses import block
from mailhub.protocols.session import Session, Sessions, TooManySessions


def session(client: str = "192.0.2.1") -> Session:
    return Session("imap", "imap", client, 1000)


async def test_limits_count_all_sessions_and_those_of_one_client() -> None:
    sessions = Sessions(schema.Sessions(limit=3, limit_per_client=2))
    first = session()
    sessions.enter(first)
    sessions.enter(session())
    with pytest.raises(TooManySessions, match="limit_per_client"):
        sessions.enter(session())
    sessions.enter(session("192.0.2.2"))
    with pytest.raises(TooManySessions, match=r"sessions\.limit$"):
        sessions.enter(session("192.0.2.3"))
    first.end()
    first.end()
    sessions.enter(session("192.0.2.3"))
    assert len(sessions) == 3
    assert [other.id for other in sessions] == [2, 3, 4]


async def test_a_client_is_what_the_key_says_unless_anybody_may_stand_behind_it() -> None:
    sessions = Sessions(
        schema.Sessions(limit_per_client=1), lambda client: block(client, 64), lambda client: client == "172.17.0.1"
    )
    first = session("2001:db8::1")
    sessions.enter(first)
    with pytest.raises(TooManySessions):
        sessions.enter(session("2001:db8::2"))
    sessions.enter(session("2001:db8:0:1::1"))
    for _ in range(5):
        sessions.enter(session("172.17.0.1"))
    first.end()
    sessions.enter(session("2001:db8::2"))


async def test_sessions_of_an_account_are_counted() -> None:
    sessions = Sessions(schema.Sessions())
    first, second = session(), session()
    for one in (first, second):
        sessions.enter(one)
        one.login = "ann@a.test"
    assert sessions.of("ann@a.test") == 2
    second.login = "ben@a.test"
    assert (sessions.of("ann@a.test"), sessions.of("ben@a.test")) == (1, 1)
    first.end()
    assert (sessions.of("ann@a.test"), sessions.of("nobody@a.test"), sessions.of("")) == (0, 0, 0)


async def test_drain_asks_each_session_once_also_one_that_listens_late() -> None:
    sessions = Sessions(schema.Sessions())
    early, late, asked = session(), session(), []
    sessions.enter(early)
    sessions.enter(late)
    early.on_drain(lambda: asked.append("early"))
    sessions.drain()
    sessions.drain()
    late.on_drain(lambda: asked.append("late"))
    assert asked == ["early", "late"]
    with pytest.raises(TooManySessions, match="stopping"):
        sessions.enter(session())


async def test_abort_reaches_a_session_without_callback_through_its_task() -> None:
    sessions = Sessions(schema.Sessions())
    ours = session()
    sessions.enter(ours)
    ours.own(asyncio.create_task(asyncio.Event().wait()))
    waiting = asyncio.create_task(sessions.empty())
    await asyncio.sleep(0)
    assert not waiting.done()
    sessions.abort()
    await waiting
    assert len(sessions) == 0


async def test_a_crash_is_logged_closes_the_connection_and_leaves_the_registry(
    caplog: pytest.LogCaptureFixture,
) -> None:
    sessions = Sessions(schema.Sessions())
    ours, closed = session(), []
    sessions.enter(ours)
    ours.on_abort(lambda: closed.append(True))

    async def crash() -> None:
        raise RuntimeError("broken")

    with caplog.at_level(logging.ERROR, "mailhub.protocols"):
        ours.own(asyncio.create_task(crash()))
        await sessions.empty()
    assert closed == [True]
    assert "imap[1] 192.0.2.1:1000: the session crashed" in caplog.text
    assert "RuntimeError: broken" in caplog.text


async def test_where_memory_is_short_nobody_comes_in_and_those_there_are_not_waited_for() -> None:
    used = 99
    sessions = Sessions(schema.Sessions(memory_limit=100), memory=lambda: used)
    first = session()
    sessions.enter(first)
    assert not first.stressed
    used = 100
    with pytest.raises(TooManySessions, match=r"sessions\.memory_limit"):
        sessions.enter(session("192.0.2.2"))
    assert first.stressed
    used = 50
    second = session("192.0.2.2")
    sessions.enter(second)
    assert not second.stressed


async def test_what_lies_free_is_given_back_before_anybody_is_refused() -> None:
    used = 200

    def spare() -> None:
        nonlocal used
        used = 50

    sessions = Sessions(schema.Sessions(memory_limit=100), memory=lambda: used, spare=spare)
    first = session()
    sessions.enter(first)
    assert not first.stressed
    assert used == 50
