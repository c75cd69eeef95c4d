"""Two nodes on one store, and what is remembered beside queue and mailboxes: limits are one for both, and what one takes the other leaves."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from support.signin import CountingHasher
from support.stores import emptied

from mailhub.config import schema
from mailhub.directory import Directory
from mailhub.directory.browsers import Browsers
from mailhub.directory.keys import kept_key
from mailhub.directory.kinds import SHARED, directory_of
from mailhub.model.clock import VirtualClock
from mailhub.model.envelope import Origin
from mailhub.model.errors import LimitReached, MailError, NotFound
from mailhub.policy import Guard, Sections
from mailhub.policy.bans import AUTH, network_of
from mailhub.policy.caller import Caller
from mailhub.policy.greylist import Greylist
from mailhub.policy.visit import Visit
from mailhub.store.api import (
    MINUTE,
    AccountRow,
    AppPasswordRow,
    BrowserLimits,
    BrowserRow,
    DmarcCount,
    Figures,
    HardBounce,
    JunkLimits,
    Lesson,
    Memory,
    Notice,
    ScriptLimits,
    SecondFactorRow,
    SieveMark,
    TlsCount,
    TokenRow,
)
from mailhub.store.mysql.sieve import fresh
from mailhub.store.mysql.suppressions import remember
from mailhub.store.mysql.webhooks import POSTING

ANN = "ann@a.test"


@pytest.fixture(params=["mariadb_server", pytest.param("galera_node", marks=pytest.mark.slow)])
async def pair(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tuple[Any, Any]]:
    """On Galera the nodes ask different servers."""
    with emptied(request.getfixturevalue(request.param), tmp_path) as stores:
        a, b = stores.make("a"), stores.make("b")
        await a.open()
        await b.open()
        yield a, b
        await a.close()
        await b.close()


async def outcomes(*calls: Any) -> list[Any]:
    return await asyncio.gather(*calls, return_exceptions=True)


async def test_limits_are_one_for_all_nodes(pair: tuple[Any, Any]) -> None:
    await pair[0].directory.put_account(AccountRow(ANN, ""))
    apps = [AppPasswordRow(ANN, f"{n}", f"{n}", (), 1.0) for n in range(12)]
    made = await outcomes(*(pair[n % 2].directory.put_app_password(row, 4) for n, row in enumerate(apps)))
    assert (made.count(None), sum(isinstance(one, LimitReached) for one in made)) == (4, 8)
    tokens = [TokenRow(f"{n}", f"{n}", (), 1.0) for n in range(12)]
    made = await outcomes(*(pair[n % 2].tokens.put(row, 4) for n, row in enumerate(tokens)))
    assert made.count(None) == 4
    made = await outcomes(*(pair[n % 2].sieve.put(ANN, f"{n}", b"keep;", ScriptLimits(4, 1_000)) for n in range(12)))
    assert made.count(None) == 4


async def test_one_script_is_active(pair: tuple[Any, Any]) -> None:
    for n in range(8):
        await pair[0].sieve.put(ANN, f"{n}", b"%d" % n, ScriptLimits(10, 1_000))
    await asyncio.gather(*(pair[n % 2].sieve.activate(ANN, f"{n}") for n in range(8)))
    assert sum(row.active for row in await pair[0].sieve.scripts(ANN)) == 1
    assert await pair[0].sieve.active(ANN) == await pair[1].sieve.active(ANN)


async def test_a_code_opens_one_door(pair: tuple[Any, Any]) -> None:
    await pair[0].directory.put_account(AccountRow(ANN, ""))
    await pair[0].directory.put_second_factor(SecondFactorRow(ANN, "A", True, 5, ("x",)))
    assert sum(await asyncio.gather(*(pair[n % 2].directory.spend(ANN, 6, "") for n in range(8)))) == 1
    assert sum(await asyncio.gather(*(pair[n % 2].directory.spend(ANN, 0, "x") for n in range(8)))) == 1


async def test_what_opens_an_account_does_not_outlive_it(pair: tuple[Any, Any]) -> None:
    a, b = pair
    for _ in range(10):
        await a.directory.put_account(AccountRow(ANN, ""))
        row = AppPasswordRow(ANN, "x", "x", (), 1.0)
        await outcomes(a.directory.delete_account(ANN), b.directory.put_app_password(row, 4))
        assert await b.directory.app_password(ANN, "x") is None
        assert await b.directory.account(ANN) is None


async def test_a_mark_is_fresh_for_one(pair: tuple[Any, Any]) -> None:
    for until in (5.0, 9.0):  # new; and there, but over
        mark = SieveMark(ANN, "vacation", until)
        found = await asyncio.gather(
            *(pair[n % 2].engine.transact(partial(fresh, mark=mark, now=until - 3)) for n in range(8))
        )
        assert found.count(True) == 1


async def test_refusals_that_two_nodes_hear_count_twice(pair: tuple[Any, Any]) -> None:
    bounces = [HardBounce("gone@b.test", float(n), "mx", "no") for n in range(8)]
    memories = [Memory((bounce,), (), 8, 1e9, 50.0, 100) for bounce in bounces]
    await asyncio.gather(
        *(pair[n % 2].engine.transact(partial(remember, memory=memory)) for n, memory in enumerate(memories))
    )
    row = await pair[0].suppressions.find("gone@b.test")
    assert sorted(one.at for one in row.history) == [float(n) for n in range(8)]
    assert row.until >= 50.0


async def test_counts_of_all_nodes_are_added(pair: tuple[Any, Any]) -> None:
    dmarc = {DmarcCount(5, "far.test", f"{n}"): 1 for n in range(5)}
    tls = {TlsCount(5, "far.test", "sts", f"{n}"): 1 for n in range(5)}
    await asyncio.gather(*(pair[n % 2].dmarc.add(dmarc, 100, 100) for n in range(8)))
    await asyncio.gather(*(pair[n % 2].tls.add_sessions(tls, 100) for n in range(8)))
    assert await pair[0].dmarc.counts(5, "far.test") == [(f"{n}", 8) for n in range(5)]
    assert await pair[1].tls.sessions(5, "far.test") == dict.fromkeys(tls, 8)


async def test_nodes_that_start_together_have_the_same_keys(pair: tuple[Any, Any]) -> None:
    keys = await asyncio.gather(*(kept_key(pair[n % 2].directory, "session key") for n in range(8)))
    assert len(set(keys)) == 1


async def test_an_event_is_posted_by_one_node_and_by_the_other_where_that_falls_silent(pair: tuple[Any, Any]) -> None:
    for n in range(20):
        await pair[n % 2].webhooks.tell(Notice(0, (("crm", 100),), f"{n}", float(n), b"{}"))
    taken = await asyncio.gather(*(pair[n % 2].webhooks.due("crm", 50.0, 5) for n in range(6)))
    events = [row.event for rows in taken for row in rows]
    assert sorted(events, key=int) == [f"{n}" for n in range(20)]
    assert await pair[0].webhooks.due("crm", 50.0, 5) == []
    await pair[0].webhooks.taken([row.id for row in taken[0]])
    assert await pair[1].webhooks.next_due("crm") == 50.0 + POSTING
    assert len(await pair[1].webhooks.due("crm", 50.0 + POSTING, 50)) == 20 - len(taken[0])


async def test_figures_of_nodes_are_joined(pair: tuple[Any, Any]) -> None:
    at = 1_800_014_400
    for store, figures in zip(
        pair,
        (Figures(at, accepted=2, queued=5, sessions=3, lag=0.5), Figures(at, accepted=3, queued=4, sessions=4)),
        strict=True,
    ):
        await store.history.add(figures, 86_400.0, 86_400.0)
        await store.history.add(Figures(at, accepted=1, sessions=1), 86_400.0, 86_400.0)
    (told,) = await pair[0].history.since(0, MINUTE, MINUTE)
    assert told == Figures(at, accepted=7, queued=5, sessions=7, lag=0.5)


async def test_lessons_of_all_nodes_are_one_knowledge(pair: tuple[Any, Any]) -> None:
    limits = JunkLimits(100_000, 1e9)
    lessons = [Lesson(n, tuple(range(40)), n % 2 == 0) for n in range(24)]
    learnt = await outcomes(*(pair[n % 2].junk.learn(["", ANN], one, 1.0, limits) for n, one in enumerate(lessons)))
    assert not [one for one in learnt if isinstance(one, MailError)]
    for store in pair:
        assert (await store.junk.totals([ANN])) == (await store.junk.totals([""]))
        assert (await store.junk.counts([ANN], [39]))[39].junk == 12
        assert (await store.junk.totals([""])).good == 12


async def test_what_another_node_changes_in_the_directory_is_seen(pair: tuple[Any, Any]) -> None:
    clock, hasher = VirtualClock(), CountingHasher(1, 5)
    config = schema.Config(domains=("a.test",), store=schema.Store(kind="mysql"))
    one, other = [await directory_of(config, store.directory, hasher, clock) for store in pair]
    assert await other.account(ANN) is None
    await one.add_account(ANN, None)
    assert await other.account(ANN) is None  # remembered
    await clock.advance(SHARED)
    assert await other.account(ANN) is not None
    await one.remove_account(ANN)
    await clock.advance(SHARED)
    assert await other.account(ANN) is None
    alone = Directory(pair[0].directory, schema.Auth(), hasher, domains=["a.test"])
    assert await alone.account(ANN) is None
    await one.add_account(ANN, None)
    await clock.advance(86_400)
    assert await alone.account(ANN) is None, "an embedded store has nobody else who writes"


async def stored(pair: tuple[Any, Any]) -> str:
    """Ann's password, as the store has it."""
    row = await pair[0].directory.account(ANN)
    return str(row.password)


