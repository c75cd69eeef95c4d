"""The directory on the embedded store: who exists, who may sign in, and that changes are seen at once."""

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mailhub.config import schema
from mailhub.directory import Account, Alias, Directory, Domain, Hasher, passwords
from mailhub.model.clock import VirtualClock
from mailhub.model.errors import Exists, LimitReached, NotFound, Permanent, Temporary
from mailhub.store.api import AccountRow
from mailhub.store.sqlite import SqliteStore

AUTH = schema.Auth(failure_delay=0)


class CountingHasher(Hasher):
    """A real hasher that tells how many hashes were verified."""

    verified = 0

    async def verify(self, stored: str, password: bytes) -> bool:
        self.verified += 1
        return await super().verify(stored, password)


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
async def store(tmp_path: Path, clock: VirtualClock) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(tmp_path, schema.Store(), clock, "mx.a.test")
    await store.open()
    yield store
    await store.close()


@pytest.fixture
def hasher() -> CountingHasher:
    return CountingHasher(2, 20)


@pytest.fixture
def directory(store: SqliteStore, clock: VirtualClock, hasher: CountingHasher) -> Directory:
    return Directory(store.directory, AUTH, clock, hasher, domains=["A.test"])


async def login(directory: Directory, name: str, password: str) -> Account | None:
    return await directory.authenticate(name, password, service="imap", client="192.0.2.1")


# --- domains, accounts, aliases ---


async def test_domains_of_the_config_and_of_the_store_are_one(directory: Directory) -> None:
    assert await directory.domain("a.TEST")
    assert not await directory.domain("b.test")
    assert await directory.add_domain("B.test") == "b.test"
    assert await directory.domain("b.test")
    assert await directory.domains() == [Domain("a.test", "config"), Domain("b.test", "store")]
    with pytest.raises(Exists):
        await directory.add_domain("a.test")
    directory.configure(AUTH, ["c.test"])
    assert not await directory.domain("a.test")
    assert await directory.domain("c.test")


async def test_a_domain_goes_when_nobody_lives_in_it(directory: Directory) -> None:
    await directory.add_domain("b.test")
    await directory.add_account("bob@b.test", None)
    with pytest.raises(Permanent, match=r"in use by bob@b\.test"):
        await directory.remove_domain("b.test")
    await directory.remove_account("bob@b.test")
    await directory.set_alias("@b.test", ["bob@a.test"])
    with pytest.raises(Permanent, match=r"in use by @b\.test"):
        await directory.remove_domain("b.test")
    await directory.remove_alias("@b.test")
    await directory.remove_domain("B.TEST")
    assert not await directory.domain("b.test")
    with pytest.raises(NotFound):
        await directory.remove_domain("b.test")
    with pytest.raises(Permanent, match="config file"):
        await directory.remove_domain("a.test")


async def test_an_account_comes_and_goes(directory: Directory) -> None:
    assert await directory.account("Bob@a.test") is None
    assert await directory.add_account("Bob@A.test", "secret") == Account("bob@a.test")
    assert await directory.account('"BOB"@a.test') == Account("bob@a.test")
    assert await directory.accounts() == [Account("bob@a.test")]
    with pytest.raises(Exists):
        await directory.add_account("bob@a.test", "secret")
    await directory.remove_account("BOB@a.test")
    assert await directory.account("bob@a.test") is None
    with pytest.raises(NotFound):
        await directory.remove_account("bob@a.test")


async def test_aliases_and_the_catch_all(directory: Directory) -> None:
    assert await directory.alias("info@a.test") is None
    made = await directory.set_alias("Info@a.test", ["bob@a.test", "Eve@X.example", "bob@a.test"])
    assert made == Alias("info@a.test", ("bob@a.test", "Eve@x.example"))
    assert await directory.alias("INFO@a.test") == made.targets
    await directory.set_alias("info@a.test", ["eve@a.test"])
    assert await directory.alias("info@a.test") == ("eve@a.test",)
    assert await directory.catch_all("a.test") is None
    await directory.set_alias("@A.test", ["bob@a.test"])
    assert await directory.catch_all("A.TEST") == ("bob@a.test",)
    assert await directory.alias("other@a.test") is None
    assert [alias.address for alias in await directory.aliases()] == ["@a.test", "info@a.test"]
    await directory.remove_alias("@a.test")
    assert await directory.catch_all("a.test") is None
    with pytest.raises(NotFound):
        await directory.remove_alias("@a.test")


