"""The tree of parts: offsets, boundaries in odd places, sections, bounds."""

import pytest

from mailhub.message.parts import MAX_DEPTH, MAX_PARTS, Part, find, parse


def crlf(text: str) -> bytes:
    return text.replace("\n", "\r\n").encode()


MIXED = crlf("""\
Content-Type: multipart/mixed; boundary="out"

preamble
--out

one
--out
Content-Type: message/rfc822

Subject: inside
Content-Type: multipart/alternative; boundary=in

--in

two
--in
Content-Type: text/html

three

--in--
--out \t
Content-Type: message/rfc822

Subject: plain

four
--out--
epilogue
""")


def content(data: bytes, part: Part | None) -> bytes | None:
    return None if part is None else data[part.body : part.end]


@pytest.mark.parametrize(
    ("path", "octets"),
    [
        ((1,), b"one"),
        ((2, 1), b"two"),
        ((2, 2), b"three\r\n"),
        ((3,), b"Subject: plain\r\n\r\nfour"),
        ((3, 1), b"four"),
        ((4,), None),
        ((0,), None),
        ((1, 1), None),
        ((2, 3), None),
        ((3, 1, 1), None),
        ((3, 2), None),
    ],
)
def test_a_section_number_finds_its_part(path: tuple[int, ...], octets: bytes | None) -> None:
    assert content(MIXED, find(parse(MIXED), path)) == octets
    bare = MIXED.replace(b"\r\n", b"\n")
    assert content(bare, find(parse(bare), path)) == (octets and octets.replace(b"\r\n", b"\n"))


def test_part_one_of_an_undivided_message_is_its_body() -> None:
    data = crlf("Subject: x\n\nbody\n")
    root = parse(data)
    assert content(data, find(root, (1,))) == b"body\r\n"
    assert find(root, ()) is root
    assert find(root, (1, 1)) is None
    assert find(root, (2,)) is None


def test_a_message_that_is_a_message() -> None:
    data = crlf("Content-Type: message/rfc822\n\nSubject: x\n\nbody")
    root = parse(data)
    assert content(data, find(root, (1,))) == b"Subject: x\r\n\r\nbody"
    assert content(data, find(root, (1, 1))) == b"body"
    assert find(root, (1, 2)) is None


def test_lines_are_counted_through_nested_messages() -> None:
    root = parse(MIXED)
    whole = root.parts[1]
    assert whole.lines == MIXED[whole.body : whole.end].count(b"\n")
    assert [part.lines for part in whole.parts[0].parts] == [0, 1]
    assert root.parts[2].lines == 2


def mixed(body: str, boundary: str = "b") -> list[bytes]:
    data = crlf(f'Content-Type: multipart/mixed; boundary="{boundary}"\n\n{body}')
    return [data[part.body : part.end] for part in parse(data).parts]


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("--b\n\none\n--b--\n", [b"one"]),
        ("--b\n\none", [b"one"]),  # never closed
        ("--b\n\none\n--b", [b"one", b""]),
        ("--b\n\none\n--b--", [b"one"]),
        ("--b\n\none\n--bc\n--b-\n--b--c\n--b--\n", [b"one\r\n--bc\r\n--b-\r\n--b--c"]),
        ("--b\n\none\n--b-- \t\n--b\n\nafter", [b"one"]),
        ("--b\n--b\n\n--b--\n", [b"", b""]),
        ("--b\nno blank line\n--b--\n", [b""]),
        ("x --b\n\none\n", []),
        ("--b--\n", []),
        ("", []),
    ],
)
def test_boundaries_are_whole_lines(body: str, found: list[bytes]) -> None:
    assert mixed(body) == found


def test_a_boundary_that_begins_like_another() -> None:
    data = crlf(
        "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: multipart/mixed; boundary=bb\n\n"
        "--bb\n\none\n--bb--\n--b\n\ntwo\n--b--\n"
    )
    root = parse(data)
    assert [content(data, find(root, path)) for path in ((1, 1), (2,))] == [b"one", b"two"]


def test_an_outer_boundary_ends_what_lies_inside() -> None:
    data = crlf(
        "Content-Type: multipart/mixed; boundary=out\n\n--out\nContent-Type: multipart/mixed; boundary=in\n\n"
        "--in\n\none\n--out\n\n--in\n--out--\n"
    )
    root = parse(data)
    assert content(data, find(root, (1, 1))) == b"one"
    assert content(data, find(root, (2,))) == b"--in"


def test_one_boundary_for_two_multiparts_is_first_the_inner_ones() -> None:
    data = crlf(
        "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: multipart/mixed; boundary=b\n\n"
        "--b\n\none\n--b--\n--b\n\ntwo\n--b--\n"
    )
    root = parse(data)
    assert [content(data, find(root, path)) for path in ((1, 1), (2,))] == [b"one", b"two"]


def test_a_digest_holds_messages() -> None:
    data = crlf("Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: x\n\nbody\n--b--\n")
    assert content(data, find(parse(data), (1, 1))) == b"body"


def depth(part: Part) -> int:
    deepest, waiting = 0, [(part, 1)]
    while waiting:
        current, level = waiting.pop()
        deepest = max(deepest, level)
        waiting += [(child, level + 1) for child in current.parts]
    return deepest


def count(part: Part) -> int:
    total, waiting = 0, [part]
    while waiting:
        total += 1
        waiting += waiting.pop().parts
    return total


@pytest.mark.parametrize("times", [10_000, 50_000])
def test_depth_is_bounded(times: int) -> None:
    data = b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\n' * times
    assert depth(parse(data)) == MAX_DEPTH + 1
    assert depth(parse(b"Content-Type: message/rfc822\r\n\r\n" * times)) == MAX_DEPTH + 1


def test_the_number_of_parts_is_bounded() -> None:
    head = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
    assert count(parse(head + b"--b\r\n\r\nx\r\n" * (MAX_PARTS - 1))) == MAX_PARTS
    data = head + b"--b\r\n\r\nx\r\n" * 5 * MAX_PARTS
    root = parse(data)
    assert count(root) == MAX_PARTS
    assert root.parts[-1].end == len(data)
