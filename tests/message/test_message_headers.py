"""Header sections, field values and encoded words."""

import pytest

from mailhub.message import charset, headers
from mailhub.model import charsets


@pytest.mark.parametrize(
    ("data", "end"),
    [
        (b"A: b\r\n\r\nbody", 8),
        (b"A: b\n\nbody\r\n\r\n", 6),
        (b"A: b\r\n\nbody", 7),
        (b"A: b\n\r\nbody", 7),
        (b"\r\nbody", 2),
        (b"\nbody", 1),
        (b"A: b\r\n", 6),
        (b"", 0),
    ],
)
def test_the_header_ends_behind_the_first_blank_line(data: bytes, end: int) -> None:
    assert headers.header_end(data) == end


def test_fields_keep_their_folding_and_order() -> None:
    header = b"Subject : one\r\n two\r\nX-A:\r\n\tthree\r\nnonsense\r\n more nonsense\r\nsubject: again\r\n\r\n"
    assert headers.fields(header) == [(b"Subject", b"one\r\n two"), (b"X-A", b"three"), (b"subject", b"again")]
    assert headers.first(header, b"SUBJECT") == b"one two"
    assert headers.first(header, b"missing") is None
    assert headers.count(header, b"subject") == 2


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (b"plain", "plain"),
        (b"=?utf-8?q?gr=C3=BC=C3=9Fe?= to =?ISO-8859-1?B?5A==?=", "grüße to ä"),
        (b"=?utf-8?q?a?=\r\n =?utf-8?q?b?=", "ab"),
        (b"=?utf-8?q?a?= =?iso-8859-1?q?=E4?= c", "aä c"),
        (b"x=?utf-8?q?a_b?=y", "xa by"),
        (b"=?utf-8?B?w6Q=?= =?utf-8?B?w?= =?utf-8?B?6Q=?=", "äÃ©".replace("Ã©", "\ufffd")),
        (b"=?gb2312?B?xOO6ww==?=", "你好"),
        (b"=?utf-8*de?q?=C3=A4?=", "ä"),
        (b"=?no-such-charset?q?=C3=A4?=", "ä"),
        (b"=?utf-8?x?a?=", "=?utf-8?x?a?="),
        ("grüße".encode(), "grüße"),
        (b"gr\xfc\xdfe", "grüße"),
        ("informações".encode("latin-1"), "informações"),
        ("周计划 2026".encode("gb2312"), "周计划 2026"),
        ("周计划".encode("gb2312") + b" \xfc", "ÖÜ¼Æ»® ü"),
        (b"=?utf-8?q??= tail", " tail"),
    ],
)
def test_encoded_words_become_text(value: bytes, text: str) -> None:
    assert headers.decode(value) == text


def test_a_character_cut_in_two_by_its_sender_is_whole_again() -> None:
    assert headers.decode(b"=?utf-8?q?a=C3?=\r\n =?utf-8?q?=A4?= tail") == "aä tail"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (b"=?gbk?Q?\xc4\xe3\xba\xc3?=", "你好"),
        (b"=?gb2312?q?\xc4\xe3=BA=C3?= x", "你好 x"),
        (b"=?koi8-r?Q?\xf0\xd2\xc9?=", "При"),
        (b"\xe4\xbd\xa0 =?gbk?Q?\xc4\xe3?= \xe4\xbd\xa0", "你 你 你"),
        (b"M\xfcller =?utf-8?Q?\xe4\xbd\xa0?=", "Müller 你"),
        (b"\xc4\xe3\xba\xc3=?iso-8859-1?Q?\xfc?=", "你好ü"),
    ],
)
def test_raw_octets_in_an_encoded_word_are_of_its_charset(value: bytes, text: str) -> None:
    """Forbidden by RFC 2047, and sent all the same; what stands outside has its own."""
    assert headers.decode(value) == text


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("UTF-8", "utf_8"),
        ("us-ascii", "utf_8"),
        ("ISO-8859-1", "cp1252"),
        ("windows-1252", "cp1252"),
        ("GB2312", "gb18030"),
        ("koi8-u", "koi8_u"),
        ("Shift_JIS", "cp932"),
        ("punycode", "utf_8"),
        ("idna", "utf_8"),
        ("zlib", "utf_8"),
        ("unicode_escape", "utf_8"),
        ("../../etc/passwd", "utf_8"),
        ("x" * 10_000, "utf_8"),
        ("", "utf_8"),
    ],
)
def test_only_known_charsets_reach_the_codecs(name: str, codec: str) -> None:
    assert charset.codec(name) == codec


def test_every_codec_that_can_be_named_decodes_any_octets() -> None:
    every = bytes(range(256))
    for name in sorted(charsets.KNOWN):
        assert isinstance(charset.decode(every, name), str), name
        assert charset.decoder(name, every) is not None, name
