"""Every command in its place and out of it; each answer with its enhanced code."""

import re

import pytest
from support.smtp_peer import Server, talking

from mailhub.config import schema
from mailhub.protocols.smtp import channel
from mailhub.protocols.smtp.commands import COMMANDS


async def test_ehlo_shows_what_is_offered() -> None:
    async with Server(message_size_limit=1_000_000) as server:
        talk = await server.connect()
        assert await talk.ask("EHLO client.example") == (
            "250-mx.mailhub.test\n250-PIPELINING\n250-SIZE 1000000\n250-ENHANCEDSTATUSCODES\n250-8BITMIME\n"
            "250-SMTPUTF8\n250-CHUNKING\n250-BINARYMIME\n250-DSN\n250-DELIVERBY\n250-MT-PRIORITY MIXER\n"
            "250-LIMITS RCPTMAX=1000 MAILMAX=10000\n250 HELP"
        )
        assert await talk.ask("HELO client.example") == "250 mx.mailhub.test"
        talk.close()


async def test_a_message_from_greeting_to_goodbye() -> None:
    async with talking() as (server, talk):
        answers = await talk.asks(
            "MAIL FROM:<x@y.example> SIZE=20 BODY=8BITMIME",
            "RCPT TO:<alice@mailhub.test>",
            "RCPT TO:<bob@mailhub.test>",
        )
        assert answers == ["250 2.1.0 Ok", "250 2.1.5 Ok", "250 2.1.5 Ok"]
        assert (await talk.ask("DATA")).startswith("354 ")
        talk.send(b"Subject: \xc3\xbc\r\n\r\n..\r\n..a\r\n.\r\n")
        assert re.fullmatch(r"250 2\.0\.0 Ok: queued as [0-9A-Z]+", (await talk.reply())[0])
        assert await talk.ask("QUIT") == "221 2.0.0 Bye"
        assert await talk.end() == b""
        (put,) = server.spool.messages
        assert put.data == b"Subject: \xc3\xbc\r\n\r\n.\r\n.a\r\n"
        assert put.envelope.sender == "x@y.example"
        assert put.envelope.parameters.body == "8BITMIME"
        assert put.origin.protocol == "ESMTP"
        assert put.origin.client == "127.0.0.1"
        assert put.origin.helo == "client.example"


