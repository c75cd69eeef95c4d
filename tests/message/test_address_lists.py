"""Addresses of a field, as people and their programs really write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhub.message.address_list import LIMIT, Group, Mailbox, parse


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (b"a@b", [Mailbox(None, b"a", b"b")]),
        (b"Bob  Q. Example <a@b.example>", [Mailbox(b"Bob Q. Example", b"a", b"b.example")]),
        (b'"Example, Bob" <a@b>, c@d', [Mailbox(b"Example, Bob", b"a", b"b"), Mailbox(None, b"c", b"d")]),
        (b'"quo\\"ted" <a@b>', [Mailbox(b'quo"ted', b"a", b"b")]),
        (b"a@b (Bob (the one))", [Mailbox(b"Bob (the one)", b"a", b"b")]),
        (b"a . b @ c . d", [Mailbox(None, b"a.b", b"c.d")]),
        (b'"a b"@c', [Mailbox(None, b"a b", b"c")]),
        (b"x <k@[192.0.2.1]>", [Mailbox(b"x", b"k", b"[192.0.2.1]")]),
        (b"<@one,@two:a@b>", [Mailbox(None, b"a", b"b", b"@one,@two")]),
        (b"One of these", [Mailbox(b"One of these", b"", b"")]),
        (b"<a@b, c@d", [Mailbox(None, b"a", b"b"), Mailbox(None, b"c", b"d")]),
        (b"bob", [Mailbox(None, b"bob", b"")]),
        (b"gr\xfc\xdfe <a@b>", [Mailbox(b"gr\xfc\xdfe", b"a", b"b")]),
        (b"undisclosed-recipients:;", [Group(b"undisclosed-recipients", ())]),
        (b"A B: a@b, C <c@d>; e@f", [
            Group(b"A B", (Mailbox(None, b"a", b"b"), Mailbox(b"C", b"c", b"d"))), Mailbox(None, b"e", b"f"),
        ]),
        (b"A: a@b", [Group(b"A", (Mailbox(None, b"a", b"b"),))]),
        (b",, ,", []),
        (b"", []),
        (b"<>", []),
    ],
)  # fmt: skip
def test_addresses(value: bytes, found: list[Mailbox | Group]) -> None:
    assert list(parse(value)) == found


def test_the_number_of_addresses_is_bounded() -> None:
    assert len(parse(b"a@b," * 3 * LIMIT)) == LIMIT
    assert len(parse(b"a:;" * 3 * LIMIT)) == LIMIT
    groups = parse(b"a:" + b"(x)a@b," * 3 * LIMIT)
    assert sum(len(group.mailboxes) for group in groups if isinstance(group, Group)) == LIMIT


_WORD = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=1, max_size=8)


@given(st.lists(st.tuples(st.none() | st.text("abc ,<>@()", max_size=8), _WORD, _WORD), max_size=8))
def test_what_was_written_is_read(written: list[tuple[str | None, str, str]]) -> None:
    value = ", ".join(
        f'"{name}" <{local}@{domain}>' if name else f"{local}@{domain}" for name, local, domain in written
    )
    expected = [
        Mailbox(name.encode() if name else None, local.encode(), domain.encode()) for name, local, domain in written
    ]
    assert list(parse(value.encode())) == expected


@given(st.text('a"\\()<>@,:;[]. \t\x00é').map(lambda text: text.encode("latin-1")) | st.binary())
def test_nothing_raises(value: bytes) -> None:
    for entry in parse(value):
        assert isinstance(entry, Mailbox | Group)