@pytest.mark.parametrize(
    "address",
    ["bob", "@a.test", "bob@", "a/b@a.test", "..@a.test", ".b@a.test", "b.@a.test", "a b@a.test", "a\0b@a.test", "a\nb@a.test",
     "a%b@a.test", "a!b@a.test", "x" * 65 + "@a.test", "bob@a_b.test", '"a@b"@a.test'],
)  # fmt: skip
async def test_names_that_no_account_may_have(directory: Directory, address: str) -> None:
    with pytest.raises(Permanent):
        await directory.add_account(address, "secret")


async def test_names_from_all_the_world(directory: Directory) -> None:
    assert await directory.add_account("Jürgen.O'Neil+x@a.test", None) == Account("jürgen.o'neil+x@a.test")


async def test_accounts_and_aliases_live_in_our_domains_only(directory: Directory) -> None:
    with pytest.raises(NotFound, match=r"mailhub domain add b\.test"):
        await directory.add_account("bob@b.test", "secret")
    with pytest.raises(NotFound):
        await directory.set_alias("bob@b.test", ["bob@a.test"])


@pytest.mark.parametrize("targets", [[], ["bob"], ["bob@"], ["a\nb@a.test"], ["b@-x.test"]])
async def test_targets_that_no_alias_may_have(directory: Directory, targets: list[str]) -> None:
    with pytest.raises(Permanent):
        await directory.set_alias("info@a.test", targets)


async def test_look_ups_are_remembered_within_a_bound(
    store: SqliteStore, clock: VirtualClock, hasher: CountingHasher
) -> None:
    class Counting:
        def __init__(self) -> None:
            self.asked: list[str] = []

        def account(self, name: str) -> AccountRow | None:
            self.asked.append(name)
            return store.directory.account(name)

        def __getattr__(self, name: str) -> object:
            return getattr(store.directory, name)

    counting = Counting()
    directory = Directory(counting, AUTH, clock, hasher, domains=["a.test"], cache_limit=2)  # type: ignore[arg-type]
    for name in ("x@a.test", "y@a.test", "x@a.test", "z@a.test", "x@a.test", "y@a.test"):
        await directory.account(name)
    assert counting.asked == ["x@a.test", "y@a.test", "z@a.test", "y@a.test"]


# --- signing in ---


