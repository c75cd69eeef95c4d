"""Accounts, aliases, domains and what opens accounts: rows by name, the same on either store."""

import asyncio
from typing import Any

import pytest
from msgspec.structs import replace

from mailhub.model.errors import Exists, LimitReached, NotFound
from mailhub.store.api import (
    AccountRow,
    AliasRow,
    AppPasswordRow,
    PasskeyRow,
    ScriptLimits,
    SecondFactorRow,
)

ANN, BOB = "ann@a.test", "bob@a.test"


@pytest.fixture
def rows(store: Any) -> Any:
    return store.directory


async def test_an_account_is_made_changed_and_removed(rows: Any) -> None:
    assert await rows.account(ANN) is None
    await rows.put_account(AccountRow(ANN, "{PLAIN}é", False))
    with pytest.raises(Exists):
        await rows.put_account(AccountRow(ANN, ""))
    assert await rows.account(ANN) == AccountRow(ANN, "{PLAIN}é", False)
    await rows.set_enabled(ANN, True)
    await rows.set_enabled(ANN, True)
    await rows.set_password(ANN, "new")
    assert await rows.account(ANN) == AccountRow(ANN, "new", True)
    await rows.delete_account(ANN)
    for call in (rows.delete_account(ANN), rows.set_password(ANN, ""), rows.set_enabled(ANN, False)):
        with pytest.raises(NotFound):
            await call


async def test_a_password_that_is_another_by_now_stays(rows: Any) -> None:
    await rows.put_account(AccountRow(ANN, "old"))
    await rows.set_password(ANN, "new", known="old")
    await rows.set_password(ANN, "newest", known="old")
    assert await rows.account(ANN) == AccountRow(ANN, "new")
    with pytest.raises(NotFound):
        await rows.set_password(BOB, "x", known="y")


async def test_names_are_compared_octet_by_octet(rows: Any) -> None:
    await rows.put_account(AccountRow(ANN, ""))
    await rows.put_account(AccountRow("zoé@a.test", ""))
    for other in ("Ann@a.test", "ann@a.test ", "zoe@a.test", "ZOÉ@a.test", "ann@a.test\0", "' or 1=1 -- "):
        assert await rows.account(other) is None
    assert await rows.account("zoé@a.test") is not None
    await rows.put_account(AccountRow("zoe@a.test", ""))
    await rows.put_domain("a.test")
    assert not await rows.domain("A.test")
    assert await rows.domain("a.test")


async def test_lists_come_in_pages_in_the_order_of_octets(rows: Any) -> None:
    names = ["a@x.test", "a_b@x.test", "b@x.test", "z@x.test", "é@x.test", "日本@x.test", "😀@x.test"]
    for name in reversed(names):
        await rows.put_account(AccountRow(name, ""))
        await rows.put_alias(AliasRow(name, (BOB,)))
        await rows.put_domain(name.partition("@")[0])
    assert [row.name for row in await rows.accounts()] == names
    assert [row.name for row in await rows.accounts("b@x.test", 2)] == names[3:5]
    assert [row.address for row in await rows.aliases("é@x.test", 1)] == ["日本@x.test"]
    assert await rows.domains() == [name.partition("@")[0] for name in names]


async def test_aliases(rows: Any) -> None:
    await rows.put_alias(AliasRow("info@a.test", (ANN, "Far@B.test")))
    await rows.put_alias(AliasRow("info@a.test", ("Ann@A.test",)))
    await rows.put_alias(AliasRow("both@a.test", (ANN, BOB)))
    await rows.put_alias(AliasRow("@a.test", (ANN,)))
    await rows.put_alias(AliasRow("anna@a.test", (ANN,)))
    assert await rows.alias("info@a.test") == AliasRow("info@a.test", ("Ann@A.test",))
    assert await rows.alias("none@a.test") is None
    assert await rows.aliases_to(ANN, 10) == ["anna@a.test", "info@a.test"]
    assert await rows.aliases_to(ANN, 1) == ["anna@a.test"]
    await rows.delete_alias("info@a.test")
    with pytest.raises(NotFound):
        await rows.delete_alias("info@a.test")


