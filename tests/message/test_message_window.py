"""A message that is parsed through a window has the same parts as one in memory, and costs a few blocks."""

import random

import pytest

from mailhub.message import parts, window
from mailhub.message.parts import Part, parse
from mailhub.message.structure import render
from mailhub.message.window import Window


def through(data: bytes, reads: list[tuple[int, int]] | None = None) -> Window:
    def read(offset: int, length: int) -> bytes:
        if reads is not None:
            reads.append((offset, length))
        return data[offset : offset + length]

    return Window(len(data), read)


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(window, "BLOCK", 7)


@pytest.mark.usefixtures("small_blocks")
def test_a_window_is_like_octets() -> None:
    chance = random.Random(1)
    data = bytes(chance.choice(b"\n\r-ab") for _ in range(300))
    seen = through(data)
    for _ in range(20_000):
        start, stop = chance.randint(0, 310), chance.choice((None, chance.randint(0, 310)))
        octets = data[(at := chance.randint(0, 299)) : at + chance.randint(1, 4)]
        assert seen.find(octets, start, stop) == data.find(octets, start, stop), (octets, start, stop)
        if stop is not None:
            assert seen[start:stop] == data[start:stop]
            assert seen.count(b"\n", start, min(stop, 300)) == data.count(b"\n", start, min(stop, 300))


def message(chance: random.Random) -> bytes:
    """Lines in which boundaries, headers and blank lines come in any order."""
    lines = (
        b"Content-Type: multipart/mixed; boundary=b", b"Content-Type: message/rfc822", b"Subject: x", b"", b"--b", b"--b--",
        b"--c", b"text", b"Content-Type: multipart/digest; boundary=c", b"--", b"-",
    )  # fmt: skip
    end = chance.choice((b"\r\n", b"\n"))
    return b"".join(chance.choice(lines) + end for _ in range(chance.randint(0, 40)))


@pytest.mark.usefixtures("small_blocks")
def test_the_parts_of_any_message_are_the_same_through_a_window() -> None:
    chance = random.Random(2)
    for _ in range(2_000):
        data = message(chance)
        assert parse(through(data)) == parse(data)
        assert render(through(data)) == render(data)


def test_a_large_message_is_read_twice_at_the_most_and_by_the_block() -> None:
    line = b"x" * 76 + b"\r\n"
    attachment = b"Content-Type: application/octet-stream\r\n\r\n" + line * 100_000 + b"\r\n--b"
    data = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b" + (b"\r\n" + attachment) * 3 + b"--\r\n"
    reads: list[tuple[int, int]] = []
    root = parse(through(data, reads))
    assert [part.subtype for part in root.parts] == [b"octet-stream"] * 3
    assert sum(length for _, length in reads) < 4 * len(data)
    assert max(length for _, length in reads) <= window.BLOCK


def test_lines_that_might_be_boundaries_are_looked_at_up_to_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "MAX_LINES", 100)
    data = (
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n"
        + b"--x\r\n" * 1_000
        + b"--b\r\n\r\nsecond\r\n--b--\r\n"
    )
    root: Part = parse(data)
    assert len(root.parts) == 1
    assert root.parts[0].end == len(data)
