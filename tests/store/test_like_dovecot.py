"""ENVELOPE, BODYSTRUCTURE, BODY and the sections of odd messages, beside a real Dovecot's on the same Maildir.

Where the answers differ, docs/interop.md says which RFC settles it, and `known` below tells such a difference from a new one.
"""

import asyncio
import imaplib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.daemons import short_folder
from support.dovecot_imap import dovecot_imap
from support.imap_server import imap_server
from support.imap_values import fetched
from support.odd_mail import messages

SUITE = Path(__file__).parents[2].parent / "shared" / "suites" / "messages"
HOME = "mail/mailhub.test/alice/Maildir"
SECTIONS = (
    "", "HEADER", "TEXT", "1", "1.MIME", "1.HEADER", "1.TEXT", "2", "2.MIME", "2.HEADER", "2.TEXT", "1.1", "1.2", "2.1", "1.1.MIME", "2.1.MIME",
    "1.1.1", "3", "3.MIME", "4", "9", "HEADER.FIELDS (Subject From X-ODD Received)", "HEADER.FIELDS.NOT (to subject)",
    "1.HEADER.FIELDS (Subject)", "2.HEADER.FIELDS.NOT (From)",
)  # fmt: skip
ITEMS = "(ENVELOPE BODYSTRUCTURE BODY RFC822.SIZE " + " ".join(f"BODY.PEEK[{section}]" for section in SECTIONS) + ")"


@pytest.fixture
def room() -> Iterator[Path]:
    with short_folder() as folder:
        yield folder


def fill(maildir: Path, texts: list[bytes]) -> None:
    for sub in ("new", "cur", "tmp"):
        (maildir / sub).mkdir(parents=True)
    for number, text in enumerate(texts):
        (maildir / "cur" / f"{1_700_000_000 + number}.M{number}P1.host:2,S").write_bytes(text)
    uids = "".join(f"{number + 1} :{1_700_000_000 + number}.M{number}P1.host\n" for number in range(len(texts)))
    (maildir / "dovecot-uidlist").write_text(f"3 V1700000000 N{len(texts) + 1} G{'0123456789abcdef' * 2}\n{uids}")


async def both(data: Path, room: Path, texts: list[bytes]) -> tuple[list[dict[bytes, Any]], list[dict[bytes, Any]]]:
    """What mailhub says of them, and what Dovecot does."""
    fill(data / HOME, texts)
    with dovecot_imap(data / HOME, room) as session:
        theirs = fetched(session, "INBOX", ITEMS)

    def talk(port: int) -> list[dict[bytes, Any]]:
        with imaplib.IMAP4("127.0.0.1", port) as session:
            session.login("alice", "secret")
            return fetched(session, "INBOX", ITEMS)

    async with imap_server(data) as server:
        ours = await asyncio.to_thread(talk, server.port)
    return ours, theirs


def differences(ours: list[dict[bytes, Any]], theirs: list[dict[bytes, Any]]) -> list[str]:
    return [
        f"message {number}: {item!r}\n  ours   {our.get(item)!r}\n  theirs {their[item]!r}"
        for number, (our, their) in enumerate(zip(ours, theirs, strict=True))
        for item in their
        if not (same_section if item.startswith(b"BODY[") else same_value)(item, our, their)
    ]


def same_section(item: bytes, our: dict[bytes, Any], their: dict[bytes, Any]) -> bool:
    """A part that is not there is NIL; Dovecot says "", or takes .1 of a part that is not divided for the part itself."""
    if our[item] is not None or their[item] is None:
        return bool(our[item] == their[item])
    return their[item] == b"" or any(their[item] == their[shorter] for shorter in shortened(item) if shorter in their)


def shortened(item: bytes) -> list[bytes]:
    """BODY[2.1.MIME]: BODY[2.MIME]; BODY[1.1.1]: BODY[1.1] and BODY[1]."""
    out = []
    while b".1" in item:
        at = item.rindex(b".1")
        item = item[:at] + item[at + 2 :]
        out.append(item)
    return out


def same_value(item: bytes, our: dict[bytes, Any], their: dict[bytes, Any]) -> bool:
    return plain(our[item]) == plain(their[item])


