"""Any input at all: nothing raises, no octet is lost, answers are well formed, time stays linear.

The large inputs here would take hours if anything were searched twice for each part, field or sign.
"""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fuzzing import fuzz

from mailhub.message import address_list, headers, parameters, search_text, structure
from mailhub.message.parts import Part, find, parse

SUITE = Path(__file__).parents[2].parent / "shared" / "suites" / "messages"


def check_offsets(data: bytes, root: Part) -> None:
    """Header and body meet in `body`; parts lie in their parent's body, in order, apart; only text of boundaries is between."""
    assert (root.start, root.end) == (0, len(data))
    waiting = [root]
    while waiting:
        part = waiting.pop()
        assert part.start <= part.body <= part.end
        at = part.body
        for child in part.parts:
            assert at <= child.start
            at = child.end
        assert at <= part.end
        if part.message:
            assert (part.parts[0].start, part.parts[0].end) == (part.body, part.end)
        elif part.parts:
            for before, after in zip(part.parts, part.parts[1:], strict=False):
                assert data[before.end : after.start].strip(b"\r\n").startswith(b"--")
        else:
            assert part.lines in (0, data.count(b"\n", part.body, part.end))
        waiting += part.parts


def sections(part: Part, path: tuple[int, ...] = ()) -> Iterator[tuple[int, ...]]:
    whole = part.parts[0] if part.message and path else part
    for number, child in enumerate(whole.parts if whole.multipart else [], 1):
        yield (*path, number)
        yield from sections(child, (*path, number))


def read_list(text: bytes, at: int) -> tuple[list[object], int]:
    """One parenthesised list of IMAP, from behind its "("; AssertionError where it is malformed."""
    out: list[object] = []
    while True:
        sign = text[at : at + 1]
        assert sign, "the list is not closed"
        if sign == b")":
            return out, at + 1
        if sign == b"(":
            inner, at = read_list(text, at + 1)
            out.append(inner)
        elif sign == b" ":
            at += 1
        elif sign == b'"':
            end = at + 1
            while text[end : end + 1] != b'"':
                assert text[end : end + 1] not in (b"", b"\r", b"\n", b"\0")
                assert text[end] < 128
                end += 2 if text[end : end + 1] == b"\\" else 1
            out.append(text[at + 1 : end])
            at = end + 1
        elif sign == b"{":
            end = text.index(b"}\r\n", at)
            size = int(text[at + 1 : end])
            assert b"\0" not in text[end + 3 : end + 3 + size]
            out.append(text[end + 3 : end + 3 + size])
            at = end + 3 + size
        else:
            end = at
            while text[end : end + 1] not in (b" ", b")", b"("):
                end += 1
            assert text[at:end] == b"NIL" or text[at:end].isdigit()
            out.append(None if text[at:end] == b"NIL" else int(text[at:end]))
            at = end


def check(data: bytes) -> None:
    root = parse(data)
    check_offsets(data, root)
    for path in sections(root):
        assert find(root, path) is not None
    envelope, bodystructure = structure.render(data)
    for text in (envelope, bodystructure, structure.body(root)):
        _, end = read_list(text, 1)
        assert end == len(text)
    assert len(read_list(envelope, 1)[0]) == 10
    for piece in (*search_text.header(data, root), *search_text.body(data, root)):
        piece.encode("utf-8", "surrogatepass")
    for name, value in headers.fields(data[: headers.header_end(data)]):
        assert name
        headers.decode(value)
        address_list.parse(headers.unfold(value))
        parameters.parse(headers.unfold(value))
    assert headers.header_end(data) <= len(data)


def messages() -> list[Path]:
    found = (path for path in sorted(SUITE.rglob("*")) if path.is_file() and path.name not in ("ORIGIN", "COPYING"))
    return list(found) if SUITE.is_dir() else []


needs_suite = pytest.mark.skipif(not SUITE.is_dir(), reason=f"no outside messages at {SUITE.name}")


@needs_suite
@pytest.mark.parametrize("path", messages(), ids=lambda path: path.name)
def test_messages_from_outside(path: Path) -> None:
    data = path.read_bytes()
    check(data)
    check(data.replace(b"\r\n", b"\n"))
    check(data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))


