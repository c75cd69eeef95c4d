"""Commands from lines, and lines that are none."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhub.wire.pop3 import BadCommand, Command, number, parse


@pytest.mark.parametrize(
    ("line", "command"),
    [
        (b"STAT", Command("STAT")),
        (b"stat", Command("STAT")),
        (b"QUIT ", Command("QUIT")),
        (b"LIST", Command("LIST")),
        (b"LIST 1", Command("LIST", ("1",))),
        (b"top 1  20", Command("TOP", ("1", "20"))),
        (b"USER alice@example.org", Command("USER", ("alice@example.org",))),
        (b"PASS a b  c ", Command("PASS", ("a b  c ",))),
        (b"PASS  x", Command("PASS", (" x",))),
        ("PASS grün".encode(), Command("PASS", ("grün",))),
        (b"AUTH", Command("AUTH")),
        (b"AUTH PLAIN AGEAYg==", Command("AUTH", ("PLAIN", "AGEAYg=="))),
    ],
)
def test_commands(line: bytes, command: Command) -> None:
    assert parse(line) == command


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"", "unknown command"),
        (b" STAT", "unknown command"),
        (b"STATUS", "unknown command"),
        (b"\x16\x03\x01", "unknown command"),
        (b"STAT\0", "NUL inside"),
        (b"USER \xff", "not UTF-8"),
        (b"STAT 1", "wrong number of arguments"),
        (b"RETR", "wrong number of arguments"),
        (b"USER a b", "wrong number of arguments"),
        (b"PASS", "wrong number of arguments"),
        (b"TOP 1", "wrong number of arguments"),
    ],
)
def test_lines_that_are_no_commands(line: bytes, why: str) -> None:
    with pytest.raises(BadCommand, match=why):
        parse(line)


def test_numbers() -> None:
    assert number("0") == 0
    assert number("999999999") == 999_999_999
    for text in ("", "-1", "+1", "1.0", " 1", "1_0", "x", "9999999999", "１", "²"):
        with pytest.raises(BadCommand):
            number(text)


def test_a_password_is_not_shown() -> None:
    assert "hunter2" not in repr(parse(b"PASS hunter2"))


@given(st.binary(max_size=60))
def test_any_line_is_a_command_or_is_not(line: bytes) -> None:
    with contextlib.suppress(BadCommand):
        assert parse(line).keyword.isupper()
