"""Any octets at all, cut anywhere: the session never raises, never hangs, and what it says is IMAP.

Found inputs lie as files in ../imap_seeds and are tried for ever after.
"""

import asyncio
import logging
import re
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.fuzzing import fuzz, fuzzed
from support.imap_memory import MemoryServer, imap_memory
from support.imap_server import deliver

from mailhub.config import schema
from mailhub.net.stream import ConnectionLost

SEEDS = Path(__file__).parents[1] / "imap_seeds"
CONFIG = schema.Config(
    auth=schema.Auth(allow_plaintext=True, failure_delay=0.0, failure_limit=1_000_000),
    imap=schema.Imap(error_limit=1_000_000, append_limit=5_000, literal_limit=2_000, line_length_limit=3_000),
)
PARTS = b"\r\n".join(
    [b"Subject: parts", b"Content-Type: multipart/mixed; boundary=b", b"", b"--b", b"", b"text", b"--b",
     b"Content-Transfer-Encoding: base64", b"", b"QUJD", b"--b", b"Content-Type: message/rfc822", b"", b"Subject: in", b"", b"x", b"--b--", b""]
)  # fmt: skip
MESSAGES = [PARTS, b"Subject: \xff\r\n\r\nx", b"\r\n\r\n", PARTS]
URL = b"imap://alice@mx/INBOX/;UID=1;URLAUTH=anonymous"
WORDS = st.sampled_from(
    [b"a", b"b", b"UID", b"FETCH", b"SEARCH", b"STORE", b"COPY", b"MOVE", b"LIST", b"LSUB", b"APPEND", b"REPLACE", b"SELECT", b"EXAMINE",
     b"STATUS", b"EXPUNGE", b"CREATE", b"DELETE", b"RENAME", b"ENABLE", b"IDLE", b"DONE", b"NOOP", b"CLOSE", b"UNSELECT", b"NAMESPACE",
     b"ID", b"NIL", b"GENURLAUTH", b"URLFETCH", b"RESETKEY", b"UNAUTHENTICATE", b"AUTHENTICATE", b"PLAIN", b"LOGIN", b"alice", b"secret",
     b"INBOX", b"Trash", b"1", b"1:*", b"*", b"2,3:1", b"9", b"4294967295", b"0", b"(FLAGS UID)", b"FULL", b"BODY[]", b"BODY.PEEK[1]<0.3>",
     b"BINARY[2]", b"BINARY.SIZE[1]", b"(BODY[3.HEADER] PREVIEW (LAZY))", b"(EMAILID THREADID SAVEDATE MODSEQ)", b"BODYSTRUCTURE", b"ENVELOPE",
     b"BODY[HEADER.FIELDS (Subject)]", b"+FLAGS", b"-FLAGS.SILENT", b"(\\Deleted)", b"(\\Seen $X)", b"ALL", b"OR", b"NOT", b"TEXT", b"SUBJECT",
     b'"x y"', b'"', b"(", b")", b"{3}", b"{3+}", b"~{3+}", b"{0}", b"{99999999999}", b"{2500+}", b"CATENATE (URL", b'"/INBOX/;UID=1"',
     b"UTF8 (~{3+}", b"INTERNAL", URL, b"IMAP4rev2", b"UTF8=ACCEPT", b"CONDSTORE", b"QRESYNC", b"RETURN", b"&", b"&AP8-", b"\xc3\xbc", b"\0"]
)  # fmt: skip
RIGHT = st.sampled_from(
    [b"a SELECT INBOX", b"a EXAMINE Trash", b"a FETCH 1:* (UID BODY.PEEK[] BODYSTRUCTURE)", b"a UID FETCH 1:* (FLAGS ENVELOPE BINARY[1])",
     b"a FETCH 1 (BODY[3.TEXT] BINARY.SIZE[2] PREVIEW THREADID)", b"a STORE 1:* +FLAGS (\\Deleted)", b"a EXPUNGE", b"a COPY 1 Trash",
     b"a MOVE 1:2 Trash", b"a APPEND INBOX {3+}\r\nx\r\n", b"a APPEND INBOX CATENATE (URL /INBOX/;UID=1 TEXT {3+}\r\na\r\n)", b"a NOOP",
     b"a REPLACE 1 INBOX {3+}\r\ny\r\n", b"a ENABLE IMAP4rev2", b"a GENURLAUTH " + URL + b" INTERNAL", b"a SEARCH TEXT x", b"a IDLE\r\nDONE",
     b"a STATUS INBOX (MESSAGES UIDNEXT)", b"a CREATE {3+}\r\nnew", b'a LIST "" *', b"a COPY 1 Nowhere", b"a UNAUTHENTICATE"]
).map(lambda command: command + b"\r\n")  # fmt: skip
LINES = st.one_of(
    RIGHT,
    RIGHT,
    st.lists(WORDS, min_size=1, max_size=7).map(lambda words: b"a " + b" ".join(words) + b"\r\n"),
    st.lists(WORDS, max_size=5).map(lambda words: b" ".join(words) + b"\r\n"),
    st.binary(max_size=20),
    st.just(b"x" * 4_000 + b"\r\n"),
)
DIALOGUES = st.lists(LINES, max_size=8).map(b"".join)
STEPS = st.sampled_from([1, 7, 100_000])
SELECTED = b"a LOGIN alice secret\r\na SELECT INBOX\r\n"
LOGINS = st.sampled_from([b"", b"a LOGIN alice secret\r\n", SELECTED, SELECTED, SELECTED])

