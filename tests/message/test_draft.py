"""A header that is changed field by field."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhub.message.draft import Draft, rendered

HEADER = b"Received: a\r\nSubject: b\r\n folded\r\nno field\r\nX-Two: 1\r\nx-two : 2\r\n"


def test_fields_as_filters_see_them() -> None:
    fields = list(Draft(HEADER).fields())
    assert fields == [(b"Received", b" a"), (b"Subject", b" b\r\n folded"), (b"X-Two", b" 1"), (b"x-two", b" 2")]


@pytest.mark.parametrize(
    ("index", "above", "begins"),
    [(0, b"X: y\r\n", b"Received: a"), (1, b"", b"X: y\r\nReceived: a"), (2, b"", b"Received: a\r\nX: y\r\n"), (99, b"", b"Received: a\r\nSubject")],
)  # fmt: skip
def test_a_field_at_a_place(index: int, above: bytes, begins: bytes) -> None:
    draft = Draft(HEADER)
    draft.insert(index, "X", "y")
    assert (b"".join(draft.above), draft.changed) == (above, True)
    assert draft.header.startswith(begins)
    assert (draft.header + above).count(b"X: y\r\n") == 1
    draft.insert(index, "Z", "y")
    assert list(draft.fields())[-1 if index == 99 else max(index - 1, 0)][0] == b"Z"


def test_fields_are_changed_counted_by_name() -> None:
    draft = Draft(HEADER)
    draft.change(2, "X-TWO", "new")
    draft.change(1, "Subject", "")
    draft.change(7, "X-Two", "another")
    draft.change(1, "X-None", "")
    assert draft.header == b"Received: a\r\nno field\r\nX-Two: 1\r\nX-TWO: new\r\nX-Two: another\r\n"
    draft.remove("x-two", -1)
    draft.remove("x-two", 1)
    assert draft.header == b"Received: a\r\nno field\r\nX-TWO: new\r\n"
    draft.insert(0, "X-Two", "above")
    draft.remove("x-two")
    assert (draft.header, draft.above) == (b"Received: a\r\nno field\r\n", [])


@given(st.text(max_size=60))
def test_no_value_ends_its_field(value: str) -> None:
    try:
        field = rendered("X", value)
    except UnicodeEncodeError:
        return
    lines = field.split(b"\r\n")
    assert lines.pop() == b""
    assert b"\n" not in b"".join(lines)
    assert b"\r" not in b"".join(lines)
    assert all(line[:1] in (b" ", b"\t") and line.strip(b" \t") for line in lines[1:])


def test_nothing_changed() -> None:
    assert (Draft(HEADER).header, Draft(b"").header, Draft(b"").changed) == (HEADER, b"", False)
    assert Draft(b"X: y").header == b"X: y\r\n"
