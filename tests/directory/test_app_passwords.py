"""App passwords and second factors, on the embedded store and virtual time."""

import base64
from typing import Any

import pytest

from mailhub.directory.app_passwords import LIMIT, AppPasswords
from mailhub.directory.second_factor import STEP, SecondFactors, code
from mailhub.model.clock import VirtualClock
from mailhub.model.errors import Exists, LimitReached, NotFound, Permanent
from mailhub.store.api import AccountRow

ANN = "ann@a.test"


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture(autouse=True)
async def ann(store: Any) -> None:
    await store.directory.put_account(AccountRow(ANN, "{PLAIN}x"))


@pytest.fixture
def apps(store: Any, clock: VirtualClock) -> AppPasswords:
    return AppPasswords(store.directory, clock)


@pytest.fixture
def factors(store: Any, clock: VirtualClock) -> SecondFactors:
    return SecondFactors(store.directory, clock, "mx.a.test")


async def test_one_is_right_for_its_account_and_services_until_it_is_removed(apps: AppPasswords) -> None:
    phone = await apps.add("Ann@A.test", "phone", ["imap", "smtp"])
    for typed in (phone, phone.upper(), phone.replace("-", " "), phone.replace("-", "")):
        assert await apps.right(ANN, typed, "imap", "192.0.2.1")
    assert await apps.right(ANN, phone, "submission", "192.0.2.1")
    assert not await apps.right(ANN, phone, "pop3", "192.0.2.1")
    assert not await apps.right("bob@a.test", phone, "imap", "192.0.2.1")
    assert not await apps.right(ANN, phone[:-1] + "x", "imap", "192.0.2.1") or phone[-1] == "x"
    anywhere = await apps.add(ANN, "old program")
    assert await apps.right(ANN, anywhere, "pop3", "")
    await apps.remove(ANN, "phone")
    assert not await apps.right(ANN, phone, "imap", "192.0.2.1")
    with pytest.raises(NotFound):
        await apps.remove(ANN, "phone")


async def test_its_last_use_is_noted_to_the_hour(apps: AppPasswords, clock: VirtualClock) -> None:
    phone = await apps.add(ANN, "phone")
    assert (await apps.of(ANN))[0].used == 0
    first = clock.now()
    await apps.right(ANN, phone, "imap", "192.0.2.1")
    await clock.advance(60)
    await apps.right(ANN, phone, "imap", "192.0.2.1")
    assert [(app.name, app.used, app.client) for app in await apps.of(ANN)] == [("phone", first, "192.0.2.1")]
    await clock.advance(3600)
    await apps.right(ANN, phone, "imap", "192.0.2.1")
    assert (await apps.of(ANN))[0].used == clock.now()


async def test_names_are_bounded_and_unique(apps: AppPasswords) -> None:
    await apps.add(ANN, "phone")
    with pytest.raises(Exists):
        await apps.add(ANN, "phone")
    for name in ("", " x", "a\nb", "x" * 101):
        with pytest.raises(Permanent):
            await apps.add(ANN, name)
    with pytest.raises(Permanent, match="gopher"):
        await apps.add(ANN, "x", ["gopher"])
    with pytest.raises(NotFound):
        await apps.add("nobody@a.test", "x")
    for n in range(LIMIT - 1):
        await apps.add(ANN, f"n{n}")
    with pytest.raises(LimitReached):
        await apps.add(ANN, "one more")


async def test_they_go_with_the_account(apps: AppPasswords, factors: SecondFactors, store: Any) -> None:
    phone = await apps.add(ANN, "phone")
    enrolled = await factors.begin(ANN)
    assert enrolled.secret
    await store.directory.delete_account(ANN)
    await store.directory.put_account(AccountRow(ANN, "{PLAIN}y"))
    assert not await apps.right(ANN, phone, "imap", "")
    assert await store.directory.second_factor(ANN) is None


@pytest.mark.parametrize(("time", "wanted"), [(59, "287082"), (1111111109, "081804"), (20000000000, "353130")])
def test_codes_of_rfc_6238_appendix_b(time: int, wanted: str) -> None:
    assert code(base64.b32encode(b"12345678901234567890").decode(), time // STEP) == wanted


async def test_a_second_factor_counts_after_its_first_code(factors: SecondFactors, clock: VirtualClock) -> None:
    assert await factors.right(ANN, "")
    enrolled = await factors.begin(ANN)
    assert enrolled.uri.startswith("otpauth://totp/mx.a.test%3Aann%40a.test?secret=")
    assert not await factors.active(ANN)
    assert await factors.right(ANN, "")
    step = int(clock.now()) // STEP
    with pytest.raises(Permanent):
        await factors.confirm(ANN, code(enrolled.secret, step + 5))
    await factors.confirm(ANN, code(enrolled.secret, step))
    assert await factors.active(ANN)
    with pytest.raises(Exists):
        await factors.begin(ANN)


async def test_no_code_is_taken_twice(factors: SecondFactors, clock: VirtualClock) -> None:
    enrolled = await factors.begin(ANN)
    step = int(clock.now()) // STEP
    await factors.confirm(ANN, code(enrolled.secret, step))
    assert not await factors.right(ANN, code(enrolled.secret, step))
    assert await factors.right(ANN, code(enrolled.secret, step + 1))
    assert not await factors.right(ANN, code(enrolled.secret, step + 1))
    for wrong in ("", "12345", "1234567", "abcdef", "٠١٢٣٤٥", code(enrolled.secret, step + 9)):
        assert not await factors.right(ANN, wrong)
    assert len(set(enrolled.recovery)) == 8
    assert await factors.right(ANN, enrolled.recovery[0].upper())
    assert not await factors.right(ANN, enrolled.recovery[0])
    assert await factors.right(ANN, enrolled.recovery[1].replace("-", " "))
    await factors.remove(ANN)
    assert not await factors.active(ANN)
