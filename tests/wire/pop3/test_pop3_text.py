"""Multi-line responses: whatever the blocks, the same octets; what a client makes of them is the message."""

from hypothesis import given
from hypothesis import strategies as st

from mailhub.wire.pop3 import Stuffer, Top

MESSAGES = st.lists(st.sampled_from([b".", b"\r", b"\n", b"\r\n", b"a", b"\r\n.", b"\0", b"\xff"])).map(b"".join)


def stuffed(data: bytes, size: int) -> bytes:
    stuffer = Stuffer()
    blocks = [stuffer.feed(data[at : at + size]) for at in range(0, len(data), size)]
    return b"".join([*blocks, stuffer.end()])


def top(data: bytes, lines: int, size: int) -> bytes:
    cutter, out = Top(lines), []
    for at in range(0, len(data), size):
        if cutter.full:
            break
        out.append(cutter.cut(data[at : at + size]))
    return b"".join(out)


def received(answer: bytes) -> bytes:
    """As a client reads it (RFC 1939 section 3): lines up to a dot alone, the dot before a dot taken away."""
    out = []
    while True:
        line, end, answer = answer.partition(b"\r\n")
        assert end, "no dot alone on a line"
        if line == b".":
            assert answer == b"", "octets behind the end"
            return b"".join(out)
        out.append(line.removeprefix(b".") + b"\r\n")


def test_dots_and_ends() -> None:
    assert stuffed(b"", 1) == b".\r\n"
    assert stuffed(b".\r\n", 9) == b"..\r\n.\r\n"
    assert stuffed(b"a", 9) == b"a\r\n.\r\n"
    assert stuffed(b"a\r", 9) == b"a\r\n.\r\n"
    assert stuffed(b"a\r\n.\r\n..b\r\n", 9) == b"a\r\n..\r\n...b\r\n.\r\n"


def test_bare_lf_is_sent_as_crlf() -> None:
    assert stuffed(b"a\n\n.b\n", 100) == b"a\r\n\r\n..b\r\n.\r\n"
    assert stuffed(b"a\r\nb\nc\r\n", 100) == b"a\r\nb\r\nc\r\n.\r\n"


@given(MESSAGES, st.integers(1, 7))
def test_blocks_make_no_difference(data: bytes, size: int) -> None:
    assert stuffed(data, size) == stuffed(data, len(data) + 1)


@given(MESSAGES)
def test_the_client_gets_the_message(data: bytes) -> None:
    lines = data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    if lines.endswith(b"\r"):
        lines += b"\n"
    if lines and not lines.endswith(b"\r\n"):
        lines += b"\r\n"
    assert received(stuffed(data, 3)) == lines


def test_top_is_header_blank_line_and_lines() -> None:
    data = b"A: b\r\nC: d\r\n\r\n1\r\n2\r\n3"
    assert top(data, 0, 100) == b"A: b\r\nC: d\r\n\r\n"
    assert top(data, 2, 100) == b"A: b\r\nC: d\r\n\r\n1\r\n2\r\n"
    assert top(data, 9, 100) == data
    assert top(data.replace(b"\r\n", b"\n"), 1, 100) == b"A: b\nC: d\n\n1\n"
    assert top(b"A: b\r\nno blank line", 0, 100) == b"A: b\r\nno blank line"
    assert top(b"\r\nno header\r\nx\r\n", 1, 100) == b"\r\nno header\r\n"


@given(MESSAGES, st.integers(0, 3), st.integers(1, 7))
def test_top_is_the_same_in_any_blocks(data: bytes, lines: int, size: int) -> None:
    whole = top(data, lines, len(data) + 1)
    assert top(data, lines, size) == whole
    assert data.startswith(whole)
