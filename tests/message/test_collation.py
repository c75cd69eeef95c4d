"""i;unicode-casemap (RFC 5051)."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhub.message.collation import casemap


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("hello", "HELLO"), ("ÉCOLE", "école"), ("école", "e\u0301cole"), ("ПРИВЕТ", "привет"), ("ΣΑΣ", "σας"),
        ("ＡＢＣ", "abc"), ("ǆ", "Ǆ"), ("邮件", "邮件"), ("가", "\u1100\u1161"),
    ],
)  # fmt: skip
def test_the_same_text(one: str, other: str) -> None:
    assert casemap(one) == casemap(other)


@pytest.mark.parametrize(("one", "other"), [("é", "e"), ("ß", "ss"), ("邮件", "邮政"), ("a", "b")])
def test_another_text(one: str, other: str) -> None:
    assert casemap(one) != casemap(other)


def test_a_letter_is_found_in_its_accented_form() -> None:
    assert casemap("cafe") in casemap("Un Café")


@given(st.text(), st.text(st.characters(max_codepoint=0x7F)))
def test_any_text(one: str, ascii_text: str) -> None:
    assert casemap(ascii_text) == ascii_text.upper()
    assert unicodedata.is_normalized("NFKD", casemap(one))