def plain(value: Any) -> Any:
    """Without what carries no meaning: white space, the case of words, an empty disposition."""
    if isinstance(value, list):
        return None if value == [b"", None] else [plain(each) for each in value]
    return value and b" ".join(value.split()).lower()


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.parametrize("seed", range(3))
async def test_made_messages(seed: int, tmp_path: Path, room: Path) -> None:
    ours, theirs = await both(tmp_path, room, list(messages(seed, 200)))
    found = differences(ours, theirs)
    assert not found, f"{len(found)} differences\n" + "\n".join(found)


# Of the odd messages: file, and the line of the table in docs/interop.md that tells why the answers differ.
DIFFER = {
    "cpython/msg_14.txt": "unreadable type",
    "cpython/msg_17.txt": "no parts",
    "cpython/msg_31.txt": "no parts",
    "cpython/msg_42.txt": "no parts",
    "cpython/msg_47.txt": "no blank line",
    "mime4j/core/src/test/resources/testmsgs/boundary-name-clash.msg": "line end before a boundary",
    "mime4j/core/src/test/resources/testmsgs/multipartdigestnestedemptyparts.msg": "no header",
    "mime4j/core/src/test/resources/testmsgs/multipartnestedemptyparts.msg": "no header",
    "mime4j/core/src/test/resources/testmsgs/multipartnestedemptypartsnorfc822.msg": "no header",
    "mime4j/core/src/test/resources/testmsgs/very-long-boundary.msg": "whole boundaries",
    "ruby-mail/spec/fixtures/emails/attachment_emails/attachment_message_rfc822_inline_image.eml": "no parts",
    "ruby-mail/spec/fixtures/emails/attachment_emails/attachment_with_unquoted_name.eml": "unquoted value",
    "ruby-mail/spec/fixtures/emails/error_emails/bad_date_header2.eml": "no parts",
    "ruby-mail/spec/fixtures/emails/error_emails/missing_body.eml": "no parts",
    "ruby-mail/spec/fixtures/emails/error_emails/must_supply_encoding.eml": "no parts",
    "ruby-mail/spec/fixtures/emails/mime_emails/raw_email4.eml": "whole boundaries",
    "spamassassin/t/data/nice/no_body": "no blank line",
    "spamassassin/t/data/spam/utf16.eml": "line end before a boundary",
    "stalwart-mail-parser/resources/eml/malformed/001.eml": "no blank line",
    "stalwart-mail-parser/resources/eml/malformed/004.eml": "whole boundaries",
    "stalwart-mail-parser/resources/eml/malformed/016.eml": "whole boundaries",
    "stalwart-mail-parser/resources/eml/malformed/017.eml": "unreadable type",
    "stalwart-mail-parser/resources/eml/rfc/001.eml": "unquoted value",
    "stalwart-mail-parser/resources/eml/rfc/008.eml": "line end before a boundary",
}


@pytest.mark.slow
@pytest.mark.timeout(120)
async def test_odd_messages_of_other_projects(tmp_path: Path, room: Path) -> None:
    if not SUITE.is_dir():
        pytest.skip("../shared/suites/messages is not there")
    files = [path for path in sorted(SUITE.rglob("*")) if path.is_file() and path.name not in ("ORIGIN", "README.md")]
    files = [path for path in files if path.stat().st_size < 300_000]
    ours, theirs = await both(tmp_path, room, [path.read_bytes() for path in files])
    differ = {
        str(path.relative_to(SUITE)): found
        for path, our, their in zip(files, ours, theirs, strict=True)
        if (found := differences([our], [their]))
    }
    unknown = {name: found for name, found in differ.items() if name not in DIFFER}
    assert not unknown, "\n".join(f"{name}: {line}" for name, found in unknown.items() for line in found)
    assert set(differ) == set(DIFFER), "these are equal by now"


