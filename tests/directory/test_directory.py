"""The directory on the embedded store: who exists, who may sign in, and that changes are seen at once."""

import asyncio
from typing import Any

import pytest
from support.signin import CountingHasher

from mailhub.config import schema
from mailhub.directory import Account, Alias, Directory, Domain
from mailhub.model.clock import VirtualClock
from mailhub.model.errors import Exists, NotFound, Permanent
from mailhub.store.api import AccountRow

AUTH = schema.Auth(failure_delay=0)


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def hasher() -> CountingHasher:
    return CountingHasher(2, 20)


@pytest.fixture
def directory(store: Any, clock: VirtualClock, hasher: CountingHasher) -> Directory:
    return Directory(store.directory, AUTH, hasher, domains=["A.test"])


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


async def test_a_domain_that_the_config_has_no_more_is_administered_by_nobody(directory: Directory) -> None:
    await directory.add_account("ann@a.test", "secret")
    await directory.add_admin("a.test", "ann@a.test")
    assert await directory.administered("ann@a.test") == ("a.test",)
    directory.configure(AUTH, ["c.test"])
    assert await directory.administered("ann@a.test") == ()
    assert not await directory.administers("ann@a.test", "a.test")


@pytest.mark.parametrize("address", ['""ann""@a.test', '"\\"ann\\""@a.test'])
async def test_quotes_are_taken_away_once(directory: Directory, address: str) -> None:
    """Who judges an address by its key form and who acts upon it mean the same account."""
    await directory.add_account("ann@a.test", "secret")
    for change in (
        directory.set_enabled(address, False), directory.set_password(address, "other"), directory.forward(address),
        directory.set_forward(address, ["x@far.test"], keep=False), directory.add_admin("a.test", address),
    ):  # fmt: skip
        with pytest.raises(NotFound):
            await change
    assert await directory.account("ann@a.test") == Account("ann@a.test")
    assert await directory.alias("ann@a.test") is None


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


async def test_look_ups_are_remembered_within_a_bound(store: Any, clock: VirtualClock, hasher: CountingHasher) -> None:
    class Counting:
        def __init__(self) -> None:
            self.asked: list[str] = []

        async def account(self, name: str) -> AccountRow | None:
            self.asked.append(name)
            return await store.directory.account(name)

        def __getattr__(self, name: str) -> object:
            return getattr(store.directory, name)

    counting = Counting()
    directory = Directory(counting, AUTH, hasher, domains=["a.test"], cache_limit=2)  # type: ignore[arg-type]
    for name in ("x@a.test", "y@a.test", "x@a.test", "z@a.test", "x@a.test", "y@a.test"):
        await directory.account(name)
    assert counting.asked == ["x@a.test", "y@a.test", "z@a.test", "y@a.test"]


class Late:
    """A store whose answers take as long as one likes: each look-up reads at once, and tells it when `go` is set."""

    def __init__(self, store: Any) -> None:
        self._rows, self.go = store.directory, asyncio.Event()

    async def account(self, name: str) -> AccountRow | None:
        row = await self._rows.account(name)
        await self.go.wait()
        return row

    def __getattr__(self, name: str) -> object:
        return getattr(self._rows, name)


async def test_an_answer_from_before_a_change_is_not_remembered(
    store: Any, clock: VirtualClock, hasher: CountingHasher
) -> None:
    late = Late(store)
    directory = Directory(late, AUTH, hasher, domains=["a.test"])  # type: ignore[arg-type]
    asked = asyncio.create_task(directory.account("bob@a.test"))
    await asyncio.sleep(0)
    await directory.add_account("bob@a.test", None)
    late.go.set()
    assert await asked is None
    assert await directory.account("bob@a.test") == Account("bob@a.test")


async def test_a_password_that_was_changed_meanwhile_stays(
    store: Any, clock: VirtualClock, hasher: CountingHasher
) -> None:
    directory = Directory(store.directory, AUTH, hasher, domains=["a.test"])
    await directory.add_account("bob@a.test", "old")
    row = await directory.stored("bob@a.test")
    assert row is not None
    await store.directory.set_password("bob@a.test", "{PLAIN}new")  # by another node: this one remembers the old row
    await directory.rehash(row, "old")
    found = await store.directory.account("bob@a.test")
    assert found is not None
    assert found.password == "{PLAIN}new"
    await directory.set_enabled("bob@a.test", False)
    assert await store.directory.account("bob@a.test") == AccountRow("bob@a.test", "{PLAIN}new", False)
