"""ENVELOPE, BODY and BODYSTRUCTURE. The answers are those of a Dovecot 2.3 to the same messages."""

import pytest

from mailhub.message import parts, structure


def crlf(text: str) -> bytes:
    return text.replace("\n", "\r\n").encode()


def envelope(header: str) -> str:
    return structure.render(crlf(header + "\n\n"))[0].decode()


def bodystructure(text: str) -> str:
    return structure.render(crlf(text))[1].decode()


FIRST = """\
Date: Mon, 23 Nov 2026 10:00:00 +0000
Subject: a "subject"
  of two lines
From: "Alice Example" <alice@a.example>
Reply-To: answers@a.example
To: Bob <bob@b.example>, carol@c.example
Cc: Friends: dave@d.example;
In-Reply-To: <1@b.example>
Message-ID: <2@a.example>"""


def test_an_envelope() -> None:
    alice = '(("Alice Example" NIL "alice" "a.example"))'
    assert envelope(FIRST) == (
        '("Mon, 23 Nov 2026 10:00:00 +0000" "a \\"subject\\" of two lines" '
        f'{alice} {alice} ((NIL NIL "answers" "a.example")) '
        '(("Bob" NIL "bob" "b.example")(NIL NIL "carol" "c.example")) '
        '((NIL NIL "Friends" NIL)(NIL NIL "dave" "d.example")(NIL NIL NIL NIL)) NIL '
        '"<1@b.example>" "<2@a.example>")'
    )


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("X: y", "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)"),
        ("Subject:\nSender:\nReply-To: ,", '(NIL "" NIL NIL NIL NIL NIL NIL NIL NIL)'),
        (
            "From: a@b\nSender:\nReply-To: ,",
            '(NIL NIL ((NIL NIL "a" "b")) ((NIL NIL "a" "b")) ((NIL NIL "a" "b")) NIL NIL NIL NIL NIL)',
        ),
        ("Bcc: bob", '(NIL NIL NIL NIL NIL NIL NIL ((NIL NIL "bob" "MISSING_DOMAIN")) NIL NIL)'),
        ("To: <@b>", '(NIL NIL NIL NIL NIL ((NIL NIL "MISSING_MAILBOX" "b")) NIL NIL NIL NIL)'),
        ("Cc: a@b\nCc: c@d", '(NIL NIL NIL NIL NIL NIL ((NIL NIL "a" "b")(NIL NIL "c" "d")) NIL NIL NIL)'),
        ("Subject: forged\nSubject: signed", '(NIL "signed" NIL NIL NIL NIL NIL NIL NIL NIL)'),
    ],
)
def test_envelopes_of_broken_headers(header: str, found: str) -> None:
    assert envelope(header) == found


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (None, b"NIL"),
        (b"", b'""'),
        (b"plain", b'"plain"'),
        (b'q"\\', b'"q\\"\\\\"'),
        (b'"""""', b'{5}\r\n"""""'),
        ("ü".encode(), b"{2}\r\n\xc3\xbc"),
        (b"a\rb", b"{3}\r\na\rb"),
        (b"a\0b", b'"ab"'),
        (b"\0\xff", b"{1}\r\n\xff"),
    ],
)
def test_strings(value: bytes | None, written: bytes) -> None:
    assert structure.nstring(value) == written


def test_text() -> None:
    assert bodystructure("Subject: x\n\none\ntwo\n") == (
        '("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 10 2 NIL NIL NIL NIL)'
    )
    assert bodystructure(
        "Content-Type: TEXT/Html (yes); Charset=utf-8; format = flowed\nContent-Transfer-Encoding: Base64\n"
        "Content-ID: <i@d>\nContent-Description: a text\nContent-MD5: abc==\nContent-Language: de, en\n"
        'Content-Location: http://x/\nContent-Disposition: Attachment; filename="a;b\\".txt"\n\n'
    ) == (
        '("text" "html" ("charset" "utf-8" "format" "flowed") "<i@d>" "a text" "base64" 0 0 "abc==" '
        '("attachment" ("filename" "a;b\\".txt")) ("de" "en") "http://x/")'
    )


@pytest.mark.parametrize("value", ["text", "/", "text/", "/plain", "a b/c", ";", "=?utf-8?q?text?=/plain"])
def test_what_is_no_content_type_is_plain_text(value: str) -> None:
    assert bodystructure(f"Content-Type: {value}\n\n") == (
        '("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 0 0 NIL NIL NIL NIL)'
    )


def test_parameters_cut_in_pieces_are_whole_again() -> None:
    assert bodystructure(
        "Content-Type: application/x-a; name*0=one; name*1=\" two\"\n"
        "Content-Disposition: inline; filename*1*=%20b; filename*0*=utf-8''a; x=y\n\n"
    ) == (
        '("application" "x-a" ("name" "one two") NIL NIL "7bit" 0 NIL '
        '("inline" ("x" "y" "filename*" "utf-8\'\'a%20b")) NIL NIL)'
    )  # fmt: skip


MULTIPART = """\
Content-Type: multipart/mixed; boundary="out"
Content-Disposition: inline

--out

one
--out
Content-Type: message/rfc822

From: a@b
Content-Type: image/png; name=x

--out--
"""


def test_a_multipart_with_a_message_inside() -> None:
    addresses = " ".join(['((NIL NIL "a" "b"))'] * 3)
    assert bodystructure(MULTIPART) == (
        '(("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 3 0 NIL NIL NIL NIL)'
        f'("message" "rfc822" NIL NIL NIL "7bit" 46 (NIL NIL {addresses} NIL NIL NIL NIL NIL) '
        '("image" "png" ("name" "x") NIL NIL "7bit" 0 NIL NIL NIL NIL) 3 NIL NIL NIL NIL) '
        '"mixed" ("boundary" "out") ("inline" NIL) NIL NIL)'
    )
    assert structure.body(parts.parse(crlf(MULTIPART))).decode() == (
        '(("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 3 0)'
        f'("message" "rfc822" NIL NIL NIL "7bit" 46 (NIL NIL {addresses} NIL NIL NIL NIL NIL) '
        '("image" "png" ("name" "x") NIL NIL "7bit" 0) 3) "mixed")'
    )


def test_a_multipart_without_parts_is_shown_as_the_text_it_is() -> None:
    assert bodystructure("Content-Type: multipart/mixed; boundary=b\n\nreadable\n") == (
        '("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 10 1 NIL NIL NIL NIL)'
    )
