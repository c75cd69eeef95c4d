"""Any octets at all, cut anywhere: the session never raises, never hangs, and removes nothing but by DELE and QUIT."""

import asyncio
import contextlib
import re
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from support.fuzzing import fuzz, fuzzed, no_errors
from support.imap_server import deliver
from support.pop3_server import Pop3Server, pop3_server

MESSAGES = [b"Subject: %d\r\n\r\n.dots\r\n..\r\n.\r\nend" % n for n in range(3)]
WORDS = st.sampled_from(
    [b"CAPA", b"USER alice", b"USER", b"PASS secret", b"PASS x", b"STAT", b"LIST", b"LIST 2", b"UIDL", b"UIDL 9", b"RETR 1", b"RETR 0",
     b"TOP 1 1", b"TOP 3 999999999", b"DELE 1", b"DELE 2", b"RSET", b"NOOP", b"QUIT", b"UTF8", b"LANG *", b"LANG", b"AUTH", b"AUTH PLAIN",
     b"AUTH PLAIN =", b"AUTH PLAIN AGFsaWNlAHNlY3JldA==", b"AUTH LOGIN YWxpY2U=", b"AUTH SCRAM-SHA-256 biws", b"*", b"APOP alice x", b"STLS",
     b"retr -1", b"RETR \xef\xbc\x91", b"XTND XMIT", b"USER \xff", b"AUTH " + b"A" * 20_000]
)  # fmt: skip
LINES = st.lists(st.one_of(WORDS, WORDS, st.binary(max_size=30)), max_size=12).map(
    lambda lines: b"".join(line + b"\r\n" for line in lines)
)
LOGINS = st.sampled_from([b"", b"USER alice\r\nPASS secret\r\n", b"AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n"])
STEPS = st.sampled_from([1, 7, 64, 100_000])


async def heard(server: Pop3Server, octets: bytes, step: int) -> bytes:
    """What the server says to a client that says this, cut into steps, and then ends its side; its last words are lost where the
    client goes on behind QUIT."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    with contextlib.suppress(OSError):
        for start in range(0, len(octets), step):
            writer.write(octets[start : start + step])
        writer.write_eof()
    said = b""
    with contextlib.suppress(ConnectionResetError):
        async with asyncio.timeout(20):
            while block := await reader.read(65_536):
                said += block
    writer.close()
    _, task = server.sessions.pop()
    await asyncio.wait_for(task, 20)  # its crash is ours
    return said


async def one(server: Pop3Server, octets: bytes, step: int) -> None:
    missing = len(MESSAGES) - (await server.alice.find("INBOX")).messages
    await deliver(server.alice, *MESSAGES[:missing])
    said = await heard(server, octets, step)
    assert b"+OK mx.test POP3 ready\r\n".startswith(said[:24])
    assert b"\r\n-ERR [SYS/TEMP]" not in said
    gone = len(MESSAGES) - (await server.alice.find("INBOX")).messages
    assert gone <= len(re.findall(rb"DELE [12]\r\n", octets))
    assert not gone or re.search(rb"DELE [12]\r\n(.|\n)*QUIT\r\n", octets), "removed before UPDATE"


@fuzzed
def test_any_octets(tmp_path: Path) -> None:
    with asyncio.Runner() as runner:
        context = pop3_server(tmp_path)
        server = runner.run(context.__aenter__())

        @fuzz(150)
        @given(LINES, LOGINS, LINES, STEPS)
        def attempt(before: bytes, login: bytes, after: bytes, step: int) -> None:
            with no_errors():
                runner.run(one(server, before + login + after, step))

        try:
            attempt()
        finally:
            runner.run(context.__aexit__(None, None, None))
