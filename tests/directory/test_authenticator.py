"""Signing in with a password, on the embedded store: what is right, what it costs, what is remembered, what is bounded."""

import asyncio
import logging
from typing import Any

import pytest
from support.signin import CountingHasher

from mailhub.config import schema
from mailhub.directory import Account, Authenticator, Directory, Hasher, passwords
from mailhub.directory.app_passwords import AppPasswords
from mailhub.directory.providers import Secret
from mailhub.directory.providers.stored import StoredPasswords
from mailhub.directory.second_factor import STEP, SecondFactors, code
from mailhub.model.clock import VirtualClock
from mailhub.model.errors import LimitReached, NotFound, Permanent, Temporary
from mailhub.store.api import AccountRow

AUTH = schema.Auth(failure_delay=0)


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def hasher() -> CountingHasher:
    return CountingHasher(2, 20)


class Door:
    """An authenticator, and its directory for changes."""

    def __init__(self, store: Any, clock: VirtualClock, hasher: Hasher, auth: schema.Auth = AUTH) -> None:
        self.directory = Directory(store.directory, auth, hasher, domains=["a.test"])
        self.stored = StoredPasswords(self.directory, auth, hasher)
        self.authenticator = Authenticator(self.directory, store.directory, auth, clock, hasher, [self.stored])

    def configure(self, auth: schema.Auth) -> None:
        self.authenticator.configure(auth)
        self.stored.auth = auth


@pytest.fixture
def door(store: Any, clock: VirtualClock, hasher: CountingHasher) -> Door:
    return Door(store, clock, hasher)


@pytest.fixture
def directory(door: Door) -> Directory:
    return door.directory


async def login(door: Door, name: str, password: str, service: str = "imap") -> Account | None:
    return await door.authenticator.authenticate(name, password, service=service, client="192.0.2.1")


