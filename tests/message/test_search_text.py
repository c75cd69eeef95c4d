"""What SEARCH finds: text behind encodings and charsets, whole across blocks."""

import base64
import quopri

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhub.message import decoding, search_text
from mailhub.message.parts import parse


def body(data: bytes) -> str:
    return "".join(search_text.body(data, parse(data)))


def header(data: bytes) -> str:
    return "".join(search_text.header(data, parse(data)))


def test_the_header_decoded_and_as_written() -> None:
    data = b"Subject: =?utf-8?q?gr=C3=BC=C3=9Fe?=\r\n\tfolded\r\nX-Raw: gr\xfc\xdfe\r\n\r\nbody"
    assert header(data) == (
        "Subject: grüße\tfolded\nX-Raw: grüße\nSubject: =?utf-8?q?gr=C3=BC=C3=9Fe?=\tfolded\nX-Raw: grüße\n"
    )


def test_the_name_of_a_file_as_it_is_meant() -> None:
    data = b"Content-Disposition: attachment; filename*=utf-8''gr%C3%BC%C3%9Fe.txt\r\n\r\n"
    assert "grüße.txt" in header(data)


@pytest.mark.parametrize(
    ("fields", "content"),
    [
        (b"Content-Type: text/plain; charset=utf-8", "grüße 你好".encode()),
        (b"Content-Type: text/plain; charset=gb2312", "grüße 你好".encode("gb18030")),
        (b"Content-Type: text/plain; charset=utf-16\r\nContent-Transfer-Encoding: base64",
         base64.encodebytes("grüße 你好".encode("utf-16-le"))),
        (b"Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: BASE64",
         base64.encodebytes("grüße 你好".encode())),
        (b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: Quoted-Printable",
         quopri.encodestring("grüße 你好".encode())),
        (b"X: no type at all", "grüße 你好".encode()),
    ],
)  # fmt: skip
def test_text_is_decoded(fields: bytes, content: bytes) -> None:
    assert body(fields + b"\r\n\r\n" + content).strip() == "grüße 你好"


def test_parts_and_messages_inside_are_searched_and_pictures_are_not() -> None:
    data = (
        b"Subject: outside\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\npreamble\r\n--b\r\n\r\nfirst\r\n--b\r\n"
        b"Content-Type: image/png; name=cat.png\r\n\r\nbinary\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n"
        b"Subject: inside\r\n\r\nlast\r\n--b--\r\n"
    )
    text = body(data)
    found = [word for word in ("outside", "preamble", "first", "cat.png", "binary", "inside", "last") if word in text]
    assert found == ["first", "cat.png", "inside", "last"]
    assert text.index("first") < text.index("inside") < text.index("last")


@pytest.mark.parametrize("encoding", [b"8bit", b"base64", b"quoted-printable"])
def test_a_long_text_is_whole_across_blocks(encoding: bytes) -> None:
    text = "grüße, 你好; " * 40_000
    plain = text.encode()
    encoded = {
        b"8bit": lambda: plain,
        b"base64": lambda: base64.encodebytes(plain),
        b"quoted-printable": lambda: quopri.encodestring(plain),
    }[encoding]()
    data = b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: " + encoding + b"\r\n\r\n" + encoded
    assert body(data).rstrip() == text.rstrip()


def test_a_quoted_printable_line_without_end_is_not_cut_inside_an_escape() -> None:
    for shift in range(3):
        encoded = b"x" * shift + b"=C3=BC" * 30_000
        assert decoding.octets(encoded, b"quoted-printable") == b"x" * shift + "ü".encode() * 30_000


@given(st.binary(max_size=500))
def test_what_was_encoded_comes_back(data: bytes) -> None:
    assert decoding.octets(base64.encodebytes(data), b"base64") == data
    lines = data.replace(b"\r", b"")  # quopri.encodestring takes line ends for its own
    assert decoding.octets(quopri.encodestring(lines), b"quoted-printable") == lines
    assert decoding.octets(data, b"8bit") == data


@given(st.binary(max_size=500), st.sampled_from([b"base64", b"quoted-printable", b"x-uuencode"]))
def test_broken_encodings_are_read_as_far_as_they_go(data: bytes, encoding: bytes) -> None:
    assert isinstance(decoding.octets(data, encoding), bytes)
