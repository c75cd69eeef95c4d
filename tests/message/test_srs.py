"""SRS: there and back, and nobody else's addresses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhub.message import srs
from mailhub.wire.smtp.path import parse_path

KEY, DAY, NOW, LIFE = b"k" * 32, 86_400.0, 1_800_000_000.0, 21 * 86_400.0


def there(sender: str, domain: str = "us.test", key: bytes = KEY, now: float = NOW) -> str:
    return srs.rewritten(sender, domain, key, now)


def back(address: str, key: bytes = KEY, now: float = NOW) -> str:
    return srs.original(address, key, now, LIFE)


@pytest.mark.parametrize(
    "sender",
    ["ann@far.test", "Ann.B+tag=x@Far.Test", '"a b"@far.test', '"a\\"b"@far.test', "pénc@fár.test", "srs0x@far.test"],
)
def test_there_and_back(sender: str) -> None:
    made = there(sender)
    assert srs.is_rewritten(made)
    assert parse_path(f"<{made}>")[0].address == made, "we take it ourselves"
    local, _, domain = sender.rpartition("@")
    assert back(made) == f"{local}@{domain.lower()}"


@given(st.text(min_size=1, max_size=60), st.from_regex(r"[a-z0-9]{1,20}\.test", fullmatch=True))
def test_any_local_part(local: str, domain: str) -> None:
    try:
        made = there(f"{srs._quoted(local)}@{domain}")
    except srs.SrsError:
        return
    assert back(made) in (f"{srs._quoted(local)}@{domain}", f"{local}@{domain}")


def test_a_second_forwarder_and_a_third() -> None:
    first = there("ann@far.test", "one.test", b"1" * 32)
    second = there(first, "two.test", b"2" * 32)
    third = there(second, "three.test", b"3" * 32)
    assert second.startswith("SRS1=")
    assert "=one.test==" in second
    assert "two.test" not in third
    assert back(third, b"3" * 32) == back(second, b"2" * 32) == first
    assert back(first, b"1" * 32) == "ann@far.test"


def test_signs_that_other_hosts_use() -> None:
    made = there("SRS0+abcd=ef=x.test=ann@one.test")
    assert back(made) == "SRS0+abcd=ef=x.test=ann@one.test"


def test_hosts_that_change_the_case() -> None:
    made = there("Ann@far.test")
    assert back(made.lower()) == "ann@far.test"
    assert back(made.upper()) == "ANN@FAR.TEST"


@pytest.mark.parametrize(("days", "good"), [(0, True), (21, True), (22, False), (1_000, False), (-1, False)])
def test_an_address_is_good_for_some_days(days: int, good: bool) -> None:
    made = there("ann@far.test")
    if good:
        assert back(made, now=NOW + days * DAY) == "ann@far.test"
    else:
        with pytest.raises(srs.SrsError, match="expired"):
            back(made, now=NOW + days * DAY)


def test_nobody_else_can_make_one() -> None:
    made = there("ann@far.test")
    kind, found, stamp, host, user = made.rpartition("@")[0].split("=")
    forged = [
        (kind, found, stamp, host, "bob"), (kind, found, stamp, "other.test", user), (kind, "A" * 8, stamp, host, user),
        (kind, found, "AA", host, user), (kind, "", stamp, host, user), ("SRS1", found, stamp, host, user),
    ]  # fmt: skip
    for fields in forged:
        with pytest.raises(srs.SrsError):
            back("=".join(fields) + "@us.test")
    with pytest.raises(srs.SrsError):
        back(made, b"another key")
    for address in (
        "SRS0=@us.test",
        "SRS0=a@us.test",
        "SRS1=@us.test",
        "SRS0==@us.test",
        "SRS1===@us.test",
        "srs0=\u20ac=b=c=d@us.test",
    ):
        with pytest.raises(srs.SrsError):
            back(address)


def test_one_that_would_be_too_long_is_not_made() -> None:
    with pytest.raises(srs.SrsError):
        there("x" * 240 + "@far.test")


@pytest.mark.parametrize("address", ["", "ann@far.test", "srs0@far.test", "srs2=x@far.test", "xsrs0=x@far.test"])
def test_what_is_not_of_that_form(address: str) -> None:
    assert not srs.is_rewritten(address)
