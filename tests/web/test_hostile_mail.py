"""Mail made to hurt whoever opens it: what one message may cost, and that each one can be listed and opened."""

import io
import threading
import zipfile
from collections.abc import AsyncIterator
from email.message import EmailMessage
from pathlib import Path

import pytest
from support.letters import PNG, give, letter
from support.webmail import OWN, Site, site

from mailhub.message import envelope
from mailhub.message.structure import render
from mailhub.web.mail.cleaning import cleaned

HEAD = b"From: bob@mailhub.test\r\nTo: ann@mailhub.test\r\nSubject: hostile\r\nMIME-Version: 1.0\r\n"
PLACE = "folders/INBOX/messages/1"


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Site]:
    async with site(tmp_path) as made:
        yield made


def page(html: str, *pictures: str) -> EmailMessage:
    made = letter("Page", "text")
    made.add_alternative(html, subtype="html")
    for cid in pictures:
        made.get_payload()[1].add_related(PNG, "image", "png", cid=f"<{cid}>")  # type: ignore[index, union-attr]
    return made


def test_a_picture_that_is_shown_a_thousand_times_is_put_in_as_often_as_there_is_room() -> None:
    """1.4 MB of mail became 10 GB of memory."""
    picture = "data:image/png;base64," + "A" * 100_000
    found = cleaned('<img src="cid:p">' * 1_000, {"p": picture}, remote=False)
    assert found is not None
    assert 100 < found.html.count(picture) < 120
    assert found.html.count("<img") == 1_000


def test_half_a_million_ampersands_are_too_much_to_be_cleaned() -> None:
    """nh3 took 16 s for them."""
    assert cleaned("&" * 200_001, {}, remote=False) is None
    assert cleaned("&nbsp;" * 1_000, {}, remote=False) is not None


async def test_what_the_html_parser_fell_over_is_listed_and_opened(here: Site) -> None:
    broken = (b"<![x", b"a <!" + b"[<" * 100, b"&#" + b"1" * 5_000 + b";", b"<a " * 3_000)
    kind = b"Content-Type: text/html\r\n\r\n"
    await give(here, *(HEAD + kind + b"first words\r\n" + one + b"\r\n" for one in broken))
    ann = await here.signed_in()
    listed = (await ann.own("GET", "folders/INBOX/messages"))["messages"]
    assert [one["preview"][:11] for one in listed] == ["first words"] * len(broken)
    for one in listed:
        assert (await ann.own("GET", f"folders/INBOX/messages/{one['uid']}"))["text"].startswith("first words")


async def test_a_file_is_part_of_the_text_where_the_text_names_it_whole(here: Site) -> None:
    await give(here, page("<img src=\"cid:abc\"><img src='CID:d&amp;e'>", "abc", "ab", "d&e"))
    ann = await here.signed_in()
    files = (await ann.own("GET", PLACE))["files"]
    assert [one["inline"] for one in files] == [True, False, True]


async def test_of_endless_headers_and_names_the_beginning_is_shown(here: Site) -> None:
    fields = b"".join(b"X-%d: y\r\n" % number for number in range(8_000))
    name = b'Content-Type: image/png; name="' + b"=?utf-8?q?=C3=A9?= " * 2_000 + b'"\r\n\r\nx\r\n'
    await give(here, HEAD + fields + b"Reply-To: late@far.example\r\n" + name)
    ann = await here.signed_in()
    told = await ann.own("GET", PLACE)
    assert len(told["fields"]) == 200
    assert told["reply_to"] == []
    assert len(told["files"][0]["name"]) < 250


@pytest.mark.parametrize(
    "field",
    [
        b"a@b.example, " * 300,
        b'"x \\" y" <a@b.example>, ' * 300,
        b"=?utf-8?q?=C3=A9?= <a@b.example>, " * 300,
        b'"\xe9" <a@b.example>, "z" <c@d.example>, ' * 150,
        b"group: a@b.example, c@d.example;, " * 100,
    ],
)
def test_of_an_envelope_as_many_addresses_are_read_as_are_wanted(field: bytes) -> None:
    rendered, _ = render(b"From: " + field + b"\r\nTo: " + field + b"\r\nCc: e@f.example\r\nMessage-ID: <a@b>\r\n\r\n")
    whole, few = envelope.parse(rendered), envelope.parse(rendered, 7)
    assert len(whole.to) > 100
    assert (few.to, few.origin) == (whole.to[:7], whole.origin[:7])
    assert (few.cc, few.message_id, few.subject) == (whole.cc, whole.message_id, whole.subject)


