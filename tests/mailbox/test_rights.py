"""What lists of rights give to whom (RFC 4314 section 2), and how rights are told (section 2.1.1)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhub.model.mailbox import DELETED, FLAGGED, SEEN, settable
from mailhub.model.rights import ALL, effective, expanded, told

BOB = ("bob@a.test", "anyone", "authenticated")


@pytest.mark.parametrize(
    ("entries", "rights"),
    [
        ((), ""),
        ((("bob@a.test", "lr"),), "lr"),
        ((("eve@a.test", "lr"), ("*", "lr"), ("bob", "lr"), ("BOB@a.test", "lr")), ""),
        ((("anyone", "lr"), ("authenticated", "s"), ("bob@a.test", "i")), "lrsi"),
        ((("anyone", "lrs"), ("-bob@a.test", "s"), ("bob@a.test", "s")), "lr"),
        ((("bob@a.test", "lrs"), ("-anyone", "lr")), "s"),
        ((("bob@a.test", "lrs"), ("-eve@a.test", "lrs")), "lrs"),
    ],
)
def test_what_is_granted_without_what_is_taken(entries: tuple[tuple[str, str], ...], rights: str) -> None:
    assert effective(entries, BOB) == frozenset(rights)


def test_an_account_whose_name_begins_with_a_minus_gets_nothing() -> None:
    """What is taken from bob is not given to "-bob"."""
    assert effective((("-bob@a.test", "lr"), ("--bob@a.test", "x")), ("-bob@a.test",)) == frozenset()


@given(st.sets(st.sampled_from(sorted(ALL))))
def test_what_is_told_reads_as_the_same_rights(rights: set[str]) -> None:
    """But for "c" and "d", which grant all that they stand for and are told where any of it is there."""
    words = told(frozenset(rights))
    assert frozenset(words) - {"c", "d"} == rights
    assert ("c" in words) == bool(rights & set("kx"))
    assert ("d" in words) == bool(rights & set("et"))
    assert len(words) == len(set(words))
    assert expanded("cd") == frozenset("kxet")


def test_which_flags_may_be_set() -> None:
    assert settable(ALL) == -1
    assert settable(frozenset("lr")) == 0
    assert settable(frozenset("st")) == SEEN | DELETED
    assert settable(frozenset("w")) & (SEEN | DELETED | FLAGGED | 1 << 40) == FLAGGED | 1 << 40