async def test_the_right_password(directory: Directory, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    await directory.add_account("bob@a.test", "s€cret")
    assert await login(directory, "BOB@a.test", "s€cret") == Account("bob@a.test")
    assert await login(directory, "bob@a.test", "s€creT") is None
    assert "imap: login of 'bob@a.test' from 192.0.2.1 refused: wrong password" in caplog.text
    assert "cret" not in caplog.text.lower()


async def test_what_is_refused_costs_a_hash_each_time(directory: Directory, hasher: CountingHasher) -> None:
    await directory.add_account("bob@a.test", "secret")
    await directory.add_account("nologin@a.test", None)
    wrong = [("bob@a.test", "wrong"), ("nologin@a.test", ""), ("nobody@a.test", "secret"), ("bob", "secret"), ("", ""),
             ("bob@a.test", ""), ("bob@a.test", "secret\0"), ("bob@a.test", "x" * 2000), ("bob@a.test", "\ud800"),
             ("bob\ud800@a.test", "x"), ("bob@a.test", "wrong")]  # fmt: skip
    for n, (name, password) in enumerate(wrong, 1):
        assert await login(directory, name, password) is None
        assert hasher.verified == n


async def test_an_account_that_is_not_enabled(store: SqliteStore, directory: Directory) -> None:
    await store.directory.put_account(AccountRow("bob@a.test", passwords.hashed(b"secret"), False), replace=False)
    assert await login(directory, "bob@a.test", "secret") is None
    assert await directory.account("bob@a.test") == Account("bob@a.test", enabled=False)
    await directory.set_password("bob@a.test", "other")
    assert await login(directory, "bob@a.test", "other") is None


async def test_a_right_password_is_remembered_for_a_while(
    directory: Directory, hasher: CountingHasher, clock: VirtualClock
) -> None:
    await directory.add_account("bob@a.test", "secret")
    for _ in range(3):
        assert await login(directory, "bob@a.test", "secret")
    assert hasher.verified == 1
    await clock.advance(AUTH.cache_seconds - 1)
    assert await login(directory, "bob@a.test", "secret")
    assert hasher.verified == 1
    await clock.advance(1)
    assert await login(directory, "bob@a.test", "secret")
    assert hasher.verified == 2


async def test_remembering_can_be_switched_off(directory: Directory, hasher: CountingHasher) -> None:
    directory.configure(schema.Auth(cache_seconds=0), ["a.test"])
    await directory.add_account("bob@a.test", "secret")
    for _ in range(2):
        assert await login(directory, "bob@a.test", "secret")
    assert hasher.verified == 2


async def test_a_changed_password_and_a_removed_account_are_forgotten_at_once(directory: Directory) -> None:
    await directory.add_account("bob@a.test", "secret")
    assert await login(directory, "bob@a.test", "secret")
    await directory.set_password("bob@a.test", "other")
    assert await login(directory, "bob@a.test", "secret") is None
    assert await login(directory, "bob@a.test", "other")
    await directory.remove_account("bob@a.test")
    assert await login(directory, "bob@a.test", "other") is None
    await directory.add_account("bob@a.test", "third")
    assert await login(directory, "bob@a.test", "other") is None
    with pytest.raises(NotFound):
        await directory.set_password("eve@a.test", "secret")


@pytest.mark.parametrize("password", ["", "a\0b", "x" * 1025])
async def test_passwords_that_nobody_may_have(directory: Directory, password: str) -> None:
    await directory.add_account("bob@a.test", "secret")
    with pytest.raises(Permanent, match="1 to 1024 octets"):
        await directory.set_password("bob@a.test", password)
    assert await login(directory, "bob@a.test", "secret")


async def test_one_hash_serves_all_who_ask_the_same(directory: Directory, hasher: CountingHasher) -> None:
    await directory.add_account("bob@a.test", "secret")
    first = asyncio.create_task(login(directory, "bob@a.test", "secret"))
    others = [asyncio.create_task(login(directory, "bob@a.test", "secret")) for _ in range(50)]
    await asyncio.sleep(0)
    first.cancel()
    assert await asyncio.gather(*others) == [Account("bob@a.test")] * 50
    assert hasher.verified == 1
    assert first.cancelled()


async def test_logins_that_wait_are_bounded(store: SqliteStore, clock: VirtualClock) -> None:
    directory = Directory(store.directory, AUTH, clock, Hasher(1, 2), domains=["a.test"])
    answers = await asyncio.gather(*(login(directory, "bob@a.test", f"{n}") for n in range(5)), return_exceptions=True)
    assert answers[:3] == [None] * 3
    for refused in answers[3:]:
        assert isinstance(refused, LimitReached)
        assert refused.reply.code == 454
    assert await login(directory, "bob@a.test", "5") is None


async def test_a_caller_that_goes_away_keeps_its_place_until_the_hash_is_done() -> None:
    hasher = Hasher(1, 0)
    gone = asyncio.create_task(hasher.hash(b"x"))
    await asyncio.sleep(0)
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    with pytest.raises(LimitReached):
        await hasher.hash(b"y")


async def test_a_closed_hasher_is_temporary() -> None:
    hasher = Hasher(1, 1)
    hasher.close()
    with pytest.raises(Temporary):
        await hasher.hash(b"x")


async def test_a_wrong_password_is_answered_after_the_delay(directory: Directory, clock: VirtualClock) -> None:
    directory.configure(schema.Auth(failure_delay=3), ["a.test"])
    task = asyncio.create_task(login(directory, "bob@a.test", "wrong"))
    clock.attach(lambda: asyncio.wait([task], timeout=0.2))
    await clock.advance(2)
    assert not task.done()
    await clock.advance(1)
    assert task.done()


async def test_a_stored_password_that_can_not_be_read_is_temporary(store: SqliteStore, directory: Directory) -> None:
    await store.directory.put_account(AccountRow("bob@a.test", "{YESCRYPT}$y$j9T$x"), replace=False)
    with pytest.raises(Temporary, match="YESCRYPT"):
        await login(directory, "bob@a.test", "secret")