async def test_who_administers_a_domain(rows: Any) -> None:
    with pytest.raises(NotFound):
        await rows.put_admin("a.test", ANN)
    for name in (BOB, ANN):
        await rows.put_account(AccountRow(name, ""))
        await rows.put_admin("a.test", name)
        await rows.put_admin("a.test", name)
    await rows.put_domain("a.test")
    assert await rows.admins("a.test") == [ANN, BOB]
    await rows.delete_admin("a.test", BOB)
    with pytest.raises(NotFound):
        await rows.delete_admin("a.test", BOB)
    assert (await rows.administers(ANN, "a.test"), await rows.administers(BOB, "a.test")) == (True, False)
    await rows.put_admin("0.test", ANN)
    assert (await rows.administered(ANN), await rows.administered(BOB)) == (["0.test", "a.test"], [])
    await rows.delete_account(ANN)
    await rows.put_account(AccountRow(ANN, ""))  # another person
    assert not await rows.administers(ANN, "a.test")
    await rows.put_admin("a.test", ANN)
    await rows.delete_domain("a.test")
    assert await rows.administered(ANN) == []
    assert not await rows.administers(ANN, "a.test")
    with pytest.raises(NotFound):
        await rows.delete_domain("a.test")


def app(name: str, digest: str = "0f") -> AppPasswordRow:
    return AppPasswordRow(ANN, name, digest, ("imap", "smtp"), 7.25)


async def test_app_passwords(rows: Any) -> None:
    with pytest.raises(NotFound):
        await rows.put_app_password(app("x"), 10)
    await rows.put_account(AccountRow(ANN, ""))
    await rows.put_app_password(app("téléphone", "aa"), 2)
    with pytest.raises(Exists):
        await rows.put_app_password(app("téléphone"), 2)
    await rows.put_app_password(app("Téléphone", "bb"), 2)
    with pytest.raises(LimitReached):
        await rows.put_app_password(app("third"), 2)
    assert await rows.app_passwords(ANN) == [app("Téléphone", "bb"), app("téléphone", "aa")]
    assert await rows.app_password(ANN, "aa") == app("téléphone", "aa")
    assert await rows.app_password(ANN, "cc") is await rows.app_password(BOB, "aa") is None
    await rows.use_app_password(ANN, "téléphone", 9.5, "192.0.2.1")
    assert await rows.app_password(ANN, "aa") == replace(app("téléphone", "aa"), used=9.5, client="192.0.2.1")
    await rows.delete_app_password(ANN, "téléphone")
    with pytest.raises(NotFound):
        await rows.delete_app_password(ANN, "téléphone")


async def test_a_limit_is_one_for_all_that_come_at_a_time(rows: Any) -> None:
    await rows.put_account(AccountRow(ANN, ""))
    made = await asyncio.gather(
        *(rows.put_app_password(app(f"{n}", f"{n:02x}"), 3) for n in range(10)), return_exceptions=True
    )
    assert made.count(None) == 3
    assert sum(isinstance(one, LimitReached) for one in made) == 7


async def test_a_second_factor_is_replaced_until_it_is_confirmed(rows: Any) -> None:
    with pytest.raises(NotFound):
        await rows.put_second_factor(SecondFactorRow(ANN, "A"))
    await rows.put_account(AccountRow(ANN, ""))
    await rows.put_second_factor(SecondFactorRow(ANN, "A"))
    await rows.put_second_factor(SecondFactorRow(ANN, "B", recovery=("x", "y")))
    with pytest.raises(NotFound):
        await rows.confirm_second_factor(ANN, "A", 7)
    await rows.confirm_second_factor(ANN, "B", 7)
    with pytest.raises(NotFound):
        await rows.confirm_second_factor(ANN, "B", 8)
    with pytest.raises(Exists):
        await rows.put_second_factor(SecondFactorRow(ANN, "C"))
    assert await rows.second_factor(ANN) == SecondFactorRow(ANN, "B", True, 7, ("x", "y"))
    await rows.delete_second_factor(ANN)
    with pytest.raises(NotFound):
        await rows.delete_second_factor(ANN)


