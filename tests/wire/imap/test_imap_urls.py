"""URLs of messages: what they name, and what is none (RFC 5092, RFC 4467)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fuzzing import fuzz

from mailhub.wire.imap import urls
from mailhub.wire.imap.fetch_items import Section, What
from mailhub.wire.imap.lexer import NUMBER_MAX


def test_all_of_it() -> None:
    text = (
        b"imap://alice%40a.test;AUTH=*@mx.test:143/Sent/2026%20%C3%BC;UIDVALIDITY=785799047/;UID=113330/;SECTION=1.5.MIME"
        b"/;PARTIAL=10.20;EXPIRE=2026-12-31T23:59:59+01:00;URLAUTH=user+bob"
    )
    url = urls.read(text)
    assert (url.user, url.mailbox, url.uidvalidity, url.uid) == ("alice@a.test", "Sent.2026 ü", 785_799_047, 113_330)
    assert url.section == Section(What.MIME, (1, 5), partial=(10, 20), peek=True)
    assert (url.expire, url.access, url.rump, url.mechanism) == (1_798_757_999.0, "user+bob", text, "")
    signed = urls.read(text + b":internal:" + b"0aF" * 20)
    assert (signed.rump, signed.mechanism, signed.token) == (text, "INTERNAL", b"0aF" * 20)


def test_the_short_form() -> None:
    url = urls.read(b"/inbox/;UID=7")
    assert (url.user, url.mailbox, url.uidvalidity, url.section) == ("", "INBOX", None, Section(What.ALL, peek=True))
    assert urls.read(b"/x/;UID=7/;PARTIAL=5").section.partial == (5, NUMBER_MAX)
    assert urls.read(b"/x/;uid=7/;section=HEADER.FIELDS%20(To)").section == Section(
        What.FIELDS, fields=(b"To",), peek=True
    )


@pytest.mark.parametrize(
    "text",
    [
        b"", b"/", b"/INBOX", b"/INBOX/;UID=", b"/INBOX/;UID=0", b"/INBOX/;UID=4294967296", b"/INBOX/;UID=1/;SECTION=0",
        b"/INBOX/;UID=1/;SECTION=1.NONSENSE", b"/INBOX/;UID=1/;PARTIAL=1.0", b"/%FF/;UID=1", b"http://x/INBOX/;UID=1",
        b"imap://mx/INBOX/;UID=1;URLAUTH=anonymous", b"imap://a@mx/INBOX/;UID=1;URLAUTH=everybody",
        b"imap://a@mx/INBOX/;UID=1;EXPIRE=tomorrow;URLAUTH=anonymous", b"imap://a@mx/INBOX/;UID=1;EXPIRE=2026-01-01T00:00:00",
        b"imap://a@mx/INBOX/;UID=1;URLAUTH=anonymous:INTERNAL:short", b"/INBOX/;UID=1 ", b"/INBOX/;UID=1\r\n",
        b"/" + b"x" * 5_000 + b"/;UID=1",
    ],
)  # fmt: skip
def test_what_is_none(text: bytes) -> None:
    with pytest.raises(urls.BadUrl):
        urls.read(text)


WORDS = st.sampled_from(
    [b"imap://", b"a@", b"mx", b"/", b"INBOX", b";UIDVALIDITY=1", b"/;UID=1", b"/;SECTION=", b"1", b"HEADER", b"%", b"%00", b"]",
     b"/;PARTIAL=0.1", b";EXPIRE=", b"2026-01-01T00:00:00Z", b";URLAUTH=", b"anonymous", b"user+x", b":INTERNAL:", b"0" * 32]
)  # fmt: skip


@fuzz(200)
@given(st.lists(st.one_of(WORDS, st.binary(max_size=3)), max_size=14))
def test_any_octets_give_a_url_or_a_refusal(words: list[bytes]) -> None:
    try:
        url = urls.read(b"".join(words))
    except urls.BadUrl:
        return
    assert url.uid > 0
    assert not url.access or url.user