# longer than every literal that is taken, so that none is waited for for ever
END = b"\r\nDONE\r\n" + b"x" * 5_000 + b"\r\nDONE\r\nz LOGOUT\r\nDONE\r\nz LOGOUT\r\n"

_LITERAL = re.compile(rb"~?\{(\d+)\}\r\n")
_LINE = re.compile(rb"(?:\* |\+ |[^\s\x00-\x1f\x7f(){%*\"\\+]+ (?:OK|NO|BAD) )[^\r\n\x00]*")


def well_formed(said: bytes) -> None:
    """Lines that begin as responses do, with literals of the size they say, and balanced parentheses outside strings."""
    at = 0
    while at < len(said):
        line = b""
        while True:
            end = said.find(b"\r\n", at)
            assert end >= 0, f"a line without its end: {said[at:]!r}"
            text = said[at : end + 2]
            at = end + 2
            found = _LITERAL.search(text)
            if found is None or found.end() != len(text):
                line += text
                break
            line += text[: found.start()] + b'""'
            at += int(found[1])
            assert at <= len(said), "a literal is shorter than it says"
        assert _LINE.fullmatch(line.removesuffix(b"\r\n")), f"no response: {line!r}"
        if re.match(rb"\* \d+ FETCH ", line):
            plain = re.sub(rb'"(?:[^"\\]|\\.)*"', b"", re.sub(rb"BODY\[[^\]]*\]", b"", line))
            assert plain.count(b"(") == plain.count(b")"), line


async def converse(server: MemoryServer, octets: bytes, step: int) -> bytes:
    """What the server says to a client that says this, and then goodbye."""
    talk = await server.connect()
    said = bytearray()

    async def hear() -> None:
        try:
            while True:
                said.extend(await talk.stream.read(65_536))
        except ConnectionLost:
            return

    hearing = asyncio.ensure_future(hear())
    for at in range(0, len(octets), step):
        talk.stream.write(octets[at : at + step])
        await asyncio.sleep(0)
    talk.stream.write(END)
    await asyncio.wait_for(talk.session, 20)
    await asyncio.wait_for(hearing, 20)
    server.talks.remove(talk)
    return bytes(said)


async def restocked(server: MemoryServer) -> None:
    """There is always something to fetch."""
    if (await server.alice.find("INBOX")).messages < 4:
        await deliver(server.alice, *MESSAGES)


def errors_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]


@fuzzed
def test_any_octets(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """One store for all: what one client does, the next finds."""
    kinds = set[bytes]()
    with asyncio.Runner() as runner:
        room = imap_memory(tmp_path, CONFIG)
        server = runner.run(room.__aenter__())

        @fuzz(100)
        @example(SELECTED, b"a FETCH 1:* (UID BODY.PEEK[] BODYSTRUCTURE)\r\n", 7)
        @given(LOGINS, DIALOGUES, STEPS)
        def attempt(login: bytes, dialogue: bytes, step: int) -> None:
            runner.run(restocked(server))
            said = runner.run(converse(server, login + dialogue, step))
            well_formed(said)
            kinds.update(re.findall(rb" (OK|BAD|FETCH) ", said))
            assert errors_of(caplog) == []

        attempt()
        assert kinds >= {b"OK", b"BAD", b"FETCH"}  # it has got as far as that
        runner.run(room.__aexit__(None, None, None))


@pytest.mark.parametrize("seed", sorted(SEEDS.glob("*")), ids=lambda path: path.name)
@pytest.mark.parametrize("step", [1, 100_000])
def test_what_once_failed(seed: Path, step: int, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    asyncio.run(once(seed.read_bytes(), step, tmp_path))
    assert errors_of(caplog) == []


async def once(octets: bytes, step: int, tmp_path: Path) -> None:
    async with imap_memory(tmp_path, CONFIG) as server:
        await deliver(server.alice, *MESSAGES)
        well_formed(await converse(server, octets, step))


@pytest.mark.parametrize(
    "said", [b"a OK", b"hello\r\n", b"* 1 FETCH (BODY[] {5}\r\nabc)\r\n", b"* 1 FETCH (UID 1\r\n", b"* 1 FETCH (X \"a\")\0\r\n"]
)  # fmt: skip
def test_the_test_hears_what_is_said(said: bytes) -> None:
    with pytest.raises(AssertionError):
        well_formed(said)
