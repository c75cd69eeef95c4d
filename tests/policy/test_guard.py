"""The guard on a virtual clock: rates, bans, wrong passwords, accounts; its memory under a flood."""

import asyncio
import logging
from typing import Any

import pytest
from support.stores import Stores

from mailhub.config import schema
from mailhub.model.clock import VirtualClock
from mailhub.model.errors import Temporary
from mailhub.policy import Guard, Sections
from mailhub.policy.account_limits import digest
from mailhub.policy.bans import network_of

BAD, OTHER, ANN = "192.0.2.66", "198.51.100.7", "ann@a.test"
NO_NETWORKS = schema.Smtp(mynetworks=())


class JumpingClock(VirtualClock):
    """`wrong`: seconds by which the wall clock is."""

    wrong = 0.0

    def now(self) -> float:
        return super().now() + self.wrong


@pytest.fixture
def clock() -> JumpingClock:
    return JumpingClock()


def guard_of(clock: VirtualClock, store: Any | None = None, **limits: object) -> Guard:
    sections = Sections(limits=schema.Limits(**limits), smtp=NO_NETWORKS)  # type: ignore[arg-type]
    return Guard(sections, clock, store=None if store is None else store.guard)


def guess(guard: Guard, client: str, login: str, attempt: bytes) -> bool:
    """A wrong password; whether it was looked at."""
    try:
        guard.failed_login(client, login, "imap", attempt)
    except Temporary:
        return False
    return True


def attack(guard: Guard, client: str = BAD, times: int = 10) -> None:
    for n in range(times):
        guess(guard, client, ANN, b"%d" % n)