MULTIPART = b'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="b"\r\n\r\n'
TEXT = [b"text", b"plain", [b"charset", b"us-ascii"], None, None, b"7bit"]
EMPTY = [*TEXT, b"0", b"0"]
MISSING = [None, None, b"MISSING_MAILBOX", b"MISSING_DOMAIN"]
FROM = b"ENVELOPE", 2
# Line of the table in docs/interop.md; message; item and the value in it (None: the item); our answer; Dovecot's.
KNOWN: list[tuple[str, bytes, tuple[bytes, int | None], Any, Any]] = [
    ("whole boundaries", MULTIPART + b"--bc\r\n\r\nx\r\n--b--\r\n", (b"BODY", None), [*TEXT, b"18", b"4"], [[*TEXT, b"1", b"0"], b"mixed"]),
    ("no parts", MULTIPART + b"words\r\n", (b"BODY", None), [*TEXT, b"7", b"1"], [EMPTY, b"mixed"]),
    ("line end before a boundary", MULTIPART.replace(b'"b"', b'"o"') + b"--o\r\nContent-Type: message/rfc822\r\n\r\n" + MULTIPART
     + b"--b\r\n\r\nx\r\n--b--\r\n--o--\r\n", (b"BODY[1]", None), MULTIPART + b"--b\r\n\r\nx\r\n--b--", MULTIPART + b"--b\r\n\r\nx\r\n--b--\r\n"),
    ("no blank line", MULTIPART + b"--b\r\nContent-ID: <a>\r\nx\r\n\r\n--b--\r\n", (b"BODY[1.MIME]", None), b"Content-ID: <a>\r\nx\r\n\r\n", b"Content-ID: <a>\r\nx\r\n"),
    ("no blank line", b"Subject: x\r\n", (b"BODY[HEADER.FIELDS (SUBJECT FROM X-ODD RECEIVED)]", None), b"Subject: x\r\n", b"Subject: x\r\n\r\n"),
    ("unreadable type", b"MIME-Version: 1.0\r\nContent-Type: /plain\r\n\r\nx\r\n", (b"BODY", None), [*TEXT, b"3", b"1"], [b"", b"", None, None, None, b"7bit", b"3"]),
    ("unreadable encoding", b"MIME-Version: 1.0\r\nContent-Transfer-Encoding: base64;\r\n\r\nx\r\n", (b"BODY", 5), b"base64", b"7bit"),
    ("no MIME-Version", b"Subject: x\r\nContent-Transfer-Encoding: base64\r\n\r\nx\r\n", (b"BODY", 5), b"base64", b"7bit"),
    ("unquoted value", b"MIME-Version: 1.0\r\nContent-Type: text/plain; name=a b/c.txt\r\n\r\nx\r\n", (b"BODY", 2), [b"name", b"a b/c.txt", b"charset", b"us-ascii"],
     [b"name", b"a", b"charset", b"us-ascii"]),
    ("quotes that nobody closed", b'MIME-Version: 1.0\r\nContent-Type: text/plain; name="a b\r\n\r\nx\r\n', (b"BODY", 2), [b"name", b"a b", b"charset", b"us-ascii"], [b"charset", b"us-ascii"]),
    ("no address", b"From: <>\r\n\r\n", FROM, None, [MISSING]),
    ("no address", b"From: , a@b.example\r\n\r\n", FROM, [[None, None, b"a", b"b.example"]], [MISSING, [None, None, b"a", b"b.example"]]),
    ("spaces around dots", b"From: a . b @ c . example\r\n\r\n", FROM, [[None, None, b"a.b", b"c.example"]], [[b"a. b", None, b"MISSING_MAILBOX", b"MISSING_DOMAIN"]]),
    ("brackets that nobody closed", b"From: Ann <ann@b.example\r\n\r\n", FROM, [[b"Ann", None, b"ann", b"b.example"]], [[b"Ann", None, b"ann", b"SYNTAX_ERROR"]]),
    ("behind an error", b"From: a@b@c, d@e.example\r\n\r\n", FROM, [[None, None, b"a", b"b"], [None, None, b"d", b"e.example"]], [[None, None, b"a", b"b"]]),
]  # fmt: skip


async def test_known_differences(tmp_path: Path, room: Path) -> None:
    """Each of them is as the table says: what Dovecot answers, and what we do."""
    ours, theirs = await both(tmp_path, room, [text for _, text, _, _, _ in KNOWN])
    for (name, _, (item, place), our, their), heard, heard_there in zip(KNOWN, ours, theirs, strict=True):
        found, found_there = (row[item] if place is None else row[item][place] for row in (heard, heard_there))
        assert (found, found_there) == (our, their), name


def test_the_page_tells_of_each() -> None:
    page = (Path(__file__).parents[2] / "docs" / "interop.md").read_text("utf-8")
    for name in {*DIFFER.values(), *(known[0] for known in KNOWN)}:
        assert f"| {name} |" in page, name