async def test_no_code_is_spent_twice(rows: Any) -> None:
    await rows.put_account(AccountRow(ANN, ""))
    await rows.put_second_factor(SecondFactorRow(ANN, "A", True, 5, ("x", "y", "z")))
    assert not await rows.spend(BOB, 9, "")
    assert sorted(await asyncio.gather(*(rows.spend(ANN, 6, "") for _ in range(5)))) == [False] * 4 + [True]
    assert sorted(await asyncio.gather(*(rows.spend(ANN, 0, "y") for _ in range(5)))) == [False] * 4 + [True]
    assert not await rows.spend(ANN, 6, "")
    assert await rows.second_factor(ANN) == SecondFactorRow(ANN, "A", True, 6, ("x", "z"))


async def test_passkeys(rows: Any) -> None:
    one = PasskeyRow("Zm9v" * 300, ANN, b"\0\xff'\"\\%s", 3, "téléphone", 8.0)
    with pytest.raises(NotFound):
        await rows.put_passkey(one, 2)
    await rows.put_account(AccountRow(ANN, ""))
    await rows.put_passkey(one, 2)
    with pytest.raises(Exists):
        await rows.put_passkey(one, 2)
    other = replace(one, id="zm9v", created=7.0)
    await rows.put_passkey(other, 2)
    with pytest.raises(LimitReached):
        await rows.put_passkey(replace(one, id="c"), 2)
    assert await rows.passkeys(ANN) == [other, one]
    assert await rows.passkeys(BOB) == []
    await rows.use_passkey("zm9v", 9, 11.0)
    await rows.use_passkey("zm9v", 4, 12.0)
    assert await rows.passkey("zm9v") == replace(other, counter=9, used=12.0)
    assert await rows.passkey("Zm9v") is await rows.passkey("é") is None
    await rows.delete_passkey(ANN, "zm9v")
    for account, id in ((ANN, "zm9v"), (BOB, one.id)):
        with pytest.raises(NotFound):
            await rows.delete_passkey(account, id)


async def test_second_factor_and_passkeys_go_together(rows: Any) -> None:
    for name in (ANN, BOB):
        await rows.put_account(AccountRow(name, ""))
        await rows.put_passkey(PasskeyRow(name, name, b"k", 0, "x", 1.0), 5)
    await rows.delete_factors(ANN)
    assert (await rows.passkeys(ANN), len(await rows.passkeys(BOB))) == ([], 1)
    await rows.put_second_factor(SecondFactorRow(BOB, "A", True))
    await rows.delete_factors(BOB)
    assert (await rows.passkeys(BOB), await rows.second_factor(BOB)) == ([], None)
    with pytest.raises(NotFound):
        await rows.delete_factors(BOB)


async def test_all_that_opens_an_account_goes_with_it(store: Any) -> None:
    rows = store.directory
    for name in (ANN, BOB):
        await rows.put_account(AccountRow(name, ""))
        await rows.put_app_password(replace(app("x", name), account=name), 5)
        await rows.put_second_factor(SecondFactorRow(name, "A", True))
        await rows.put_passkey(PasskeyRow(name, name, b"k", 0, "x", 1.0), 5)
        await store.sieve.put(name, "s", b"keep;", ScriptLimits(5, 100))
        await store.sieve.activate(name, "s")
        await store.guard.add_sent(name, 5, 3, 2, [b"%d" % n for n in range(2_500)], 5_000)
    await rows.delete_account(ANN)
    for name, there in ((ANN, False), (BOB, True)):
        assert (await rows.app_password(name, name) is not None) == there
        assert (await rows.second_factor(name) is not None) == there
        assert bool(await rows.passkeys(name)) == there
        assert (await store.sieve.active(name) is not None) == there
        assert await store.guard.sent(name, 5) == ((3, 2) if there else (0, 0))
        assert await store.guard.wrote_to(name, b"2499") == there


async def test_notes(rows: Any) -> None:
    assert await rows.meta("demo") is None
    await rows.set_meta("demo", "made")
    await rows.set_meta("demo", "é" * 70_000)
    assert await rows.meta("demo") == "é" * 70_000
    kept = await asyncio.gather(*(rows.keep_meta("key", f"{n}") for n in range(8)))
    assert len(set(kept)) == 1
    assert await rows.keep_meta("key", "late") == kept[0] == await rows.meta("key")