async def test_half_a_character_keeps_no_folder_from_being_listed(here: Site) -> None:
    """UTF-7 has halves of characters, of which no JSON can be made."""
    subject = b"From: bob@mailhub.test\r\nSubject: =?utf-7?q?half+2AA-?=\r\nContent-Type: "
    await give(
        here,
        subject + b"text/plain; charset=utf-7\r\n\r\nhalf+2AA-\r\n",
        subject
        + b"multipart/mixed; boundary=B\r\n\r\n--B\r\nContent-Type: image/png; name*=utf-7''half%2B2AA-\r\n\r\nx\r\n--B--\r\n",
    )
    ann = await here.signed_in()
    listed = (await ann.own("GET", "folders/INBOX/messages"))["messages"]
    assert [one["subject"] for one in listed] == ["half\ufffd"] * 2
    assert (await ann.own("GET", PLACE))["text"].strip() == "half\ufffd"
    assert "half\ufffd" in await ann.own("GET", PLACE + "/html")
    file = (await ann.own("GET", "folders/INBOX/messages/2"))["files"][0]
    assert file["name"] == "half\ufffd"
    assert await ann.own("GET", f"folders/INBOX/messages/2/parts/{file['section']}") == "x"
    async with ann.http.get(f"{here.root}{OWN}folders/INBOX/messages/2/files.zip") as answer:
        assert zipfile.ZipFile(io.BytesIO(await answer.read())).namelist() == ["half\ufffd"]
    assert (await ann.own("GET", "folders/INBOX/messages", params={"q": "half"}))["total"] == 2


LYING = [
    '<a href="https://bank.example/"><table><tr><td><a href="https://evil.example/">bank.example</a></td></tr></table></a>',
    '<a href="https://evil.example/">ba\u200bnk\u00ad.example\u202e</a>',
    '<a href="https://evil.example/"><b>bank</b><i>.example</i>/login</a>',
    '<a href="https://evil.example/">' + "<p>" * 9_000 + "bank.example</a>",
]


@pytest.mark.parametrize("text", LYING)
def test_a_link_that_lies_is_told_wherever_it_stands(text: str) -> None:
    found = cleaned(text, {}, remote=False)
    assert found is not None
    assert '<b class="mailhub-true">[evil.example]</b>' in found.html
    assert 'title="https://evil.example/"' in found.html


def test_links_in_links_without_end_cost_what_they_are_long() -> None:
    """What is too much to be looked at is told to lead where it leads."""
    found = cleaned('<a href="http://far.example/"><table><td>' * 6_000, {}, remote=False)
    assert found is not None
    assert "[far.example]" in found.html


async def test_long_envelopes_are_taken_apart_in_the_thread_for_heavy_work(
    here: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """400 messages to 6,000 people each held the loop for 43 s."""
    parse, where = envelope.parse, []

    def noted(rendered: bytes, most: int = 0) -> envelope.Envelope:
        if len(rendered) > 8_192:
            where.append(threading.current_thread() is threading.main_thread())
        return parse(rendered, most)

    people = b", ".join(b'"name %d" <a%d@b.example>' % (number, number) for number in range(2_000))
    await give(here, *(b"From: x@y.example\r\nTo: " + people + b"\r\nSubject: s%d\r\n\r\nx\r\n" % n for n in range(3)))
    ann = await here.signed_in()
    monkeypatch.setattr(envelope, "parse", noted)
    for query in ({}, {"sort": "to"}, {"threads": "1"}, {"q": "to:a-b"}, {"q": "-from:a-b"}):
        told = await ann.own("GET", "folders/INBOX/messages", params=query)
        assert told["total"] == (0 if query.get("q") == "to:a-b" else 3)
    await ann.own("GET", "contacts", params={"q": "x"})
    assert len(where) > 10
    assert not any(where)