DIALOGUE = [
    ("NOOP", "250 2.0.0"), ("NOOP with words", "250 2.0.0"), ("RSET", "250 2.0.0"), ("VRFY alice", "252 2.5.0"),
    ("EXPN list", "502 5.5.1"), ("HELP", "214 2.0.0"), ("HELP MAIL", "214 2.0.0"), ("HELP WHAT", "504 5.5.4"),
    ("EHLO", "501 5.5.4"), ("HELO", "501 5.5.4"), ("EHLO two words", "501 5.5.4"), ("EHLO bücher", "501 5.5.4"),
    ("MAIL FROM:<a@b.c>", "503 5.5.1"), ("RCPT TO:<a@b.c>", "503 5.5.1"), ("DATA", "503 5.5.1"), ("AUTH PLAIN", "503 5.5.1"),
    ("STARTTLS", "502 5.5.1"), ("STARTTLS now", "501 5.5.4"), ("RSET now", "501 5.5.4"), ("QUIT now", "501 5.5.4"),
    ("VRFY", "501 5.5.4"), ("BDAT 0 LAST", "503 5.5.1"), ("LHLO x", "500 5.5.1"), ("ETRN a.test", "502 5.5.1"), ("WHAT", "500 5.5.1"), ("", "500 5.5.2"), (" NOOP", "500 5.5.2"),
    ("MA\u00ceL", "500 5.5.2"), ("NO\x00OP", "500 5.5.2"), ("x" * 2_100, "500 5.5.2"), ("ehlo client", "250-"),
    ("AUTH PLAIN", "502 5.5.1"), ("RCPT TO:<a@b.c>", "503 5.5.1"), ("DATA", "503 5.5.1"),
    ("MAIL", "501 5.5.4"), ("MAIL TO:<a@b.c>", "501 5.5.4"), ("MAIL FROM:", "501 5.1.7"), ("MAIL FROM:a@b.c", "501 5.1.7"),
    ("MAIL FROM:<a@b.c> SIZE=x", "501 5.5.4"), ("MAIL FROM:<a@b.c> FOO", "555 5.5.4"), ("MAIL FROM:<a>", "553 5.1.7"),
    ("MAIL FROM:<a@b.c> SIZE=99999999999", "552 5.3.4"), ("MAIL FROM:<ü@b.c>", "553 5.6.7"), ("mail from: <a@b.c> ", "250 2.1.0"),
    ("MAIL FROM:<a@b.c>", "503 5.5.1"), ("AUTH PLAIN", "502 5.5.1"), ("DATA", "503 5.5.1"), ("RCPT", "501 5.5.4"),
    ("RCPT FROM:<a@b.c>", "501 5.5.4"), ("RCPT TO:<>", "501 5.5.4"), ("RCPT TO:<a b@c>", "501 5.1.3"), ("DATA", "554 5.5.1"),
    ("RCPT TO:<alice@mailhub.test> FOO=NEVER", "555 5.5.4"), ("RCPT TO:<alice@mailhub.test> NOTIFY=X", "501 5.5.4"), ("rcpt to:<alice@mailhub.test>", "250 2.1.5"),
    ("DATA now", "501 5.5.4"), ("EHLO again", "250-"), ("RCPT TO:<alice@mailhub.test>", "503 5.5.1"), ("MAIL FROM:<>", "250 2.1.0"),
    ("RSET", "250 2.0.0"), ("MAIL FROM:<ü@b.c> SMTPUTF8", "250 2.1.0"), ("QUIT", "221 2.0.0"),
]  # fmt: skip


async def test_commands_in_and_out_of_order() -> None:
    async with Server(error_limit=1_000) as server:
        talk = await server.connect()
        for line, expected in DIALOGUE:
            answer = await talk.ask(line)
            assert answer.startswith(expected), (line, answer)
        assert server.spool.messages == []


async def test_every_command_has_its_help() -> None:
    async with talking() as (_, talk):
        for verb in COMMANDS:
            assert (await talk.ask(f"HELP {verb.lower()}")).startswith(f"214 2.0.0 {verb}")


@pytest.mark.parametrize(
    ("hello", "parameters", "protocol"),
    [("HELO", "", "SMTP"), ("EHLO", "", "ESMTP"), ("EHLO", " SMTPUTF8", "UTF8SMTP")],
)
async def test_received_names_the_protocol(hello: str, parameters: str, protocol: str) -> None:
    async with Server() as server:
        talk = await server.connect()
        await talk.asks(f"{hello} c", f"MAIL FROM:<a@b.c>{parameters}", "RCPT TO:<alice@mailhub.test>", "DATA", ".")
        assert server.spool.messages[0].origin.protocol == protocol
        assert b" with " + protocol.encode() + b" id " in server.spool.messages[0].prefix
        assert server.spool.messages[0].data == b""
        talk.close()


async def test_pipelined_replies_come_in_one_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    writes: list[bytes] = []
    real = channel.Channel._flush

    def counted(self: channel.Channel) -> None:
        if self._output:
            writes.append(b"".join(self._output))
        real(self)

    monkeypatch.setattr(channel.Channel, "_flush", counted)
    async with talking() as (server, talk):
        writes.clear()
        talk.send(b"MAIL FROM:<a@b.c>\r\nRCPT TO:<alice@mailhub.test>\r\nRCPT TO:<no@mailhub.test>\r\nDATA\r\n")
        assert [(await talk.reply())[0][:3] for _ in range(4)] == ["250", "250", "550", "354"]
        assert len(writes) == 1
        talk.send(b"x\r\n.\r\nRSET\r\nNOOP\r\nQUIT\r\n")
        assert [(await talk.reply())[0][:3] for _ in range(4)] == ["250", "250", "250", "221"]
        assert len(server.spool.messages) == 1