async def test_the_right_password(door: Door, directory: Directory, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    await directory.add_account("bob@a.test", "s€cret")
    assert await login(door, "BOB@a.test", "s€cret") == Account("bob@a.test")
    assert await login(door, "bob@a.test", "s€creT") is None
    assert "imap: login of 'bob@a.test' from 192.0.2.1 refused: wrong password" in caplog.text
    assert "cret" not in caplog.text.lower()


async def test_what_is_refused_costs_a_hash_each_time(door: Door, directory: Directory, hasher: CountingHasher) -> None:
    await directory.add_account("bob@a.test", "secret")
    await directory.add_account("nologin@a.test", None)
    wrong = [("bob@a.test", "wrong"), ("nologin@a.test", ""), ("nobody@a.test", "secret"), ("bob", "secret"), ("", ""),
             ("bob@a.test", ""), ("bob@a.test", "secret\0"), ("bob@a.test", "x" * 2000), ("bob@a.test", "\ud800"),
             ("bob\ud800@a.test", "x"), ("bob@a.test", "wrong")]  # fmt: skip
    for n, (name, password) in enumerate(wrong, 1):
        assert await login(door, name, password) is None
        assert hasher.verified == n


async def test_an_account_that_is_not_enabled(door: Door, store: Any, directory: Directory) -> None:
    await store.directory.put_account(AccountRow("bob@a.test", passwords.hashed(b"secret"), False))
    assert await login(door, "bob@a.test", "secret") is None
    assert await directory.account("bob@a.test") == Account("bob@a.test", enabled=False)
    await directory.set_password("bob@a.test", "other")
    assert await login(door, "bob@a.test", "other") is None


async def test_a_right_password_is_remembered_for_a_while(
    door: Door, directory: Directory, hasher: CountingHasher, clock: VirtualClock
) -> None:
    await directory.add_account("bob@a.test", "secret")
    for _ in range(3):
        assert await login(door, "bob@a.test", "secret")
    assert hasher.verified == 1
    await clock.advance(AUTH.cache_seconds - 1)
    assert await login(door, "bob@a.test", "secret")
    assert hasher.verified == 1
    await clock.advance(1)
    assert await login(door, "bob@a.test", "secret")
    assert hasher.verified == 2


async def test_remembering_can_be_switched_off(door: Door, directory: Directory, hasher: CountingHasher) -> None:
    door.configure(schema.Auth(cache_seconds=0))
    await directory.add_account("bob@a.test", "secret")
    for _ in range(2):
        assert await login(door, "bob@a.test", "secret")
    assert hasher.verified == 2


async def test_a_changed_password_and_a_removed_account_are_forgotten_at_once(door: Door, directory: Directory) -> None:
    await directory.add_account("bob@a.test", "secret")
    assert await login(door, "bob@a.test", "secret")
    await directory.set_password("bob@a.test", "other")
    assert await login(door, "bob@a.test", "secret") is None
    assert await login(door, "bob@a.test", "other")
    await directory.remove_account("bob@a.test")
    assert await login(door, "bob@a.test", "other") is None
    await directory.add_account("bob@a.test", "third")
    assert await login(door, "bob@a.test", "other") is None
    with pytest.raises(NotFound):
        await directory.set_password("eve@a.test", "secret")


@pytest.mark.parametrize("password", ["", "a\0b", "x" * 1025])
async def test_passwords_that_nobody_may_have(door: Door, directory: Directory, password: str) -> None:
    await directory.add_account("bob@a.test", "secret")
    with pytest.raises(Permanent, match="1 to 1024 octets"):
        await directory.set_password("bob@a.test", password)
    assert await login(door, "bob@a.test", "secret")


async def test_one_hash_serves_all_who_ask_the_same(door: Door, directory: Directory, hasher: CountingHasher) -> None:
    await directory.add_account("bob@a.test", "secret")
    first = asyncio.create_task(login(door, "bob@a.test", "secret"))
    others = [asyncio.create_task(login(door, "bob@a.test", "secret")) for _ in range(50)]
    await asyncio.sleep(0)
    first.cancel()
    assert await asyncio.gather(*others) == [Account("bob@a.test")] * 50
    assert hasher.verified == 1
    assert first.cancelled()


async def test_logins_that_wait_are_bounded(store: Any, clock: VirtualClock) -> None:
    door = Door(store, clock, Hasher(1, 2))
    await door.directory.account("bob@a.test")  # remembered: all come to the hash in their order
    answers = await asyncio.gather(*(login(door, "bob@a.test", f"{n}") for n in range(5)), return_exceptions=True)
    assert answers[:3] == [None] * 3
    for refused in answers[3:]:
        assert isinstance(refused, LimitReached)
        assert refused.reply.code == 454
    assert await login(door, "bob@a.test", "5") is None


async def test_a_caller_that_goes_away_keeps_its_place_until_the_hash_is_done() -> None:
    hasher = Hasher(1, 0)
    gone = asyncio.create_task(hasher.hash(b"x", "ARGON2ID", (), 4096))
    await asyncio.sleep(0)
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    with pytest.raises(LimitReached):
        await hasher.hash(b"y", "ARGON2ID", (), 4096)


async def test_a_closed_hasher_is_temporary() -> None:
    hasher = Hasher(1, 1)
    hasher.close()
    with pytest.raises(Temporary):
        await hasher.hash(b"x", "ARGON2ID", (), 4096)


async def test_a_wrong_password_is_answered_after_the_delay(
    door: Door, directory: Directory, clock: VirtualClock
) -> None:
    door.configure(schema.Auth(failure_delay=3))
    task = asyncio.create_task(login(door, "bob@a.test", "wrong"))
    clock.attach(lambda: asyncio.wait([task], timeout=0.2))
    await clock.advance(2)
    assert not task.done()
    await clock.advance(1)
    assert task.done()


async def test_a_stored_password_that_can_not_be_read_is_temporary(
    door: Door, store: Any, directory: Directory
) -> None:
    await store.directory.put_account(AccountRow("bob@a.test", "{YESCRYPT}$y$j9T$x"))
    with pytest.raises(Temporary, match="YESCRYPT"):
        await login(door, "bob@a.test", "secret")


async def test_an_app_password_opens_its_services_without_a_slow_hash(
    door: Door, store: Any, clock: VirtualClock, hasher: CountingHasher
) -> None:
    await door.directory.add_account("bob@a.test", "secret")
    phone = await AppPasswords(store.directory, clock).add("bob@a.test", "phone", ["imap"])
    assert await login(door, "bob@a.test", phone) == Account("bob@a.test")
    assert hasher.verified == 0
    assert await login(door, "bob@a.test", phone, "submission") is None
    await store.directory.set_password("bob@a.test", passwords.hashed(b"x"))
    await store.directory.set_enabled("bob@a.test", False)
    closed = Door(store, clock, hasher)
    assert await login(closed, "bob@a.test", phone) is None


async def test_a_second_factor_leaves_mail_programs_their_app_passwords(
    door: Door, store: Any, clock: VirtualClock
) -> None:
    await door.directory.add_account("bob@a.test", "secret")
    phone = await AppPasswords(store.directory, clock).add("bob@a.test", "phone")
    factors = SecondFactors(store.directory, clock, "a.test")
    enrolled = await factors.begin("bob@a.test")
    assert await login(door, "bob@a.test", "secret")
    await factors.confirm("bob@a.test", code(enrolled.secret, int(clock.now()) // STEP))
    assert await login(door, "bob@a.test", "secret") is None
    assert await login(door, "bob@a.test", phone)
    assert await login(door, "bob@a.test", "secret", "web")
    door.configure(schema.Auth(failure_delay=0, second_factor_closes_protocols=False))
    assert await login(door, "bob@a.test", "secret")


async def test_a_login_writes_an_old_password_anew(door: Door, store: Any) -> None:
    await store.directory.put_account(AccountRow("bob@a.test", passwords.hashed(b"password", "SSHA")))
    assert await login(door, "bob@a.test", "passwort") is None
    assert await login(door, "bob@a.test", "password")
    await asyncio.gather(*door.stored.rehashes)
    row = await door.directory.stored("bob@a.test")
    assert row is not None
    assert not passwords.outdated(row.password, AUTH.scheme, AUTH.scram)
    assert await login(door, "bob@a.test", "password")


class Fixed:
    """A provider that says always the same."""

    def __init__(self, name: str, answer: str | Exception | None) -> None:
        self.name, self.answer = name, answer
        self.asked: list[str] = []

    async def verify(self, login: str, password: str, *, service: str, client: str) -> str | None:
        self.asked.append(password)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    async def secret(self, login: str) -> Secret | None:
        return None


async def test_providers_are_asked_in_their_order_and_one_that_is_away_makes_it_undecided(
    door: Door, store: Any, clock: VirtualClock, hasher: CountingHasher
) -> None:
    def made(*providers: Fixed) -> Authenticator:
        return Authenticator(door.directory, store.directory, AUTH, clock, hasher, providers)

    async def ask(authenticator: Authenticator, password: str = "x") -> Account | None:
        return await authenticator.authenticate("Bob@a.test", password, service="imap", client="")

    await door.directory.add_account("bob@a.test", None)
    yes, no, away = Fixed("yes", "Bob@A.test"), Fixed("no", None), Fixed("away", Temporary("gone"))
    assert await ask(made(no, yes)) == Account("bob@a.test")
    assert await ask(made(away, yes)) == Account("bob@a.test")
    assert await ask(made(no)) is None
    with pytest.raises(Temporary):
        await ask(made(away, no))
    asked = len(yes.asked)
    for password in ("", "a\0b", "x" * 1025):
        assert await ask(made(yes), password) is None
    assert len(yes.asked) == asked