async def test_who_signs_in_with_a_new_password_is_known_at_once_where_the_old_one_is_remembered(
    pair: tuple[Any, Any],
) -> None:
    clock, hasher = VirtualClock(), CountingHasher(1, 5)
    config = schema.Config(domains=("a.test",), store=schema.Store(kind="mysql"))
    here, there = [await directory_of(config, store.directory, hasher, clock) for store in pair]
    await here.add_account(ANN, "old")
    one, other = [
        Browsers(store.browsers, directory, config.web, clock)
        for store, directory in zip(pair, (here, there), strict=True)
    ]
    _, before = await one.begin(ANN, await stored(pair), "192.0.2.1", "")
    assert await other.shown(before, "192.0.2.1", "") is not None
    await here.set_password(ANN, "new")
    _, after = await one.begin(ANN, await stored(pair), "192.0.2.1", "")
    assert await other.shown(after, "192.0.2.1", "") is not None
    assert await one.shown(before, "192.0.2.1", "") is None
    assert await other.shown(before, "192.0.2.1", "") is None
    assert [row.digest for row in await other.of(ANN)] == [row.digest for row in await one.of(ANN)]


async def test_what_an_account_sends_by_another_node_counts(pair: tuple[Any, Any]) -> None:
    clock = VirtualClock()
    limits = schema.Limits(messages_per_account=10, new_recipients_per_account=10)
    guards = [Guard(Sections(limits), clock, store=store.guard) for store in pair]
    sent = 0
    for n in range(20):
        guard = guards[n % 2]
        assert (await guard.recipient("192.0.2.1", ANN, f"r{n}@b.test") is None) == (n < 11)
        sent += await guard.sent(ANN, [f"r{n}@b.test"]) is None
        await guard.settled()
    assert sent == 11  # the last word of the other node is one message old