@pytest.mark.parametrize("size", [1, 2, 7])
async def test_octets_may_come_in_any_pieces(size: int) -> None:
    stream = b"EHLO c\r\nMAIL FROM:<a@b.c>\r\nRCPT TO:<alice@mailhub.test>\r\nDATA\r\n..x\r\n.\r\nNOOP\r\nQUIT\r\n"
    async with Server() as server:
        talk = await server.connect()
        for start in range(0, len(stream), size):
            talk.send(stream[start : start + size])
            await talk.writer.drain()
        replies = (await talk.end()).decode().splitlines()
        assert [line[:4] for line in replies if line[3] == " "] == [
            "250 ",
            "250 ",
            "250 ",
            "354 ",
            "250 ",
            "250 ",
            "221 ",
        ]
        assert server.spool.messages[0].data == b".x\r\n"


async def test_a_body_in_the_batch_of_a_refused_data_is_no_command_that_harms() -> None:
    async with talking(error_limit=100) as (server, talk):
        talk.send(b"MAIL FROM:<a@b.c>\r\nRCPT TO:<no@mailhub.test>\r\nDATA\r\nSubject: x\r\n\r\n.\r\nQUIT\r\n")
        codes = [line[:3] for line in (await talk.end()).decode().splitlines()]
        assert codes == ["250", "550", "554", "500", "500", "500", "221"]
        assert server.spool.messages == []


async def test_what_a_browser_says_ends_the_session() -> None:
    async with Server() as server:
        talk = await server.connect()
        talk.send(b"POST / HTTP/1.1\r\nHost: x\r\n\r\nEHLO x\r\nMAIL FROM:<a@b.c>\r\n")
        assert await talk.end() == b"500 5.5.1 This is a mail server, goodbye\r\n"


async def test_a_line_feed_alone_ends_no_command() -> None:
    async with talking() as (_, talk):
        talk.send(b"NOOP\n")
        assert (await talk.reply())[0].startswith("500 5.5.2 ")
    async with talking(bare_newlines="normalize") as (_, talk):
        talk.send(b"NOOP\n")
        assert (await talk.reply())[0].startswith("250 2.0.0 ")
        assert (await talk.ask(b"NOOP\r")).startswith("500 5.5.2 ")


async def test_submission_is_for_those_who_signed_in() -> None:
    async with talking(service="submission", mynetworks=("127.0.0.0/8",), auth=schema.Auth(allow_plaintext=True)) as (
        server,
        talk,
    ):
        assert (await talk.ask("MAIL FROM:<alice@mailhub.test>")).startswith("530 5.7.0 ")
        assert (await talk.ask("AUTH PLAIN AGFsaWNlQG1haWxodWIudGVzdABzZWNyZXQ=")).startswith("235 2.7.0 ")
        await talk.asks("MAIL FROM:<alice@mailhub.test>", "RCPT TO:<u@other.example>", "DATA", ".")
        assert server.spool.messages[0].origin.login == "alice@mailhub.test"
        assert server.spool.messages[0].origin.protocol == "ESMTPA"


async def test_a_crash_below_ends_this_session_and_no_other(caplog: pytest.LogCaptureFixture) -> None:
    async with Server() as server:
        broken, whole = await server.hello(), await server.hello()
        server.router.peek = None  # type: ignore[assignment, method-assign]
        await broken.ask("MAIL FROM:<a@b.c>")
        assert (await broken.ask("RCPT TO:<alice@mailhub.test>")).startswith("421 4.3.0 ")
        assert await broken.end() == b""
        assert "crashed in RCPT" in caplog.text
        assert (await whole.ask("NOOP")).startswith("250 ")
        whole.close()
