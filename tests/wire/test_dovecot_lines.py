"""Dovecot's authentication protocol: lines in, commands out, and nothing raises but BadLine."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhub.wire.dovecot import Auth, BadLine, Cancel, ClientId, Continue, Version, handshake, line, parse


def test_commands() -> None:
    assert parse(b"VERSION\t1\t2") == Version(1)
    assert parse(b"CPID\t77\tmore") == ClientId(77)
    assert parse(b"CONT\t4294967295\tAA==") == Continue(4294967295, b"AA==")
    assert parse(b"CANCEL\t3") == Cancel(3)
    assert parse(b"AUTH\t1\tPLAIN") == Auth(1, "PLAIN", {})
    said = parse(b"AUTH\t1\tPLAIN\tservice=smtp\tsecured\tsession=a\x01tb=c\tresp=AA==\trip=::1")
    assert said == Auth(1, "PLAIN", {"service": "smtp", "secured": "", "session": "a\tb=c"}, b"AA==")
    assert parse(b"AUTH\t1\tPLAIN\tresp=") == Auth(1, "PLAIN", {}, b"")


def test_what_is_secret_is_not_in_the_repr() -> None:
    for said in (b"AUTH\t1\tPLAIN\tresp=c2VjcmV0", b"CONT\t1\tc2VjcmV0"):
        assert "c2VjcmV0" not in repr(parse(said))


@pytest.mark.parametrize(
    "said",
    [b"", b"AUTH", b"AUTH\t1", b"AUTH\tx\tPLAIN", b"AUTH\t\tPLAIN", b"CONT\t1", b"CONT\t1\ta\tb", b"OK\t1", b"auth\t1\tPLAIN",
     b"CANCEL\t4294967296", b"CPID\t+1", b"CPID\t\xd9\xa1", b"AUTH\t1\t\x01", b"AUTH\t1\t\x01x", b"AUTH\t1\t\xff", b"VERSION\t1" + b"\t" * 100],
)  # fmt: skip
def test_what_is_none(said: bytes) -> None:
    with pytest.raises(BadLine):
        parse(said)


@given(st.text(), st.integers(0, 4294967295))
def test_any_text_comes_back(text: str, number: int) -> None:
    said = line("AUTH", number, "PLAIN", f"x={text}")
    assert said.count(b"\n") == 1
    assert parse(said[:-1]) == Auth(number, "PLAIN", {"x": text})


@given(st.binary())
def test_any_octets(octets: bytes) -> None:
    for head in (b"", b"AUTH\t1\t", b"CONT\t", b"AUTH\t1\tPLAIN\t"):
        try:
            parse(head + octets)
        except BadLine:
            continue


def test_the_handshake() -> None:
    said = handshake(("PLAIN", "XOAUTH2"), 57, 2, "ab")
    assert said == b"VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nMECH\tXOAUTH2\nSPID\t57\nCUID\t2\nCOOKIE\tab\nDONE\n"
