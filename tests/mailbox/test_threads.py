"""Threads (RFC 5256 section 3): the RFC's steps by example, and what must hold for any references at all."""

from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhub.mailbox.threads import Message, message, threads
from mailhub.model.mailbox import MessageRow
from mailhub.model.sorting import Algorithm, Node


def made(uid: int, *references: str, subject: str = "S", answer: bool = False, date: int = 0, own: str = "") -> Message:
    names = tuple(name.encode() + b"@x" for name in references)
    return Message(uid, date or uid, subject, answer, (own or str(uid)).encode() + b"@x", names)


def shown(nodes: Sequence[Node]) -> list[object]:
    """[1, [2], [3]]: a node's UID and its children."""
    return [[node.uid, *shown(node.children)] for node in nodes]


def by(algorithm: Algorithm, *messages: Message) -> list[object]:
    return shown(threads(messages, algorithm))


def references(*messages: Message) -> list[object]:
    return by(Algorithm.REFERENCES, *messages)


def test_a_chain() -> None:
    assert references(made(1), made(2, "1"), made(3, "1", "2")) == [[1, [2, [3]]]]
    assert references(made(3, "1", "2"), made(2, "1"), made(1)) == [[1, [2, [3]]]]


def test_what_is_missing_joins_its_children() -> None:
    """Step 3: at the top it stays where it has more than one child."""
    assert references(made(2, "gone"), made(3, "gone")) == [[0, [2], [3]]]
    assert references(made(1), made(2, "1", "gone"), made(3, "1", "gone")) == [[1, [2], [3]]]
    assert references(made(5, "a", "b", "c")) == [[5]]


def test_a_circle_is_not_followed() -> None:
    assert references(made(1, "2", subject="A"), made(2, "1", subject="B")) == [[2, [1]]]
    assert references(made(1, "1")) == [[1]]


def test_one_name_for_two_messages() -> None:
    """Step 1: the second stands as if it had another name."""
    assert references(made(1, subject="A"), made(2, own="1", subject="B"), made(3, "1", subject="C")) == [[1, [3]], [2]]


def test_subjects_join_threads() -> None:
    """Step 5: an answer goes below what it answers; two of the same kind get a common place."""
    assert references(made(1), made(2, answer=True)) == [[1, [2]]]
    assert references(made(1, answer=True), made(2, answer=True)) == [[0, [1], [2]]]
    assert references(made(1, answer=True), made(2)) == [[2, [1]]]
    assert references(made(1, subject=""), made(2, subject="")) == [[1], [2]]
    assert references(made(1, answer=True), made(2, answer=True), made(3, answer=True)) == [[0, [1], [2], [3]]]
    assert references(made(2, "gone"), made(3, "gone"), made(4)) == [[0, [2], [3], [4]]]


def test_refs_leaves_subjects_alone_and_the_latest_thread_is_last() -> None:
    messages = made(1), made(2), made(3, "1", answer=True)
    assert by(Algorithm.REFS, *messages) == [[2], [1, [3]]]


def test_by_subject() -> None:
    messages = made(1, date=5), made(2, subject="T", date=1), made(3, date=2), made(4, date=9)
    assert by(Algorithm.ORDEREDSUBJECT, *messages) == [[2], [3, [1], [4]]]


def uids(nodes: Sequence[Node]) -> Iterator[int]:
    waiting = list(nodes)
    while waiting:
        node = waiting.pop()
        yield node.uid
        waiting += node.children


names = st.sampled_from([str(n) for n in range(1, 9)])


@pytest.mark.parametrize("algorithm", Algorithm)
@given(
    st.lists(
        st.tuples(
            st.lists(names, max_size=5), names, st.sampled_from(["", "S", "T"]), st.booleans(), st.integers(1, 5)
        ),
        max_size=12,
    )
)
def test_every_message_is_there_once(algorithm: Algorithm, given_: list[tuple[list[str], str, str, bool, int]]) -> None:
    messages = [
        made(uid, *refs, own=own, subject=subject, answer=answer, date=date)
        for uid, (refs, own, subject, answer, date) in enumerate(given_, 1)
    ]
    roots = threads(messages, algorithm)
    assert sorted(uid for uid in uids(roots) if uid) == list(range(1, len(messages) + 1))
    for root in roots:
        assert root.uid or len(root.children) > 1
        assert all(uids(root.children))  # a place without a message is at the top alone


@pytest.mark.parametrize("backwards", [False, True])
def test_threads_as_deep_as_a_folder(backwards: bool) -> None:
    messages = [made(1), *[made(n, str(n - 1)) for n in range(2, 20_000)]]
    roots = threads(messages[::-1] if backwards else messages, Algorithm.REFERENCES)
    assert len(roots) == 1
    depth, node = 1, roots[0]
    while node.children:
        depth, node = depth + 1, node.children[0]
    assert depth == len(messages)


def test_a_broad_thread() -> None:
    messages = [made(1), *[made(n, "1") for n in range(2, 20_000)]]
    assert len(threads(messages, Algorithm.REFERENCES)[0].children) == len(messages) - 1


def test_rows_give_dates_and_subjects() -> None:

    envelope = b'("Mon, 2 Feb 2026 10:00:00 +0100" "Re: =?utf-8?q?Caf=C3=A9?=" NIL NIL NIL NIL NIL NIL "<a@x>" "<b@x>")'
    row = MessageRow(7, 0, 0, 42, 0, envelope)
    found = message(row, b"")
    assert (found.date, found.answer, found.id, found.references) == (
        1770022800,
        True,
        b"b@x",
        (b"a@x",),
    )
    assert message(row, b"<c@x> <d@x>").references == (b"c@x", b"d@x")