async def test_who_is_banned_by_one_node_is_banned_by_all(pair: tuple[Any, Any]) -> None:
    clock = VirtualClock()
    one, other = [Guard(Sections(), clock, store=store.guard) for store in pair]
    network = network_of("192.0.2.66")
    for guard in (one, other):
        await guard.open()
    one.ban(network, 600.0, "by hand")
    await one.settled()
    assert other.connected("192.0.2.66", "smtp") is None
    await other.bans.follow()
    assert other.connected("192.0.2.66", "smtp") is not None
    await clock.advance(10)
    await other.bans.remove(network)
    assert one.connected("192.0.2.66", "smtp") is not None
    await one.bans.follow()
    assert one.connected("192.0.2.66", "smtp") is None
    await clock.advance(1)
    assert one.bans.add(network, AUTH, "again").strikes == 1
    await one.bans.follow()
    assert one.connected("192.0.2.66", "smtp") is not None, (
        "what is still to be written is not undone by what the store says"
    )
    await one.settled()
    await other.bans.follow()
    with pytest.raises(NotFound):
        await other.bans.remove(network_of("192.0.2.67"))
    await other.bans.remove(network)
    with pytest.raises(NotFound):
        await other.bans.remove(network)


async def test_who_was_put_off_by_one_node_may_come_again_to_another(pair: tuple[Any, Any]) -> None:
    clock = VirtualClock()
    one, other = [Greylist(schema.Greylist(), store.greylist, store.guard, clock) for store in pair]

    async def says(node: Greylist, sender: str) -> str:
        visit = Visit(Origin(client="192.0.2.1"), "smtp", None, Caller("192.0.2.1", None, None))  # type: ignore[arg-type]
        visit.sender, visit.recipient = sender, ANN
        said = await node.ask(visit)
        return "" if said is None else str(said.reply or said.reason)

    assert "try again in 300 seconds" in await says(one, "x@far.test")
    await clock.advance(100)
    assert "try again in 200 seconds" in await says(other, "x@far.test")
    await clock.advance(200)
    assert "came again" in await says(other, "x@far.test")
    assert await says(one, "x@far.test") == ""


