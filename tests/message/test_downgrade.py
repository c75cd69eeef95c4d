"""Messages in a form for hosts without 8BITMIME or BINARYMIME: what is encoded, what stays, what can not be sent."""

import email
import email.message
import quopri

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from mailhub.message import decoding, downgrade, window
from mailhub.message.downgrade import Encode, Keep, Limit, Unconvertible, encoder, plan
from mailhub.message.parts import Part, parse
from mailhub.message.window import Window


def converted(data: bytes, limit: Limit = "7bit", block: int = 7) -> bytes:
    """The pieces put together, encoded in small blocks."""
    out = []
    for piece in plan(data, limit):
        if isinstance(piece, bytes):
            out.append(piece)
        elif isinstance(piece, Keep):
            out.append(data[piece.start : piece.end])
        elif isinstance(piece, Encode):
            made = encoder(piece.encoding)
            out += [made.feed(data[at : min(at + block, piece.end)]) for at in range(piece.start, piece.end, block)] + [
                made.finish()
            ]
    return b"".join(out)


def leaves(data: bytes) -> list[tuple[str, bytes]]:
    """What Python's own parser makes of it."""
    return [
        (part.get_content_type(), part.get_payload(decode=True))
        for part in email.message_from_bytes(data).walk()
        if not part.is_multipart()
    ]


TEXT = "Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"


def test_text_becomes_quoted_printable_and_says_so_once() -> None:
    data = (TEXT + "größe = 1 \r\n.\r\n" + "ä" * 100 + "\r\n").encode()
    out = converted(data)
    assert out.isascii()
    assert out.startswith(b"Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n")
    assert out.count(b"Content-Transfer-Encoding: quoted-printable\r\n") == out.count(b"Content-Transfer-Encoding") == 1
    assert max(map(len, out.split(b"\r\n"))) <= 76
    assert leaves(out) == leaves(data)


def test_what_the_peer_takes_stays_octet_for_octet() -> None:
    data = (TEXT + "größe\r\n").encode()
    assert converted(data, "8bit") == data
    assert converted(b"A: b\r\n\r\nplain\r\n") == b"A: b\r\n\r\nplain\r\n"


@pytest.mark.parametrize(("body", "charset"), [("grün\r\n".encode(), b"utf-8"), (b"gr\xfcn\r\n", b"unknown-8bit")])
def test_a_message_of_the_time_before_mime_begins_to_be_one(body: bytes, charset: bytes) -> None:
    out = converted(b"Subject: x\r\n\r\n" + body)
    header, _, text = out.partition(b"\r\n\r\n")
    assert header.split(b"\r\n") == [
        b"Subject: x",
        b"Content-Transfer-Encoding: quoted-printable",
        b"Content-Type: text/plain; charset=" + charset,
        b"MIME-Version: 1.0",
    ]
    assert quopri.decodestring(text) == body


def multipart(*inner: bytes, kind: bytes = b"mixed", encoding: bytes = b"8bit", between: bytes = b"") -> bytes:
    head = b"MIME-Version: 1.0\r\nContent-Type: multipart/%b; boundary=b\r\nContent-Transfer-Encoding: %b\r\n\r\n%b"
    made = b"".join(b"--b\r\n%b\r\n" % part for part in inner)
    return head % (kind, encoding, between) + made + b"--b--\r\n" + between


PLAIN = b"Content-Type: text/plain\r\n\r\nplain"
UMLAUT = "Content-Type: text/plain; charset=utf-8\r\ncontent-transfer-encoding:\r\n 8bit\r\n\r\ngrün".encode()
BINARY = b"Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary\r\n\r\n\0\n\r\xff" + bytes(
    range(256)
)
ENCODED = b"Content-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\nAAEC"


def test_only_the_parts_that_need_it_change() -> None:
    data = multipart(PLAIN, UMLAUT, BINARY, ENCODED)
    out = converted(data)
    assert out.isascii()
    assert leaves(out) == leaves(data)
    assert PLAIN in out
    assert ENCODED in out
    assert out.count(b"quoted-printable") == 1
    assert out.count(b"Transfer-Encoding: base64") == 2
    assert b"Content-Transfer-Encoding: 7bit" in out.partition(b"\r\n\r\n")[0]
    assert b"Content-Type: multipart/mixed; boundary=b" in out.partition(b"\r\n\r\n")[0]


def test_of_binary_content_8_bit_text_stays_as_it_is() -> None:
    data = multipart(UMLAUT, BINARY, encoding=b"binary")
    out = converted(data, "8bit")
    assert UMLAUT in out
    assert b"Content-Transfer-Encoding: 8bit" in out.partition(b"\r\n\r\n")[0]
    assert b"\0" not in out
    assert out.count(b"\r") == out.count(b"\n") == out.count(b"\r\n")
    assert leaves(out) == leaves(data)


def test_binary_text_is_kept_to_the_octet_by_base64() -> None:
    data = b"MIME-Version: 1.0\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: binary\r\n\r\na\nb\rc"
    out = converted(data, "8bit")
    assert b"base64" in out
    assert leaves(out) == leaves(data)


def test_a_message_in_a_message_is_entered_and_never_encoded_as_a_whole() -> None:
    inner = (TEXT + "grün\r\n").encode()
    data = multipart(b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + inner)
    out = converted(data)
    assert out.isascii()
    assert leaves(out) == leaves(data)
    assert b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: 7bit\r\n" in out


