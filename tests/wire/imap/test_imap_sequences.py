"""Sequence sets against sets of numbers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhub.wire.imap import sequences
from mailhub.wire.imap.framing import Frame
from mailhub.wire.imap.lexer import BadSyntax, Lexer


def ranges(text: str) -> sequences.Ranges:
    lexer = Lexer(Frame((text.encode(),)))
    found = sequences.read(lexer)
    lexer.finish()
    return found


def numbers(resolved: sequences.Ranges) -> list[int]:
    return [n for low, high in resolved for n in range(low, high + 1)]


def test_the_forms() -> None:
    assert ranges("1,5:7,9:*,*") == ((1, 1), (5, 7), (9, 0), (0, 0))


@pytest.mark.parametrize("bad", ["0", "1:0", "", "1,", ",1", "1:", "1:2:3", "4294967296", "-1", "1 2", "99999999999"])
def test_what_is_no_set(bad: str) -> None:
    with pytest.raises(BadSyntax):
        ranges(bad)


def test_star_is_the_largest_even_below_the_other_end() -> None:
    assert sequences.resolve(ranges("9:*"), 4) == ((4, 9),)
    assert sequences.resolve(ranges("*"), 4) == ((4, 4),)
    assert sequences.resolve(ranges("*,1:*"), 0) == ()


def test_a_huge_range_costs_nothing() -> None:
    assert sequences.resolve(ranges("1:4294967295,7"), 3) == ((1, 4294967295),)


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), max_size=6), st.integers(1, 20))
def test_resolved_is_the_union(pairs: list[tuple[int, int]], largest: int) -> None:
    resolved = sequences.resolve(tuple(pairs), largest)
    expected = {
        n for a, b in pairs for n in range(min(a or largest, b or largest), max(a or largest, b or largest) + 1)
    }
    assert numbers(resolved) == sorted(expected)


@given(st.sets(st.integers(1, 60)))
def test_compressed_and_read_again(wanted: set[int]) -> None:
    text = sequences.compress(sorted(wanted))
    if wanted:
        assert numbers(sequences.resolve(ranges(text.decode()), 60)) == sorted(wanted)
    else:
        assert text == b""


@given(st.lists(st.integers(1, 60), min_size=1, unique=True))
def test_compressing_keeps_the_order(wanted: list[int]) -> None:
    pieces = [piece.split(":") for piece in sequences.compress(wanted).decode().split(",")]
    assert [n for piece in pieces for n in range(int(piece[0]), int(piece[-1]) + 1)] == wanted
