"""Lines of ManageSieve: what they mean, and that nothing but BadCommand is raised."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fuzzing import fuzz

from mailhub.wire.sieve.managing import BadCommand, Command, Literal, Word, command, line, response, string


@pytest.mark.parametrize(
    ("octets", "arguments", "literal"),
    [
        (b'PutScript "a\\"b" {5+}', [Word("PUTSCRIPT"), b'a"b'], Literal(5, True)),
        (b'HAVESPACE "x" 99', [Word("HAVESPACE"), b"x", 99], None),
        (b"NOOP {3}", [Word("NOOP")], Literal(3, False)),
        (b"", [], None),
    ],
)
def test_lines(octets: bytes, arguments: list[object], literal: Literal | None) -> None:
    assert line(octets) == (arguments, literal)


@pytest.mark.parametrize("octets", [b'"a', b'"a\\x"', b"{5+} x", b"1a", b'"' + b"x" * 1025 + b'"', b"\xff", b'"\0"'])
def test_what_is_no_line(octets: bytes) -> None:
    with pytest.raises(BadCommand):
        line(octets)


def test_commands() -> None:
    assert command([Word("HAVESPACE"), b"a", 5]) == Command("HAVESPACE", (b"a",), 5)
    assert command([Word("AUTHENTICATE"), b"PLAIN"]) == Command("AUTHENTICATE", (b"PLAIN",))


def test_responses() -> None:
    assert response("NO", 'a "b"', "QUOTA") == b'NO (QUOTA) "a \\"b\\""\r\n'
    assert response("NO", "a\r\nb") == b"NO {4}\r\na\r\nb\r\n"
    assert response("OK") == b"OK\r\n"


@fuzz(200)
@given(st.binary(max_size=60))
def test_any_octets_raise_nothing_else(octets: bytes) -> None:
    with contextlib.suppress(BadCommand):
        arguments, _ = line(octets.replace(b"\n", b""))
        command(arguments)


@given(st.binary(max_size=60).filter(lambda text: not set(text) & {0, 10, 13}))
def test_a_string_comes_back(text: bytes) -> None:
    assert line(string(text)) == ([text], None)