async def test_what_a_client_does_is_counted_by_each_node_and_a_ban_is_all_nodes(pair: tuple[Any, Any]) -> None:
    """A guesser who goes round has as many guesses as nodes times the limit at most, and a client as many connections."""
    clock = VirtualClock()
    limits = schema.Limits(connections_per_client=5, messages_per_client=5, ban_auth_failures=10)
    guards = [Guard(Sections(limits), clock, store=store.guard) for store in pair]
    for guard in guards:
        await guard.open()
        assert [guard.connected("192.0.2.1", "smtp") is None for _ in range(6)] == [True] * 5 + [False]
        assert [await guard.message("192.0.2.1", "") is None for _ in range(6)] == [True] * 5 + [False]
    guesses = 0
    while all(guard.connected("192.0.2.2", "imap") is None for guard in guards):
        guard = guards[guesses % 2]
        guard.failed_login("192.0.2.2", ANN, "imap", b"%d" % guesses)
        guesses += 1
        await clock.advance(60)  # connections are few
        await guard.settled()
        for each in guards:
            await each.bans.follow()
    assert guesses == 19


async def test_sign_ins_of_browsers_meet_in_no_row(pair: tuple[Any, Any]) -> None:
    limits = BrowserLimits(4, 100, -1.0, -1.0)
    rows = [BrowserRow(f"d{n}", f"{n}", ANN, "", 1.0, float(n), 1.0, "", "") for n in range(13)]
    await asyncio.gather(*(pair[n % 2].browsers.put(row, limits) for n, row in enumerate(rows[:12])))
    assert await pair[0].engine.one("select 1 from turn") is None
    await pair[1].browsers.put(rows[12], limits)
    there = [row.id for row in await pair[0].browsers.of(ANN)]
    assert (len(there), there[0]) == (4, "12"), "the next one makes room"
