"""Mailbox names: modified UTF-7 there and back, and LIST's wildcards against a plain definition."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhub.wire.imap import names


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        (b"INBOX", "INBOX"),
        (b"&U,BTFw-", "台北"),
        (b"~peter/mail/&U,BTFw-/&ZeVnLIqe-", "~peter/mail/台北/日本語"),
        (b"Entw&APw-rfe", "Entwürfe"),
        (b"R&-D", "R&D"),
        (b"&2D3eAA-", "😀"),
        (b"&XfJT0ZABkK5O9g-", "已发送邮件"),
    ],
)
def test_names_known_from_clients(raw: bytes, name: str) -> None:
    assert names.decode(raw) == name
    assert names.encode(name) == raw


def test_plain_utf8_is_taken_as_such() -> None:
    assert names.decode("Entwürfe".encode()) == "Entwürfe"


@pytest.mark.parametrize(
    "raw", [b"&", b"a&b", b"&*-", b"&AA-", b"&2D0-", b"\xff\xfe", b"&AC4-", b"&AEEAQg-", b"x&ACY-", b"&2AA-"]
)
def test_what_is_neither_is_refused(raw: bytes) -> None:
    with pytest.raises(ValueError):
        names.decode(raw)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_there_and_back(name: str) -> None:
    raw = names.encode(name)
    assert raw.isascii()
    assert names.decode(raw) == name


@given(st.binary(max_size=40))
def test_decoding_never_fails_otherwise(raw: bytes) -> None:
    try:
        names.decode(raw)
    except ValueError:
        return


def test_inbox_in_any_case() -> None:
    assert names.canonical("inbox", ".") == "INBOX"
    assert names.canonical("Inbox.Sub", ".") == "INBOX.Sub"
    assert names.canonical("inboxes", ".") == "inboxes"


@given(st.lists(st.text("a.*%", max_size=8), min_size=1, max_size=3), st.text("a.b", max_size=8))
def test_wildcards_mean_what_the_rfc_says(patterns: list[str], name: str) -> None:
    meanings = [
        "".join({"*": ".*", "%": "[^.]*"}.get(char, re.escape(char)) for char in pattern) for pattern in patterns
    ]
    expected = any(re.fullmatch(meaning, name) for meaning in meanings)
    assert names.Patterns(patterns, ".").match(name) == expected


def test_hostile_patterns_are_cheap() -> None:
    assert not names.Patterns(["*a" * 400 + "b"], ".").match("a" * 200)
    assert not names.Patterns(["%a" * 400 + "b"] * 100, ".").match("a" * 200)
    assert names.Patterns(["*%" * 500], ".").match("a." * 100)
