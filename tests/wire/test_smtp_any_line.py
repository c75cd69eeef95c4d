"""The grammars of SMTP over anything: a value that keeps its promises, or a refusal that is a reply; never another error."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.fuzzing import fuzz

from mailhub.model.reply import Reply
from mailhub.wire.smtp import (
    ChunkReader,
    DataReader,
    Fault,
    SyntaxRefused,
    chunk_argument,
    mail_parameters,
    parse_command,
    parse_path,
    recipient_parameters,
    render,
    xtext,
)
from mailhub.wire.smtp.parameters import MAIL, RECIPIENT

CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
ALL = {row.extension for row in (*MAIL.values(), *RECIPIENT.values())} | {"BINARYMIME"}
SIGNS = st.sampled_from(
    [
        *'<>@:;,."\\[]%!+=()|/ \t',
        "a",
        "b.example",
        "IPv6:",
        "192.0.2.1",
        "é",
        "\u200d",
        "\u202e",
        "\ufeff",
        "x" * 70,
        "-",
        "_",
    ]
)
TEXTS = st.lists(SIGNS, max_size=14).map("".join) | st.text(max_size=60)
WORDS = st.builds(
    lambda keyword, equals, value: " " + keyword + equals + value,
    st.sampled_from([*MAIL, *RECIPIENT, "FOO", "size", ""]),
    st.sampled_from(["=", "=", ""]),
    st.sampled_from(["", "0", "1", "-1", "9" * 20, "<>", "a+2Bb", "a+ZZ", "FULL", "7BIT", "NEVER", "DELAY,SUCCESS", "60;R", "rfc822;a", "utf-8;é",
                     "rfc822;+C3+A9", "2030-01-01T00:00:00Z", "9999-12-31T23:59:59+23:59", "²"]) | TEXTS,
)  # fmt: skip


def tried(read: Callable[..., Any], *arguments: Any) -> Any:
    """The value, or the reply that refuses."""
    try:
        return read(*arguments)
    except SyntaxRefused as refused:
        return refused.reply


@fuzz(300)
@given(st.binary(max_size=80) | TEXTS.map(str.encode))
def test_commands(line: bytes) -> None:
    found = tried(parse_command, line)
    if isinstance(found, Reply):
        assert found.code == 500
        return
    verb, argument = found
    assert verb.isascii()
    assert verb == verb.upper()
    assert not re.search(r"[\x00-\x08\x0a-\x1f\x7f]", argument)
    assert argument == argument.strip(" \t")


@fuzz(1_000)
@given(TEXTS | TEXTS.map("<{}>".format))
def test_paths(text: str) -> None:
    found = tried(parse_path, text)
    if isinstance(found, Reply):
        assert found.code == 501
        return
    path, rest = found
    assert text.lstrip(" \t").startswith("<")
    assert text.endswith(rest)
    assert not CONTROL.search(path.address + path.route)
    again, nothing = parse_path(f"<{path.route}{':' if path.route else ''}{path.address}>")
    assert (again, nothing) == (path, "")
    assert len(path.address.encode()) <= 2 * 255 + 1


@fuzz(500)
@given(st.lists(WORDS, max_size=4).map("".join) | TEXTS, st.sets(st.sampled_from(sorted(ALL))) | st.just(ALL))
def test_parameters(rest: str, offered: set[str]) -> None:
    for found in (tried(mail_parameters, rest, 1e9, offered), tried(recipient_parameters, rest, offered)):
        if isinstance(found, Reply):
            assert found.code in (501, 555)
            continue
        for name in found.__struct_fields__:
            value = getattr(found, name)
            assert not isinstance(value, str) or not CONTROL.search(value), name
        if hasattr(found, "body"):
            assert found.body in ("7BIT", "8BITMIME", "BINARYMIME")
            assert -9 <= found.priority <= 9
            assert found.size is None or 0 <= found.size < 10**20
            assert "DSN" in offered or (found.ret, found.envid) == (None, None)


@fuzz(200)
@given(TEXTS | st.sampled_from(["0 LAST", "12", "1 last", "1\tLAST", "99999999999999999999 LAST"]))
def test_chunk_arguments(text: str) -> None:
    found = tried(chunk_argument, text)
    if isinstance(found, Reply):
        assert found.code == 501
        return
    size, last = found
    assert re.fullmatch(rf"0*{size}([ \t]+LAST)?" if size else r"0+([ \t]+LAST)?", text, re.IGNORECASE)
    assert last == text.upper().endswith("LAST")


@fuzz(200)
@given(TEXTS)
def test_xtext(text: str) -> None:
    for decode in (xtext.decode, xtext.decode_utf8, xtext.decode_address):
        try:
            plain = decode(text)
        except ValueError:
            continue
        assert plain.isprintable()
    if text.isascii() and text.isprintable():
        assert xtext.decode(xtext.encode(text)) == text


@fuzz(200)
@given(st.integers(200, 599), st.sampled_from(["", "2.0.0"]), st.text(max_size=700))
def test_replies(code: int, enhanced: str, text: str) -> None:
    octets = render(Reply(code, enhanced, text))
    assert octets.endswith(b"\r\n")
    lines = octets[:-2].split(b"\r\n")
    assert [line[3:4] for line in lines] == [b"-"] * (len(lines) - 1) + [b" "]
    for line in lines:
        assert line.startswith(b"%d" % code)
        assert re.fullmatch(rb"[ -~]*", line)
        assert len(line) <= 510


# --- what a message is ---

BODIES = st.lists(
    st.sampled_from([b".", b"..", b"\r\n", b"\r", b"\n", b"\0", b"a", b"bcd", b"\r\n.\r\n", b"\xff", b"x" * 9]),
    max_size=14,
).map(b"".join)
CUTS = st.lists(st.integers(1, 12), min_size=1, max_size=30)
NEWLINES = st.sampled_from(["reject", "normalize"])
LINE_LIMIT = st.sampled_from([0, 3, 8])
SIZE_LIMIT = st.sampled_from([0, 10, 40])


def blocks(octets: bytes, cuts: list[int]) -> list[bytes]:
    out = []
    for cut in cuts:
        out.append(octets[:cut])
        octets = octets[cut:]
    return [block for block in [*out, octets] if block]


def plainly(text: bytes, newlines: str, line_limit: int, size_limit: int) -> bytes | None:
    """The message as a slow and simple reader understands it; None: it is refused."""
    if b"\0" in text or (newlines == "reject" and re.search(rb"\r(?!\n)|(?<!\r)\n", text)):
        return None
    text = re.sub(rb"\r\n|\r|\n", b"\r\n", text)
    if line_limit and any(len(line) > line_limit for line in text.split(b"\r\n")):
        return None
    return None if size_limit and len(text) > size_limit else text


@fuzz(1_000)
@given(BODIES, BODIES, CUTS, NEWLINES, LINE_LIMIT)
def test_data_ends_where_a_simple_reader_says(
    text: bytes, behind: bytes, cuts: list[int], newlines: str, line_limit: int
) -> None:
    stream = text + b"\r\n.\r\n" + behind
    end = (b"\r\n" + stream).index(b"\r\n.\r\n")
    inside, rest = (b"\r\n" + stream)[: end + 2], (b"\r\n" + stream)[end + 5 :]
    undone = inside.replace(b"\r\n.", b"\r\n")[2:]
    reader = DataReader(0, line_limit, newlines)  # type: ignore[arg-type]
    kept, unread = b"", list(reversed(blocks(stream, cuts)))
    while reader.rest is None:
        kept += reader.feed(unread.pop())
    assert reader.rest + b"".join(reversed(unread)) == rest
    expected = plainly(undone, newlines, line_limit, 0)
    assert (kept if reader.fault is None else None) == expected


@fuzz(1_000)
@example(b".bcd", [1], "reject", 3, 0, False)  # a last line over the limit, that had no end
@given(BODIES, CUTS, NEWLINES, LINE_LIMIT, SIZE_LIMIT, st.booleans())
def test_chunks_are_what_a_simple_reader_says(
    text: bytes, cuts: list[int], newlines: str, line_limit: int, size_limit: int, binary: bool
) -> None:
    reader = ChunkReader(size_limit, line_limit, newlines, binary=binary)
    kept = b"".join(reader.feed(block) for block in blocks(text, cuts)) + reader.finish()
    if binary:
        assert (kept if reader.fault is None else None) == (None if size_limit and len(text) > size_limit else text)
        return
    if reader.fault is Fault.SIZE:
        assert len(text) + 2 > size_limit > 0
        return
    whole = plainly(text, newlines, line_limit, 0)
    if whole and not whole.endswith(b"\r\n"):
        whole += b"\r\n"
    assert (kept if reader.fault is None else None) == whole


def test_the_simple_reader_can_refuse() -> None:
    assert plainly(b"a\nb", "reject", 0, 0) is None
    assert plainly(b"a\nb", "normalize", 0, 0) == b"a\r\nb"
    assert plainly(b"abcd\r\n", "reject", 3, 0) is None
    with pytest.raises(SyntaxRefused):
        parse_path("")
