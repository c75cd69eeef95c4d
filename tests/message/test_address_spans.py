"""Where addresses stand in a header field."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhub.message.address_spans import spans


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"a@x.test", ["a@x.test"]),
        (b" a@x.test,\r\n\tB One <b@y.test> , <c@z.test>", ["a@x.test", "b@y.test", "c@z.test"]),
        (b'"One, Two" <a@x.test>', ["a@x.test"]),
        (b'"a b"@x.test, <"c,d"@x.test>', ['"a b"@x.test', '"c,d"@x.test']),
        (b"(from: b@y.test) a@x.test (a, b <c@d.test>)", ["a@x.test"]),
        (b"(a@x.test) a@x.test (a@x.test), (b@y.test) <b@y.test>", ["a@x.test", "b@y.test"]),
        (b"friends: a@x.test, B <b@y.test>;, c@z.test", ["a@x.test", "b@y.test", "c@z.test"]),
        (b"<@one.test,@two.test:a@x.test>", ["a@x.test"]),
        (b"=?utf-8?q?a=40b?= <a@[192.0.2.1]>", ["a@[192.0.2.1]"]),
        (b"alice", []),
        (b"a (x) @ x.test, a@x@y.test, a b@x.test, b@y.test", ["b@y.test"]),
        (b"undisclosed-recipients:;", []),
        (b"<>, <a@x.test, b@y.test", ["a@x.test", "b@y.test"]),
        ("müller@x.test".encode(), ["müller@x.test"]),
        (b"m\xfcller@x.test, b@y.test", ["b@y.test"]),
        (b"", []),
    ],
)
def test_each_address_and_its_place(value: bytes, expected: list[str]) -> None:
    found = list(spans(value))
    assert [span.address for span in found] == expected
    assert [value[span.start : span.end].decode() for span in found] == expected
    assert not any(value[: span.start].count(b"(") - value[: span.start].count(b")") for span in found)


@given(st.text(alphabet='ab,<>()@:;."\\ \n[]', max_size=80).map(str.encode) | st.binary(max_size=80))
def test_any_octets(value: bytes) -> None:
    at = 0
    for span in spans(value):
        assert at <= span.start < span.end <= len(value)
        assert value[span.start : span.end] == span.address.encode()
        at = span.end
