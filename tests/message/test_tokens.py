"""What a message is made of, for a filter that learns: words of all scripts, within bounds, whatever the octets are."""

import time

from hypothesis import given
from hypothesis import strategies as st

from mailhub.message import tokens


def letter(text: str, sender: str = "x@far.test", subject: str = "hello") -> bytes:
    return f"From: {sender}\r\nSubject: {subject}\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{text}\r\n".encode()


def test_tokens_of_a_message() -> None:
    text = 'Visit <a href="https://u:p@Shop.Example.com/x">here</a> &amp; <b>buy</b> abcdefghijklmnopqrstuvwxyz0123 日本語 ok'
    found = set(tokens.tokens(letter(text, "Ann@Far.Test", "Re: =?utf-8?B?5Y+R56Wo?=")))
    assert {"from:ann@far.test", "from:@far.test", "subject:发票", "link:shop.example.com", "link:example.com"} <= found
    assert {"visit", "here", "buy", "long:a30", "日本", "本語"} <= found
    assert not {"ok", "href", "amp", "b"} & found


@given(
    st.binary(max_size=2_000),
    st.sampled_from([b"", b"Content-Type: text/html; charset=utf-7\n\n", b"From: \n\n", b"Subject: =?x?q?\n\n"]),
)
def test_any_octets_have_tokens_within_bounds(data: bytes, before: bytes) -> None:
    found = tokens.tokens(before + data)
    assert len(found) <= tokens.LIMIT
    assert max(map(len, found), default=0) <= 200


def test_what_is_large_or_odd_takes_no_longer_than_its_size() -> None:
    began = time.process_time()
    for text in (
        "<" * 900_000,
        "<a " * 300_000,
        "https://" * 120_000,
        "a" * 900_000,
        "中" * 300_000,
        "&amp" * 220_000,
        "x@y:" * 220_000,
    ):
        assert len(tokens.tokens(letter(text)[: tokens.READ])) <= tokens.LIMIT
    many = " ".join(f"w{n}" for n in range(200_000))
    assert len(tokens.tokens(letter(many)[: tokens.READ])) == tokens.LIMIT
    assert time.process_time() - began < 30, "hours, where one of them is searched again for each sign"


def test_a_character_of_thousands_of_digits_is_none() -> None:
    message = b"Subject: x\r\nContent-Type: text/html\r\n\r\n<p>&#" + b"9" * 6_000 + b"; hello</p>\r\n"
    assert "hello" in tokens.tokens(message)
