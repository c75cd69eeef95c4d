"""Frames: lines and literals joined, limits kept, whatever the size of the pieces they come in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhub.wire.imap.framing import MAX_LITERALS, Frame, Framer, Literal, TooBig


def read(stream: bytes, limit: int = 1000) -> list[Frame]:
    """All commands of a stream, as a session reads it."""
    framer, frames = Framer(limit), []
    while stream:
        end = stream.index(b"\n") + 1
        got = framer.line(stream[:end])
        stream = stream[end:]
        if isinstance(got, Literal):
            framer.literal(stream[: got.size])
            stream = stream[got.size :]
        else:
            frames.append(got)
    return frames


def test_a_line() -> None:
    assert read(b"a NOOP\r\n") == [Frame((b"a NOOP",))]


def test_literals_join_lines_and_the_next_command_begins_behind() -> None:
    stream = b"a LOGIN {5}\r\nalice {6+}\r\nsecret\r\nb NOOP\r\n"
    assert read(stream) == [Frame((b"a LOGIN ", b" ", b""), (b"alice", b"secret")), Frame((b"b NOOP",))]


def test_an_announcement_is_only_at_the_end_of_the_line() -> None:
    assert read(b"a LOGIN {5} x\r\n") == [Frame((b"a LOGIN {5} x",))]


def test_what_is_announced() -> None:
    framer = Framer(100)
    assert framer.line(b"a X {2147483648}\r\n") == Literal(2147483648, True)
    framer.reset()
    assert framer.line(b"a X {3+}\n") == Literal(3, False)
    framer.reset()
    enormous = framer.line(b"a X {" + b"9" * 90 + b"}\r\n")
    assert isinstance(enormous, Literal)
    assert enormous.size >= 10**20


def test_lines_of_one_command_are_bounded_together() -> None:
    framer = Framer(20)
    framer.line(b"a LOGIN 12345 {1}\r\n")
    framer.literal(b"x")
    with pytest.raises(TooBig):
        framer.line(b"12345678 {1}\r\n")


def test_literals_of_one_command_are_counted() -> None:
    framer = Framer(1_000_000)
    for _ in range(MAX_LITERALS + 1):
        framer.line(b" {0}\r\n")
        framer.literal(b"")
    with pytest.raises(TooBig):
        framer.line(b" {0}\r\n")


def test_the_limit_is_fresh_for_each_command() -> None:
    assert len(read(b"a NOOP\r\n" * 100, limit=10)) == 100


@given(st.lists(st.tuples(st.text("abc ", min_size=1, max_size=9), st.binary(max_size=9)), max_size=5), st.booleans())
def test_frames_come_back_as_they_were_written(pieces: list[tuple[str, bytes]], plus: bool) -> None:
    sign = b"+" if plus else b""
    stream = b"".join(b"%b{%d%b}\r\n%b" % (text.encode(), len(data), sign, data) for text, data in pieces)
    frames = read(stream + b"end\r\nb NOOP\r\n")
    texts = (*(text.encode() for text, _ in pieces), b"end")
    assert frames == [Frame(texts, tuple(data for _, data in pieces)), Frame((b"b NOOP",))]