def test_what_nobody_is_shown_is_masked() -> None:
    out = converted(multipart(UMLAUT, between="dürr\r\n".encode()))
    assert out.count(b"d??rr\r\n") == 2


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (multipart(UMLAUT, ENCODED, kind=b"signed"), "signed"),
        (multipart(multipart(multipart(PLAIN, UMLAUT), ENCODED, kind=b"signed")), "signed"),
        (b"Content-Type: message/partial; id=x\r\n\r\n\xff\r\n", "message/partial"),
        (b"Content-Type: multipart/mixed\r\n\r\n\xff\r\n", "multipart/mixed"),
        (b"Content-Type: a/b\r\nContent-Transfer-Encoding: x-uuencode\r\n\r\n\xff\r\n", "x-uuencode"),
        ("Content-Type: multipart/mixed; boundary=ü\r\n\r\n--ü\r\n\r\nü\r\n--ü--\r\n".encode(), "boundary"),
    ],
)
def test_what_can_not_be_sent(data: bytes, why: str) -> None:
    with pytest.raises(Unconvertible, match=why):
        plan(data, "7bit")


def test_what_is_signed_stays_where_nothing_in_it_has_to_change() -> None:
    signed = multipart(PLAIN, ENCODED, kind=b"signed")
    assert signed in converted(multipart(signed, UMLAUT))


def test_octets_that_no_decoder_knows_do_not_stop_a_message() -> None:
    out = converted(b"Content-Type: a/b\r\nContent-Transfer-Encoding: base64\r\n\r\nAA\xffAA\r\n")
    assert out.endswith(b"AA?AA\r\n")


LIMITS: tuple[Limit, ...] = ("7bit", "8bit")
LINES = some.lists(some.binary(max_size=90).map(lambda octets: octets.translate(None, b"\0\r\n")), max_size=6)


@given(LINES, some.integers(1, 100))
def test_quoted_printable_is_undone_to_the_octet(lines: list[bytes], block: int) -> None:
    text = b"\r\n".join(lines)
    made = encoder("quoted-printable")
    out = b"".join([made.feed(text[at : at + block]) for at in range(0, len(text), block)]) + made.finish()
    assert quopri.decodestring(out) == text
    assert out.isascii()
    assert all(len(line) <= 76 and line[-1:] not in (b" ", b"\t") for line in out.split(b"\r\n"))


def test_a_line_without_end_does_not_wait_for_it() -> None:
    made = encoder("quoted-printable")
    out = made.feed(b"\xe4" * 200_000)
    assert len(out) > 500_000
    assert quopri.decodestring(out + made.finish()) == b"\xe4" * 200_000


PART = some.tuples(
    some.sampled_from([b"text/plain", b"text/html; charset=utf-8", b"image/png", b"application/pdf"]),
    some.sampled_from([b"", b"Content-Transfer-Encoding: 8bit\r\n", b"Content-Transfer-Encoding: binary\r\n"]),
    some.binary(max_size=60).map(lambda octets: octets.replace(b"-", b"x")),
).map(lambda made: b"Content-Type: " + made[0] + b"\r\n" + made[1] + b"\r\n" + made[2])


def nested(inner: list[bytes]) -> bytes:
    """A multipart with a boundary that is not one of a part's."""
    level = max((part.count(b"boundary=") for part in inner), default=0)
    name = b"b%d" % level
    made = b"".join(b"--%b\r\n%b\r\n" % (name, part) for part in inner)
    return b"Content-Type: multipart/mixed; boundary=%b\r\n\r\n" % name + made + b"--%b--\r\n" % name


def decoded(data: bytes) -> list[tuple[bytes, bytes]]:
    """Type and content of each leaf, by our own tree: Python's parser takes a lone CR for the end of a line."""

    def walk(part: Part) -> list[tuple[bytes, bytes]]:
        if part.parts:
            return [leaf for inner in part.parts for leaf in walk(inner)]
        return [(part.subtype, decoding.octets(data[part.body : part.end], part.encoding))]

    return walk(parse(data))


@settings(max_examples=100)
@given(some.recursive(PART, lambda inner: some.lists(inner, min_size=1, max_size=3).map(nested), max_leaves=6))
def test_any_tree_of_parts_arrives_with_its_contents(data: bytes) -> None:
    out = converted(data)
    assert out.isascii()
    assert b"\0" not in out
    before, after = decoded(data), decoded(out)
    assert [kind for kind, _ in before] == [kind for kind, _ in after]
    assert [octets for _, octets in before] == [octets for _, octets in after]


@given(
    some.lists(
        some.sampled_from([b"ab", b"\r", b"\n", b"\r\n", b"\0", b"\xc3\xa4", b"--b\r\n", b"\r\n--b--\r\n"]), max_size=40
    ),
    some.integers(2, 9),
)
def test_a_message_that_is_seen_block_by_block_is_planned_as_one_that_is_there(words: list[bytes], block: int) -> None:
    head = (
        b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: image/png\r\n\r\n"
    )
    data = head + b"".join(words)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(window, "BLOCK", block)
        patch.setattr(downgrade, "BLOCK", block)
        for limit in LIMITS:
            seen = Window(len(data), lambda offset, length: data[offset : offset + length])
            assert outcome(seen, limit) == outcome(data, limit)


def outcome(data: bytes | Window, limit: Limit) -> object:
    try:
        return plan(data, limit)
    except Unconvertible as error:
        return str(error)
