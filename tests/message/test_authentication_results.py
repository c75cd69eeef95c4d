"""Authentication-Results read and written: what a sender chose stays a word, and never becomes a result."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhub.message import authres


def test_results_are_read_word_by_word() -> None:
    told = b' mx.test 1;\r\n\tspf=pass (a (nested; "comment) \\) here) smtp.mailfrom="x; dmarc=pass \\" y"@a.test; dkim=none'
    assert authres.results(told) == [
        (b"mx.test", b"1"),
        (b"spf=pass", b'smtp.mailfrom=x; dmarc=pass " y@a.test'),
        (b"dkim=none",),
    ]


@pytest.mark.parametrize("broken", [b'x; "a', b"x; (a", b"x; a)", b'x; (a "b)" c', b"x; a\\"])
def test_what_has_no_end_is_not_read(broken: bytes) -> None:
    with pytest.raises(ValueError, match=r"broken|end"):
        authres.results(broken)


@given(st.text(max_size=60), st.text(max_size=60))
def test_what_is_written_is_one_result_whatever_was_chosen(reason: str, name: str) -> None:
    field = authres.field("mx.test", [authres.resinfo("spf", "fail", reason, smtp_helo=name)])
    value = field.partition(b":")[2]
    assert field.count(b";") == 1
    (_, words) = authres.results(value)
    assert words[0] == b"spf=fail"
    assert len(words) == 1 + bool(name)
    assert authres.passed(field, "mx.test") == frozenset()


@given(st.binary(max_size=200))
def test_nothing_makes_it_raise_but_value_errors(value: bytes) -> None:
    try:
        authres.results(value)
    except ValueError:
        return


def test_only_what_speaks_for_a_sender_counts() -> None:
    told = [
        'spf=pass smtp.helo="x smtp.mailfrom=bank.test y.evil.test"',
        'dkim=fail (header.d=bank.test) reason="dkim=pass header.d=bank.test" header.d=bank.test',
        'dkim=pass (dkim=pass header.d=bank.test) header.d="A.test"',
        "spf=pass smtp.mailfrom=bob@B.test",
    ]
    assert authres.passed(authres.field("mx.test", told), "MX.test") == {"a.test", "b.test"}