@needs_suite
def test_messages_from_outside_mangled() -> None:
    """A fixed seed: cut, doubled and overwritten stretches of real messages."""
    source = random.Random(5321)
    originals = [path.read_bytes()[:8_192] for path in messages()]
    for _ in range(1_500):
        data = bytearray(source.choice(originals))
        for _ in range(source.randrange(1, 6)):
            at, length = source.randrange(len(data) + 1), source.randrange(40)
            match source.randrange(4):
                case 0:
                    del data[at : at + length]
                case 1:
                    data[at:at] = data[at : at + length]
                case 2:
                    data[at : at + length] = source.randbytes(length)
                case _:
                    other = source.choice(originals)
                    start = source.randrange(len(other) + 1)
                    data[at:at] = other[start : start + 10 * length]
        check(bytes(data))


_PIECES = [
    b"\r\n", b"\n", b"\r", b"\r\n\r\n", b" ", b"\t", b":", b";", b"=", b'"', b"\\", b"(", b")", b"<", b">", b"@", b",", b"*0*=",
    b"\0", b"\xff", b"--", b"--b", b"--b\r\n", b"--b--\r\n", b"--bb\n", b"b", b"From: ", b"To: ", b"Subject: ", b"Date: x\r\n",
    b"Content-Type: ", b"multipart/mixed", b"multipart/digest; boundary=b", b"; boundary=b\r\n\r\n", b'; boundary="bb"\n\n',
    b"message/rfc822", b"Content-Type: message/rfc822\r\n\r\n", b"text/plain; charset=", b"utf-16", b"utf-7", b"base64",
    b"Content-Transfer-Encoding: ", b"quoted-printable", b"Content-Disposition: ", b"Content-Language: ", b"a@b", b"g: a@b;",
    b"=?utf-8?q?=C3?=", b"=?utf-8?b?w?=", b"''%C3",
]  # fmt: skip


@fuzz(600)
@given(st.lists(st.sampled_from(_PIECES) | st.binary(max_size=8), max_size=60).map(b"".join))
def test_no_input_raises(data: bytes) -> None:
    check(data)


MANY = 10_000
MIXED = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
LARGE = {
    "nested": b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(MANY)),
    "nested, one boundary": (MIXED + b"--b\r\n") * MANY,
    "nested, then a large body": (MIXED + b"--b\r\n") * 99 + b"\r\n" + b"a line of the body\r\n" * 200_000,
    "nested messages": b"Content-Type: message/rfc822\r\n\r\n" * MANY,
    "nested messages, then lines": b"Content-Type: message/rfc822\r\n\r\n" * 99 + b"\n" * 3_000_000,
    "flat": MIXED + b"--b\r\n\r\nx\r\n" * MANY,
    "flat without blank lines": MIXED + b"--b\r\nx\r\n" * 10 * MANY,
    "digest": b"Content-Type: multipart/digest; boundary=b\r\n\r\n" + b"--b\r\n\r\nTo: x\r\n\r\n" * MANY,
    "lines that begin with dashes": MIXED + b"--\r\n" * 300_000,
    "line ends": MIXED + b"\r\n" * 2_000_000,
    "fields": b"To: x@y\r\n" * 30 * MANY,
    "one field of many lines": b"Subject: x" + b"\r\n y" * 100 * MANY,
    "a line without end": b"a" * 5_000_000,
    "colons": b":" * 3_000_000,
    "dashes without end": MIXED + b"\n--" + b"-" * 3_000_000,
}
LONG = {
    sign.decode(): sign * (1_000_000 // len(sign))
    for sign in [
        b"a", b" ", b":", b"<", b">", b"(", b")", b",", b";", b"@", b'"', b"\\", b"a ", b"a@", b"a:;", b'"a ', b'"\\', b"<@",
        b"; ", b";a=", b';a="', b";a*0=b", b"a = ", b"=?", b"=?a?q?", b"?= ", b"=?a?q?b?= ", b"[", b"<a@b", b".",
    ]
}  # fmt: skip


@pytest.mark.parametrize("name", LARGE)
def test_large_messages(name: str) -> None:
    data = LARGE[name]
    root = parse(data)
    check_offsets(data, root)
    structure.render(data)
    for _ in search_text.body(data, root):
        pass


@pytest.mark.parametrize("sign", LONG)
def test_long_fields(sign: str) -> None:
    value = LONG[sign]
    for name in (b"To: ", b"Subject: ", b"Content-Type: text/plain", b"Content-Disposition: x", b"Content-Language: "):
        structure.render(name + value + b"\r\n\r\n")
    headers.decode(value)
    parameters.parse(b"x/y;" + value)
    address_list.parse(value)
    headers.fields(value)
