"""The end of the data, over every way the net may cut the blocks, against a reader that goes line by line."""

import random

import pytest

from mailhub.wire.smtp import DataReader, Fault
from mailhub.wire.smtp.data import only_crlf


def read(blocks: list[bytes], size: int = 0, line: int = 0, newlines: str = "reject") -> tuple[bytes, DataReader]:
    reader = DataReader(size, line, newlines)  # type: ignore[arg-type]
    out = b""
    for n, block in enumerate(blocks):
        out += reader.feed(block)
        if reader.rest is not None:
            reader.rest += b"".join(blocks[n + 1 :])
            break
    return out, reader


def cut(stream: bytes, rng: random.Random) -> list[bytes]:
    blocks = []
    while stream:
        n = rng.choice((1, 1, 2, 3, 5, 17, 400))
        blocks.append(stream[:n])
        stream = stream[n:]
    return blocks


def stuffed(message: bytes) -> bytes:
    lines = message.split(b"\r\n")
    return b"\r\n".join(b"." + line if line.startswith(b".") else line for line in lines)


def test_dots_over_all_cuts() -> None:
    rng = random.Random(5321)
    words = [b".", b"..", b"\r\n", b"\r\n", b"a", b".\r\n", b"x.", b"long line of text"]
    for _ in range(3_000):
        message = b"".join(rng.choices(words, k=rng.randrange(12)))
        if message and not message.endswith(b"\r\n"):
            message += b"\r\n"
        stream = stuffed(message) + b".\r\n" + b"QUIT\r\n"
        out, reader = read(cut(stream, rng))
        assert (out, reader.fault, reader.rest) == (message, None, b"QUIT\r\n"), stream
        assert reader.size == len(message)


@pytest.mark.parametrize("end", [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r.\r\n", b"\r\n.\r", b"\r\n\x00.\r\n"])
def test_nothing_but_the_one_mark_ends_the_data(end: bytes) -> None:
    """The forms of CVE-2023-51764 and its sisters."""
    for split in range(len(end) + 1):
        smuggled = b"MAIL FROM:<evil@example.org>\r\n"
        stream = b"a" + end + smuggled
        _, reader = read([stream[: 1 + split], stream[1 + split :]])
        assert reader.rest is None
        _, reader = read([stream[: 1 + split], stream[1 + split :], b".\r\n"])
        assert reader.rest == b""
        assert reader.fault in (Fault.NEWLINE, Fault.NUL)


@pytest.mark.parametrize(
    "message", [b"a\nb\r\n", b"a\rb\r\n", b"\ra\r\n", b"a\r\r\n", b"a\n\r\n", b"\n\r\n", b"a\n\rb\r\n"]
)
def test_bare_newlines_are_a_fault_or_become_crlf(message: bytes) -> None:
    for cut_at in range(len(message) + 1):
        blocks = [message[:cut_at], message[cut_at:] + b".\r\n"]
        _, reader = read(blocks)
        assert reader.fault is Fault.NEWLINE
        assert reader.rest == b""
        out, reader = read(blocks, newlines="normalize")
        assert reader.fault is None
        assert out == message.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")
        assert reader.size == len(out)


def test_line_ends_are_judged_as_if_each_were_counted() -> None:
    rng = random.Random(11)
    for _ in range(20_000):
        octets = bytes(rng.choice(b"\r\n\r\n.a\x00\x85\xff") for _ in range(rng.randrange(12)))
        pairs = octets.count(b"\r\n")
        assert only_crlf(octets) is (octets.count(b"\n") == pairs == octets.count(b"\r")), octets


def test_a_dot_behind_a_bare_newline_is_content() -> None:
    out, reader = read([b"a\n.\nMAIL FROM:<x@y>\n..b\r\n.\r\n"], newlines="normalize")
    assert out == b"a\r\n.\r\nMAIL FROM:<x@y>\r\n..b\r\n"
    assert reader.rest == b""


def test_nul_is_refused() -> None:
    assert read([b"a\0b\r\n.\r\n"])[1].fault is Fault.NUL


def test_size_limit_and_cut_off() -> None:
    exact = b"x" * 98 + b"\r\n"
    assert read([exact, b".\r\n"], size=100)[1].fault is None
    out, reader = read([b"x" + exact, b".\r\n"], size=100)
    assert (reader.fault, reader.rest) == (Fault.SIZE, b"")
    assert len(out) <= 100
    reader = DataReader(100, 0, "reject")
    kept = b"".join(reader.feed(b"y" * 1_000) for _ in range(1_100))
    assert reader.fault is Fault.CUT
    assert kept == b""


@pytest.mark.parametrize("limit", [1, 5, 30, 1_000])
def test_line_limit_against_a_slow_reader(limit: int) -> None:
    rng = random.Random(limit)
    for _ in range(1_500):
        lengths = [rng.choice((0, 1, limit - 1, limit, rng.randrange(limit + 1))) for _ in range(rng.randrange(6))]
        if rng.random() < 0.5:
            lengths.insert(rng.randrange(len(lengths) + 1), limit + rng.choice((1, 2, 3, 50)))
        message = b"".join(b"z" * length + b"\r\n" for length in lengths)
        blocks = cut(message + b".\r\n", rng)
        reader = read(blocks, line=limit)[1]
        expected = Fault.LINE if any(length > limit for length in lengths) else None
        assert reader.fault is expected, (lengths, blocks)
        assert reader.rest == b""


def test_memory_does_not_grow_with_a_line_that_never_ends() -> None:
    reader = DataReader(10_000_000, 1_000, "reject")
    kept = sum(len(reader.feed(b"x" * 60_000)) for _ in range(50))
    assert reader.fault is Fault.LINE
    assert kept < 60_000
