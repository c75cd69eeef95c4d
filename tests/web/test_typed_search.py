"""Searches as people type them."""

import contextlib
import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhub.model import search as query
from mailhub.model.mailbox import SEEN
from mailhub.web.mail.typed import key

DAY = datetime.date(2026, 1, 31)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("apple", query.Text("apple")),
        ('"two words"', query.Text("two words")),
        ('"not closed', query.Text("not closed")),
        ("from:ann@b.example", query.Envelope("FROM", "ann@b.example")),
        ('SUBJECT:"a b"', query.Envelope("SUBJECT", "a b")),
        ("body:x", query.Body("x")),
        ("-is:read", query.Not(query.Flag(SEEN))),
        ("has:attachment", query.Attachment()),
        ("before:2026/01/31", query.Internal(query.When.BEFORE, DAY)),
        ("after:2026-01-31", query.Internal(query.When.SINCE, DAY)),
        ("newer_than:2w", query.Age(query.When.SINCE, 14 * 86_400)),
        ("larger:10M", query.Larger(10 << 20)),
        ("label:Work", query.Keyword("Work")),
        ("http://a.example:80/", query.Text("http://a.example:80/")),
        ("12:30", query.Text("12:30")),
        ("a OR b", query.Or(query.Text("a"), query.Text("b"))),
        ("OR", query.Text("OR")),
        ("a:b", query.Text("a:b")),
        ("-", query.Text("-")),
    ],
)
def test_one_term(typed: str, meant: query.Key) -> None:
    assert key(typed) == query.And((meant,))


def test_terms_have_to_match_all() -> None:
    assert key("a b OR c d") == query.And(
        (query.Text("a"), query.Or(query.Text("b"), query.Text("c")), query.Text("d"))
    )
    assert key("  ") == query.All()


@pytest.mark.parametrize(
    "typed", ["before:soon", "is:blue", "has:legs", "larger:much", "older_than:ages", "x " * 51, "x" * 1_001]
)
def test_what_is_meant_as_an_operator_and_is_none(typed: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        key(typed)


@given(st.text(max_size=200))
def test_nothing_else_is_raised(typed: str) -> None:
    with contextlib.suppress(ValueError):
        key(typed)
