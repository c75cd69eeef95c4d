"""Answers as octets."""

import datetime

from hypothesis import given
from hypothesis import strategies as st

from mailhub.message import parts, structure
from mailhub.wire.imap import bodies, responses
from mailhub.wire.imap.dates import date_time, read_date_time
from mailhub.wire.imap.framing import Frame
from mailhub.wire.imap.lexer import Lexer


def test_strings() -> None:
    assert responses.string(b"plain") == b'"plain"'
    assert responses.string(b'say "hi" \\o/') == b'"say \\"hi\\" \\\\o/"'
    assert responses.string(b"two\r\nlines") == b"{10}\r\ntwo\r\nlines"
    assert responses.string("é".encode()) == b"{2}\r\n\xc3\xa9"


@given(st.binary(max_size=60).filter(lambda value: b"\0" not in value))
def test_strings_are_read_back(value: bytes) -> None:
    written = responses.string(value)
    head, found, rest = written.partition(b"}\r\n")
    literal = found and head[:1] == b"{"
    frame = Frame((b"", b""), (rest,)) if literal else Frame((written,))
    assert Lexer(frame).string() == value


def test_lines() -> None:
    assert responses.untagged("BYE so\r\nlong") == b"* BYE so??long\r\n"
    assert responses.tagged(b"a1", "NO", "no such mailbox", "TRYCREATE") == b"a1 NO [TRYCREATE] no such mailbox\r\n"
    assert (
        responses.listing(b"LIST", ["\\HasNoChildren"], responses.mailbox("Entwürfe"))
        == b'* LIST (\\HasNoChildren) "." "Entw&APw-rfe"\r\n'
    )
    assert (
        responses.status(b'"INBOX"', [("MESSAGES", 3), ("UNSEEN", 1)]) == b'* STATUS "INBOX" (MESSAGES 3 UNSEEN 1)\r\n'
    )
    assert responses.numbers(b"SEARCH", [1, 5]) == b"* SEARCH 1 5\r\n"
    assert responses.numbers(b"SEARCH", []) == b"* SEARCH\r\n"


def test_flags() -> None:
    assert responses.flag_names(0b1100001, ["$Junk", "$Forwarded"]) == ["\\Seen", "$Junk", "$Forwarded"]
    assert responses.flag_list(["\\Seen", "x"]) == b"(\\Seen x)"


@given(st.integers(0, 253_402_300_799))
def test_dates_there_and_back(seconds: int) -> None:
    assert read_date_time(Lexer(Frame((date_time(seconds),)))) == seconds


def test_a_date_with_a_zone() -> None:
    read = read_date_time(Lexer(Frame((b'" 1-Feb-1994 21:52:25 -0730"',))))
    zone = datetime.timezone(-datetime.timedelta(hours=7, minutes=30))
    assert read == datetime.datetime(1994, 2, 1, 21, 52, 25, tzinfo=zone).timestamp()


NESTED = (
    b"From: a@b\r\nSubject: (\"odd\\\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n"
    b"--x\r\nContent-Type: text/plain; charset=utf-8; name=\"a(b\"\r\nContent-Language: de, en\r\n\r\nhello\r\n"
    b"--x\r\nContent-Type: message/rfc822\r\nContent-Disposition: attachment; filename=m.eml\r\n\r\n"
    b"From: c@d, e@f\r\nSubject: \xff\xfe raw\r\nContent-Type: multipart/alternative; boundary=y\r\n\r\n"
    b"--y\r\n\r\none\r\n--y\r\nContent-Type: image/png\r\nContent-MD5: abc\r\n\r\ntwo\r\n--y--\r\n"
    b"--x--\r\n"
)  # fmt: skip


def test_body_is_bodystructure_without_extensions() -> None:
    part = parts.parse(NESTED)
    assert bodies.without_extension(structure.bodystructure(part)) == structure.body(part)


@given(st.binary(max_size=50))
def test_any_octets_are_survived(text: bytes) -> None:
    bodies.without_extension(b"(" + text.replace(b"{", b""))