async def test_wrong_passwords_in_all_services_together_get_a_client_banned(
    clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    guard = guard_of(clock)
    with caplog.at_level(logging.WARNING):
        for n, service in enumerate(("smtp", "pop3", "imap") * 3):
            guard.failed_login(BAD, f"user{n}", service, b"x")
            assert guard.connected(BAD, service) is None
        guard.failed_login(BAD, "one more", "pop3", b"x")
    assert [record.message.split(":")[0] for record in caplog.records] == ["ban of 192.0.2.66/32 for 900 s"]
    for service in ("smtp", "submission", "pop3", "imap"):
        refusal = guard.connected(BAD, service)
        assert refusal is not None
        assert refusal.code == 421
    assert guard.connected(OTHER, "imap") is None
    assert guard.refused == {"banned: AUTH failures": 4}
    await clock.advance(900)
    assert guard.connected(BAD, "imap") is None


async def test_a_program_with_an_old_password_is_no_guesser(clock: VirtualClock) -> None:
    guard = guard_of(clock)
    for _ in range(1_000):
        guard.failed_login(BAD, ANN, "imap", b"the old one")
        guard.admit(BAD, ANN, "imap")
    assert guard.connected(BAD, "imap") is None


async def test_bans_grow_and_end_and_are_forgotten(clock: VirtualClock) -> None:
    guard = guard_of(clock, ban_seconds=100.0, ban_seconds_max=2_000.0)
    lengths = []
    for _ in range(4):
        await clock.advance(3_700)
        for n in range(10):
            guess(guard, BAD, f"user{n}@a.test", b"%d" % n)
        (ban,) = guard.bans.all()
        lengths.append(ban.until - clock.now())
        await clock.advance(ban.until - clock.now())
        assert guard.bans.all() == []
    assert lengths == [100, 400, 1_600, 2_000]


async def test_bans_outlive_a_restart_and_the_store_is_asked_to_forget(clock: VirtualClock, store: Any) -> None:
    first = guard_of(clock, store)
    attack(first)
    first.ban(network_of("2001:db8::/48"), 60.0, "a note")
    await first.settled()
    second = guard_of(clock, store)
    await second.open()
    assert {(ban.network, ban.cause, ban.note != "") for ban in second.bans.all()} == {
        ("192.0.2.66/32", "AUTH failures", True), ("2001:db8::/48", "operator", True),
    }  # fmt: skip
    assert second.connected(BAD, "pop3") is not None
    assert second.connected("2001:db8:0:ffff::1", "smtp") is not None
    await second.bans.remove(network_of(BAD))
    third = guard_of(clock, store)
    await third.open()
    assert third.connected(BAD, "pop3") is None
    await clock.advance(30 * 86_400)
    attack(third, OTHER)
    await third.settled()
    assert [row.network for row in await store.guard.bans()] == [f"{OTHER}/32"]


async def test_errors_and_early_talk_ban_from_smtp_alone(clock: VirtualClock) -> None:
    guard = guard_of(clock)
    for _ in range(2):
        guard.error(BAD)
        guard.early(BAD)
    assert guard.connected(BAD, "smtp") is None
    guard.early(BAD)
    assert guard.connected(BAD, "smtp") is not None
    assert guard.connected(BAD, "submission") is None
    assert guard.connected(BAD, "imap") is None


async def test_who_signed_in_or_is_allowed_is_never_banned(clock: VirtualClock) -> None:
    sections = Sections(limits=schema.Limits(allow=(f"{OTHER}/32",)), smtp=schema.Smtp(mynetworks=("203.0.113.0/24",)))
    guard = Guard(sections, clock)
    guard.signed_in(BAD, "own@a.test", "imap")
    for client in (BAD, OTHER, "203.0.113.5", ""):
        for n in range(200):
            guess(guard, client, f"user{n}", b"%d" % n)
            guard.error(client)
            guard.early(client)
        assert guard.connected(client, "smtp") is None
    assert guard.bans.all() == []
    with pytest.raises(Temporary):  # it may not try others without end either
        guard.admit(BAD, ANN, "imap")
    guard.admit(BAD, "own@a.test", "imap")
    guard.signed_in(BAD, "own@a.test", "imap")  # one account of his own is no key to the others
    with pytest.raises(Temporary):
        guard.admit(BAD, ANN, "imap")
    for address in (OTHER, "203.0.113.5"):
        with pytest.raises(ValueError, match="allow-listed"):
            guard.ban(network_of(address), 60.0, "")


async def test_an_attack_does_not_lock_the_owner_out_elsewhere(clock: VirtualClock) -> None:
    guard = guard_of(clock)
    for n in range(500):
        attack(guard, f"192.0.{n // 250}.{n % 250}", 5)
    guard.admit(OTHER, ANN, "imap")
    guard.signed_in(OTHER, ANN, "imap")
    assert guard.connected(OTHER, "imap") is None
    assert [(alert.event, alert.subject) for alert in guard.alerts.all()] == [("account-under-attack", ANN)]


async def test_wrong_answers_come_slower_and_slower(clock: VirtualClock) -> None:
    guard = guard_of(clock, ban_auth_failures=0)
    delays = [guard.failed_login(BAD, ANN, "imap", b"%d" % n) for n in range(8)]
    assert delays == [1, 1, 2, 4, 8, 16, 16, 16]
    await clock.advance(2 * 3_600)
    assert guard.failed_login(BAD, ANN, "imap") == 1


async def test_rates_of_a_client(clock: VirtualClock) -> None:
    guard = guard_of(clock, connections_per_client=3, messages_per_client=2, recipients_per_client=4)
    v6 = [f"2001:db8::{n:x}" for n in range(1, 5)]
    assert [guard.connected(client, "smtp") is None for client in v6] == [True, True, True, False]
    assert guard.connected("2001:db8:0:1::1", "smtp") is None
    assert [await guard.message(BAD, "") is None for _ in range(3)] == [True, True, False]
    assert [await guard.recipient(BAD, "", "x@a.test") is None for _ in range(5)] == [True] * 4 + [False]
    assert guard.refused == {"connection rate": 1, "message rate": 1, "recipient rate": 1}
    await clock.advance(120)
    assert guard.connected(v6[0], "smtp") is None
    assert await guard.message(BAD, "") is None


async def test_a_flood_of_addresses_does_not_grow_the_tables(clock: VirtualClock) -> None:
    guard = guard_of(clock, table_limit=1_000)
    for n in range(20_000):
        client = f"10.0.{n >> 8}.{n & 255}"
        guard.connected(client, "smtp")
        await guard.message(client, "")
        await guard.recipient(client, "", "x@a.test")
        guess(guard, client, f"user{n}@a.test", b"x")
        guard.early(client)
        guard.waited(client)
        if n % 100 == 0:
            attack(guard, client)
    tables = {
        name: len(table) for name, table in vars(guard).items() if hasattr(table, "window") or hasattr(table, "keep")
    }
    assert len(tables) == 11
    assert max(tables.values()) <= 1_000
    assert len(guard.bans) <= 1_000
    assert len(guard.alerts.all()) <= 100


async def test_an_operators_bans_stay_when_there_are_too_many(clock: VirtualClock) -> None:
    guard = guard_of(clock, table_limit=100)
    guard.ban(network_of("203.0.113.0/24"), 10.0, "")
    for n in range(250):
        attack(guard, f"192.0.2.{n}")
    assert guard.connected("203.0.113.77", "imap") is not None
    assert len(guard.bans) <= 100


async def test_an_account_has_its_messages_a_day(clock: VirtualClock, store: Any) -> None:
    guard = guard_of(clock, store, messages_per_account=3)
    assert [await guard.sent(ANN, ["x@b.test"]) is None for _ in range(3)] == [True] * 3
    for refusal in (await guard.message(OTHER, ANN), await guard.sent(ANN, ["x@b.test"])):
        assert refusal is not None
        assert (refusal.code, refusal.enhanced) == (450, "4.7.1")
    assert await guard.message(OTHER, "ben@a.test") is None
    assert [(alert.event, alert.subject) for alert in guard.alerts.all()] == [("account-message-limit", ANN)]
    await guard.settled()
    again = guard_of(clock, store, messages_per_account=3)
    assert await again.message(OTHER, ANN) is not None
    await clock.advance(86_400)
    assert await again.message(OTHER, ANN) is None


async def test_an_account_has_its_new_recipients_a_day(clock: VirtualClock, store: Any) -> None:
    guard = guard_of(clock, store, new_recipients_per_account=3)
    first = [f"r{n}@b.test" for n in range(3)]
    assert [await guard.recipient(OTHER, ANN, to) is None for to in (*first, *first)] == [True] * 6
    assert await guard.recipient(OTHER, ANN, "r3@b.test") is not None
    await guard.sent(ANN, first)
    await guard.sent(ANN, first)
    await guard.settled()
    assert await store.guard.sent(ANN, int(clock.now()) // 86_400) == (2, 3)
    again = guard_of(clock, store, new_recipients_per_account=3)
    assert await again.recipient(OTHER, ANN, "R1@B.test") is None
    assert await again.recipient(OTHER, ANN, "r4@b.test") is not None
    assert [alert.event for alert in again.alerts.all()] == ["account-recipient-limit"]
    await clock.advance(86_400)
    assert [await again.recipient(OTHER, ANN, to) is None for to in (*first, "r4@b.test", "r5@b.test")] == [True] * 5


async def test_recipients_remembered_are_bounded_and_go_with_their_day(
    clock: VirtualClock, store: Any, stores: Stores
) -> None:
    guard = guard_of(clock, store, recipients_known=10, new_recipients_per_account=0)
    for day in range(5):
        await guard.sent(ANN, [f"r{day}.{n}@b.test" for n in range(300)])
        await guard.settled()
        await clock.advance(86_400)
    assert (stores.count("wrote_to"), stores.count("sent")) == (10, 1)
    assert sum([await store.guard.wrote_to(ANN, digest(f"r4.{n}@b.test")) for n in range(300)]) == 10


async def test_sessions_of_one_account_are_bounded(clock: VirtualClock) -> None:
    sections = Sections(smtp=NO_NETWORKS, sessions=schema.Sessions(limit_per_account=2))
    guard = Guard(sections, clock, sessions_of={ANN: 2, "ben@a.test": 1}.__getitem__)
    guard.signed_in(OTHER, "ben@a.test", "imap")
    with pytest.raises(Temporary):
        guard.signed_in(OTHER, ANN, "imap")


# --- as an attacker sees it ---


async def test_guesses_made_at_once_are_no_more_than_one_after_another(clock: VirtualClock) -> None:
    """Five hundred connections, each with a guess under way when the first is answered; the right one is not told from others."""
    guard = guard_of(clock)
    for _ in range(500):
        guard.admit(BAD, ANN, "imap")
    assert sum(guess(guard, BAD, ANN, b"%d" % n) for n in range(400)) == 10
    with pytest.raises(Temporary):
        guard.signed_in(BAD, ANN, "imap")
    with pytest.raises(Temporary):  # nor from a connection that was there before the ban
        guard.admit(BAD, "ben@a.test", "pop3")
    guard.signed_in(OTHER, ANN, "imap")


async def test_own_mistakes_taken_back_buy_no_guesses_later(clock: VirtualClock) -> None:
    guard = guard_of(clock)
    guess(guard, BAD, ANN, b"first")
    await clock.advance(3_590)
    for n in range(8):
        guess(guard, BAD, "mallory@a.test", b"%d" % n)
    await clock.advance(11)
    guess(guard, BAD, ANN, b"second")
    await clock.advance(3_589)
    guard.signed_in(BAD, "mallory@a.test", "imap")
    assert sum(guess(guard, BAD, f"victim{n}@a.test", b"x") for n in range(100)) <= 10


async def test_hopping_through_a_network_does_not_evade_a_ban(clock: VirtualClock) -> None:
    guard = guard_of(clock)
    guard.signed_in("2001:db8:7:ffff::1", "own@a.test", "imap")
    assert sum(guess(guard, f"2001:db8:7:{n:x}::1", f"user{n}", b"%d" % n) for n in range(2_000)) == 80
    assert guard.connected("2001:db8:7:eeee::1", "imap") is not None
    assert guard.connected("2001:db8:8::1", "imap") is None
    assert guard.connected("2001:db8:7:ffff::1", "imap") is None  # somebody signed in from there
    for n in range(2_000):
        if guard.connected(f"2001:db8:9:{n:x}::1", "smtp") is None:
            guard.early(f"2001:db8:9:{n:x}::1")
    assert guard.refused["speech before the greeting"] == 40
    assert {ban.network for ban in guard.bans.all()} == {"2001:db8:7::/48", "2001:db8:9::/48"}
    assert guard.connected("2001:db8:9::1", "submission") is None


async def test_an_ipv4_client_has_no_wider_network(clock: VirtualClock) -> None:
    guard = guard_of(clock)
    for n in range(200):
        guess(guard, f"192.0.2.{n}", f"user{n}", b"x")
    assert guard.bans.all() == []


async def test_one_client_can_not_push_others_out_of_the_tables(clock: VirtualClock) -> None:
    guard = guard_of(clock, table_limit=500)
    for n in range(9):
        guess(guard, OTHER, ANN, b"%d" % n)
    for n in range(2_000):
        guess(guard, BAD, f"user{n}", b"x")
        guess(guard, f"2001:db8:7:{n:x}::1", f"user{n}", b"x")
    assert guess(guard, OTHER, ANN, b"the tenth")
    assert guard.connected(OTHER, "imap") is not None


async def test_a_limit_is_one_for_parallel_sessions(clock: VirtualClock, store: Any) -> None:
    guard = guard_of(clock, store, messages_per_account=10, new_recipients_per_account=20)
    assert all([await guard.message(OTHER, ANN) is None for _ in range(100)])
    assert sum([await guard.recipient(OTHER, ANN, f"r{n}@b.test") is None for n in range(100)]) == 20
    assert sum([await guard.sent(ANN, [f"r{n}@b.test"]) is None for n in range(100)]) == 10


class Late:
    """A store that answers when everybody has asked it."""

    def __init__(self, store: Any, sessions: int) -> None:
        self._rows, self._all = store.guard, asyncio.Barrier(sessions)

    async def sent(self, account: str, day: int) -> tuple[int, int]:
        counts = await self._rows.sent(account, day)
        await self._all.wait()
        return counts

    async def wrote_to(self, account: str, recipient: bytes) -> bool:
        known = await self._rows.wrote_to(account, recipient)
        await self._all.wait()
        return known

    def __getattr__(self, name: str) -> object:
        return getattr(self._rows, name)


@pytest.mark.parametrize("recipients", [["x@b.test"] * 8, [f"r{n}@b.test" for n in range(8)]])
async def test_a_limit_is_one_for_sessions_that_wait_for_the_store_together(
    clock: VirtualClock, store: Any, recipients: list[str]
) -> None:
    sections = Sections(schema.Limits(messages_per_account=3, new_recipients_per_account=3))
    guard = Guard(sections, clock, store=Late(store, 8))  # type: ignore[arg-type]
    named = await asyncio.gather(*(guard.recipient(OTHER, ANN, to) for to in recipients))
    assert named.count(None) == (8 if len(set(recipients)) == 1 else 3)
    granted = [to for to, refusal in zip(recipients, named, strict=True) if refusal is None]
    sent = await asyncio.gather(*(guard.sent(ANN, [to]) for to in granted * 3))
    assert sent.count(None) == 3
    await guard.settled()
    assert await store.guard.sent(ANN, int(clock.now()) // 86_400) == (3, len(set(granted)))


async def test_a_clock_set_back_over_midnight_renews_nothing(clock: JumpingClock, store: Any) -> None:
    guard = guard_of(clock, store, messages_per_account=3)
    clock.wrong = 86_400.0 - clock.now() % 86_400
    assert [await guard.sent(ANN, ["x@b.test"]) is None for _ in range(4)] == [True] * 3 + [False]
    clock.wrong -= 2
    assert await guard.message(OTHER, ANN) is not None
    clock.wrong += 86_402
    assert await guard.message(OTHER, ANN) is None
    await guard.settled()


async def test_a_ban_made_while_the_clock_was_wrong_lasts_no_longer(clock: JumpingClock, store: Any) -> None:
    clock.wrong = 10 * 365 * 86_400.0
    first = guard_of(clock, store)
    attack(first)
    await first.settled()
    clock.wrong = 0.0
    second = guard_of(clock, store)
    await second.open()
    assert second.connected(BAD, "imap") is not None
    await clock.advance(901)
    assert second.connected(BAD, "imap") is None
