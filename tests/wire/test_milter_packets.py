"""The milter protocol's grammar: what a filter says is a value or Malformed, whatever it is."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhub.wire import milter
from mailhub.wire.milter import Actions, Decision, Malformed, Steps

P = struct.Struct(">I").pack


def test_what_the_server_says() -> None:
    assert milter.offer() == bytes.fromhex("0000000d 4f 00000006 000001ff 001ff7ff")
    assert milter.packet(b"H", milter.texts("mx.test")) == b"\0\0\0\x09Hmx.test\0"
    assert milter.macros("rcpt", [("i", "1"), ("{rcpt_addr}", "a\0b")]) == b"\0\0\0\x15DRi\x001\0{rcpt_addr}\0ab\0"
    assert milter.connection("a.test", "192.0.2.1", 25) == b"a.test\x004\0\x19192.0.2.1\0"
    assert milter.connection("a.test", "2001:db8::1", 25) == b"a.test\x006\0\x192001:db8::1\0"
    assert milter.connection("a.test", "/run/x", 0) == b"a.test\0L\0\0/run/x\0"
    assert milter.connection("a.test", "", 0) == b"a.test\0U"


def test_what_is_agreed() -> None:
    lists = P(2) + b"i {mail_addr}\0" + P(5) + b"\0" + P(99) + b"x\0"
    found = milter.agreed(P(4) + P(Actions.ADD_HEADERS) + P(Steps.NO_HELO | Steps.NO_REPLY_RCPT) + lists)
    assert (found.version, found.actions) == (4, Actions.ADD_HEADERS)
    assert found.macros == {"mail": ("i", "{mail_addr}"), "end_of_data": ()}
    assert (found.wants("helo"), found.wants("mail"), found.wants("data")) == (False, True, True)
    assert (found.answers("rcpt"), found.answers("mail"), found.answers("end_of_data")) == (False, True, True)
    assert not milter.agreed(P(2) + P(0) + P(0)).wants("data")


@pytest.mark.parametrize(
    "content",
    [b"", P(6) + P(0), P(7) + P(0) + P(0), P(1) + P(0) + P(0), P(6) + P(0x200) + P(0), P(6) + P(0) + P(0x800), P(6) + P(0) + P(0) + b"x",
     P(6) + P(0) + P(0) + P(1) + b"no end"],
)  # fmt: skip
def test_what_can_not_be_agreed(content: bytes) -> None:
    with pytest.raises(Malformed):
        milter.agreed(content)


@pytest.mark.parametrize(
    ("letter", "content", "found"),
    [
        (b"c", b"", Decision("continue")),
        (b"s", b"", Decision("skip")),
        (b"4", b"", Decision("shutdown")),
        (b"p", b"", milter.Progress()),
        (b"y", b"550 5.7.1 go away\0", Decision("reply", 550, "5.7.1", "go away")),
        (b"y", b"451 later\0", Decision("reply", 451, "", "later")),
        (b"y", b"550-5.7.1 one\r\n550 5.7.1 two 100%%\0", Decision("reply", 550, "5.7.1", "one\ntwo 100%")),
        (b"y", b"450 5.7.1 another class\0", Decision("reply", 450, "", "another class")),
        (b"y", b"421\0", Decision("reply", 421, "", "")),
        (b"h", b"X-A\0b\0", milter.AddHeader("X-A", "b")),
        (b"i", P(3) + b"X-A\0b\n\tc\0", milter.InsertHeader(3, "X-A", "b\n\tc")),
        (b"m", P(1) + b"X-A\0\0", milter.ChangeHeader(1, "X-A", "")),
        (b"b", b"body", milter.ReplaceBody(b"body")),
        (b"+", b"<a@b.test>\0", milter.AddRecipient("a@b.test")),
        (b"2", b"a@b.test\0NOTIFY=NEVER\0", milter.AddRecipient("a@b.test", "NOTIFY=NEVER")),
        (b"2", b"a@b.test\0", milter.AddRecipient("a@b.test")),
        (b"-", b"<a@b.test>\0", milter.DeleteRecipient("a@b.test")),
        (b"e", b"<>\0", milter.ChangeSender("")),
        (b"e", b"<a@b.test>\0SIZE=1\0", milter.ChangeSender("a@b.test", "SIZE=1")),
        (b"q", b"odd\0", milter.Quarantine("odd")),
    ],
)
def test_what_the_filter_says(letter: bytes, content: bytes, found: milter.Response) -> None:
    assert milter.response(letter, content) == found


@pytest.mark.parametrize(
    ("letter", "content"),
    [(b"z", b""), (b"y", b"250 fine\0"), (b"y", b"\0"), (b"y", b"550 no end"), (b"h", b"X-A\0"), (b"h", b"X A\0b\0"), (b"h", b"X:\0b\0"),
     (b"h", b"\0b\0"), (b"i", b"\0\0"), (b"m", P(1) + b"X-A"), (b"+", b"a@b"), (b"q", b"")],
)  # fmt: skip
def test_what_means_nothing(letter: bytes, content: bytes) -> None:
    with pytest.raises(Malformed):
        milter.response(letter, content)


@given(st.binary(min_size=1, max_size=1), st.binary(max_size=300))
def test_any_octets_are_a_value_or_malformed(letter: bytes, content: bytes) -> None:
    try:
        found = milter.response(letter, content)
    except Malformed:
        return
    if isinstance(found, milter.AddHeader | milter.InsertHeader | milter.ChangeHeader):
        assert not set(found.name) & set("\r\n\0: ")
    if isinstance(found, Decision) and found.word == "reply":
        assert 400 <= found.code <= 599


@given(st.binary(max_size=60))
def test_any_agreement_is_one_or_malformed(content: bytes) -> None:
    try:
        milter.agreed(content)
    except Malformed:
        return
