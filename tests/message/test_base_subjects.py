"""Base subjects (RFC 5256 section 2.1)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhub.message.subjects import LIMIT, base_subject


@pytest.mark.parametrize(
    ("subject", "base", "answer"),
    [
        ("hello", "hello", False),
        ("Re: hello", "hello", True),
        ("RE:re: Fw:  hello", "hello", True),
        ("fwd: hello (fwd) ", "hello", True),
        ("hello\t  there", "hello there", False),
        ("[list] Re: [list] hello", "hello", True),
        ("[list] hello", "hello", False),
        ("[list]", "[list]", False),
        ("[a] [b]", "[b]", False),
        ("Re[2]: hello", "hello", True),
        ("Re [2] : hello", "hello", True),
        ("re: [fwd: [b] hello (fwd)] ", "hello", True),
        ("[fwd: hello", "[fwd: hello", False),
        ("regarding: hello", "regarding: hello", False),
        ("", "", False),
        ("Re:", "", True),
        ("回复: 邮件", "回复: 邮件", False),
    ],
)
def test_base(subject: str, base: str, answer: bool) -> None:
    assert base_subject(subject) == (base, answer)


@given(st.text(st.sampled_from("re:fwd[]() a\t")))
def test_a_base_is_its_own_base_and_costs_little(subject: str) -> None:
    base, _ = base_subject(subject)
    assert base_subject(base) == (base, False)


@pytest.mark.parametrize("piece", ["[a]", "re:", "[fwd:", "(fwd)", "[", "re[a]"])
def test_hostile_subjects_are_bounded(piece: str) -> None:
    assert len(base_subject(piece * 20_000)[0]) <= LIMIT
