"""What the extensions of EHLO do: BDAT, DSN, priorities, release, VRFY, EXPN, ETRN, LMTP, repairs of submitted mail."""

import smtplib
from typing import Any

import pytest
from support.smtp_peer import Server, Talk, talking, until

from mailhub.delivery.routes import Expand
from mailhub.message.headers import first
from mailhub.model.clock import VirtualClock
from mailhub.model.envelope import DeliverBy, Notify, Recipient

ENVELOPE = ("MAIL FROM:<a@b.example>", "RCPT TO:<alice@mailhub.test>")
MAILHUB = ("127.0.0.0/8",)


async def begun(talk: Talk, parameters: str = "") -> None:
    answers = await talk.asks(ENVELOPE[0] + parameters, ENVELOPE[1])
    assert all(answer.startswith("250 ") for answer in answers), answers


async def chunk(talk: Talk, octets: bytes, last: str = "") -> str:
    talk.send(b"BDAT %d%b\r\n" % (len(octets), last.encode()) + octets)
    return "\n".join(await talk.reply())


# --- CHUNKING ---


async def test_a_message_in_chunks() -> None:
    async with talking() as (server, talk):
        await begun(talk)
        assert await chunk(talk, b"Subject: x\r") == "250 2.0.0 11 octets received"
        assert await chunk(talk, b"\n\r\n.\r\n..\r\n") == "250 2.0.0 10 octets received"
        assert (await chunk(talk, b"end", " LAST")).startswith("250 2.0.0 Ok: queued")
        assert server.spool.messages[0].data == b"Subject: x\r\n\r\n.\r\n..\r\nend\r\n"
        await begun(talk)
        assert (await chunk(talk, b"", " last")).startswith("250 2.0.0 Ok: queued")
        assert server.spool.messages[1].data == b""


async def test_all_pipelined_in_one_go() -> None:
    async with talking() as (server, talk):
        body = b"a\r\n" * 50_000
        talk.send("\r\n".join(ENVELOPE).encode() + b"\r\nBDAT 5\r\nabc\r\nBDAT 150000 LAST\r\n" + body + b"NOOP\r\n")
        codes = [(await talk.reply())[0][:3] for _ in range(5)]
        assert codes == ["250"] * 5
        assert server.spool.messages[0].data == b"abc\r\n" + body


@pytest.mark.parametrize("octets", [b"a\nb\r\n", b"a\rb\r\n", b"a\0b\r\n", b"\r\n\n", b"\r\r\n"])
async def test_chunks_of_text_are_held_to_the_rules_of_text(octets: bytes) -> None:
    for cut in range(len(octets) + 1):
        async with talking() as (server, talk):
            await begun(talk)
            answers = [
                await chunk(talk, octets[:cut]),
                await chunk(talk, octets[cut:]),
                await chunk(talk, b"x", " LAST"),
            ]
            assert answers[-1].startswith("550 5.6.0 "), answers
            assert server.spool.messages == []
            await begun(talk)
            assert (await chunk(talk, b"fine\r\n", " LAST")).startswith("250 ")
    async with talking(bare_newlines="normalize") as (server, talk):
        await begun(talk)
        if b"\0" not in octets:
            await chunk(talk, octets, " LAST")
            data = server.spool.messages[0].data
            assert data.count(b"\r\n") == data.count(b"\r") == data.count(b"\n") > 0


async def test_binarymime_may_hold_anything_and_never_comes_by_data() -> None:
    octets = bytes(range(256)) * 10
    async with talking() as (server, talk):
        await begun(talk, " BODY=BINARYMIME")
        assert (await talk.ask("DATA")).startswith("503 5.5.1 ")
        assert (await chunk(talk, octets, " LAST")).startswith("250 ")
        assert server.spool.messages[0].data == octets
        assert server.spool.messages[0].envelope.parameters.body == "BINARYMIME"


async def test_commands_out_of_place_and_their_octets() -> None:
    """A refused chunk is read to its end: what it holds is never taken for commands."""
    trap = b"QUIT\r\nMAIL FROM:<x@y.example>\r\n"
    async with talking() as (server, talk):
        assert (await chunk(talk, trap)).startswith("503 5.5.1 ")
        assert (await talk.ask(ENVELOPE[0])).startswith("250 ")
        assert (await chunk(talk, trap)).startswith("503 5.5.1 ")
        assert (await talk.ask("RCPT TO:<nobody@mailhub.test>")).startswith("550 5.1.1 ")
        assert (await chunk(talk, trap, " LAST")).startswith("554 5.5.1 ")
        assert (await talk.ask(ENVELOPE[1])).startswith("250 ")
        assert (await chunk(talk, b"a\r\n")).startswith("250 ")
        for line in ("DATA", ENVELOPE[0], "RCPT TO:<bob@mailhub.test>"):
            assert (await talk.ask(line)).startswith("503 5.5.1 ")
        assert (await talk.ask("RSET")).startswith("250 ")
        assert (await chunk(talk, trap, " LAST")).startswith("503 5.5.1 ")
        await begun(talk)
        assert (await chunk(talk, b"new\r\n", " LAST")).startswith("250 ")
        assert [put.data for put in server.spool.messages] == [b"new\r\n"]


async def test_chunks_over_the_limit() -> None:
    async with talking(message_size_limit=1_000) as (server, talk):
        await begun(talk)
        assert (await chunk(talk, b"x" * 900)).startswith("250 ")
        assert (await chunk(talk, b"x" * 900)).startswith("552 5.3.4 ")
        assert (await chunk(talk, b"x" * 900)).startswith("552 5.3.4 ")
        assert (await chunk(talk, b"\r\n", " LAST")).startswith("552 5.3.4 ")
        await begun(talk)
        assert (await chunk(talk, b"small\r\n", " LAST")).startswith("250 ")
        talk.send(b"BDAT 99999999\r\n")
        assert (await talk.end()).startswith(b"552 5.3.4 ")
        assert len(server.spool.messages) == 1


@pytest.mark.parametrize("argument", ["", "x", "-1", "1 FIRST", "1LAST", "1 LAST x", "9" * 21, "²"])
async def test_a_chunk_of_unknown_length_ends_the_session(argument: str) -> None:
    async with talking() as (_, talk):
        await begun(talk)
        talk.send(f"BDAT {argument}\r\nNOOP\r\n".encode())
        assert (await talk.end()).startswith(b"50")


async def test_a_client_that_leaves_in_a_chunk_leaves_nothing() -> None:
    async with Server() as server:
        talk = await server.connect()
        await talk.ask("EHLO c")
        await begun(talk)
        talk.send(b"BDAT 100 LAST\r\nabc")
        await until(lambda: bool(server.spool.writers))
        talk.vanish()
        await server.sessions.empty()
        assert server.spool.messages == []
        assert server.spool.writers[0].aborted


# --- what is asked for beside the address ---


async def test_dsn_parameters_reach_the_queue() -> None:
    async with talking() as (server, talk):
        await talk.asks(
            "MAIL FROM:<a@b.example> RET=HDRS ENVID=QQ+2B1",
            "RCPT TO:<alice@mailhub.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;Al+2Bice@mailhub.test",
            "RCPT TO:<bob@mailhub.test> NOTIFY=NEVER",
            "DATA",
            ".",
        )
        envelope = server.spool.messages[0].envelope
        assert (envelope.parameters.ret, envelope.parameters.envid) == ("HDRS", "QQ+1")
        assert envelope.recipients == (
            Recipient("alice@mailhub.test", Notify.SUCCESS | Notify.DELAY, "rfc822;Al+ice@mailhub.test"),
            Recipient("bob@mailhub.test", Notify.NEVER),
        )


async def test_deliver_by_counts_from_now_and_has_a_minimum() -> None:
    clock = VirtualClock()
    async with Server(clock, deliver_by_minimum=60) as server:
        talk = await server.connect()
        assert "\n250-DELIVERBY 60\n" in await talk.ask("EHLO c")
        assert (await talk.ask("MAIL FROM:<a@b.example> BY=59;R")).startswith("501 5.5.4 ")
        await talk.asks("MAIL FROM:<a@b.example> BY=60;RT", ENVELOPE[1], "DATA", ".")
        assert server.spool.messages[0].envelope.parameters.deliver_by == DeliverBy(clock.now() + 60, "R", True)


@pytest.mark.parametrize(("networks", "answer", "kept"), [((), "250 2.3.6 ", 0), (MAILHUB, "250 2.1.0 ", 9)])
async def test_strangers_can_not_raise_their_priority(networks: Any, answer: str, kept: int) -> None:
    async with talking(mynetworks=networks) as (server, talk):
        assert (await talk.ask("MAIL FROM:<a@b.example> MT-PRIORITY=9")).startswith(answer)
        await talk.asks(ENVELOPE[1], "DATA", ".")
        assert server.spool.messages[0].envelope.parameters.priority == kept
        assert (await talk.ask("MAIL FROM:<a@b.example> MT-PRIORITY=-9")).startswith("250 2.1.0 ")


async def test_an_extension_switched_off_is_not_known() -> None:
    async with Server(discard_ehlo_keywords=("DSN", "CHUNKING", "MT-PRIORITY")) as server:
        talk = await server.connect()
        shown = await talk.ask("EHLO c")
        assert not any(word in shown for word in ("DSN", "CHUNKING", "BINARYMIME", "MT-PRIORITY"))
        assert (await talk.ask("MAIL FROM:<a@b.example> RET=FULL")).startswith("555 5.5.4 ")
        assert (await talk.ask("MAIL FROM:<a@b.example> BODY=BINARYMIME")).startswith("501 5.5.4 ")
        assert (await talk.ask("MAIL FROM:<a@b.example> REQUIRETLS")).startswith("555 5.5.4 ")
        talk.close()


async def test_requiretls_is_offered_under_tls_alone() -> None:
    async with Server(tls="starttls") as server:
        talk = await server.connect()
        assert "REQUIRETLS" not in await talk.ask("EHLO c")
        await talk.start_tls(server.client_context())
        assert "250-REQUIRETLS" in await talk.ask("EHLO c")
        await talk.asks("MAIL FROM:<a@b.example> REQUIRETLS", ENVELOPE[1], "DATA", ".")
        assert server.spool.messages[0].envelope.parameters.requiretls
        talk.close()


# --- VRFY, EXPN, ETRN ---


async def test_vrfy_expn_and_etrn_answer_who_is_trusted() -> None:
    async with talking(vrfy=True, expn=True, etrn=True, mynetworks=MAILHUB) as (server, talk):
        server.router.routes["list@mailhub.test"] = Expand(("alice@mailhub.test", "x@far.example"))
        assert await talk.ask("VRFY <alice@mailhub.test>") == "250 2.1.5 <alice@mailhub.test>"
        assert (await talk.ask("VRFY nobody@mailhub.test")).startswith("550 5.1.1 ")
        assert (await talk.ask("VRFY x@far.example")).startswith("252 ")
        assert (await talk.ask("VRFY down@mailhub.test")).startswith("451 ")
        assert (await talk.ask("VRFY a b")).startswith("501 ")
        assert await talk.ask("EXPN list@mailhub.test") == "250-2.1.5 <alice@mailhub.test>\n250 2.1.5 <x@far.example>"
        assert (await talk.ask("EXPN nobody@mailhub.test")).startswith("550 ")
        assert await talk.ask("ETRN far.example") == "250 2.0.0 Queuing started"
        assert server.spool.turned == ["far.example"]
        assert (await talk.ask("ETRN")).startswith("501 ")
        assert (await talk.ask("ETRN not..a domain")).startswith("501 ")
    async with talking(vrfy=True, expn=True, etrn=True) as (server, talk):
        for line in ("VRFY alice@mailhub.test", "VRFY nobody@mailhub.test", "EXPN list@mailhub.test"):
            assert (await talk.ask(line)).startswith("252 ")
        assert (await talk.ask("ETRN far.example")).startswith("459 4.7.1 ")
        assert server.spool.turned == []


# --- LMTP ---


async def test_lmtp_answers_for_each_recipient() -> None:
    async with Server(service="lmtp") as server:
        talk = await server.connect()
        assert (await talk.ask("EHLO c")).startswith("500 5.5.1 ")
        assert (await talk.ask("HELO c")).startswith("500 5.5.1 ")
        assert (await talk.ask("LHLO c")).startswith("250-mx.mailhub.test")
        await talk.asks("MAIL FROM:<a@b.example>", "RCPT TO:<alice@mailhub.test>")
        assert (await talk.ask("RCPT TO:<nobody@mailhub.test>")).startswith("550 5.1.1 ")
        assert (await talk.ask("RCPT TO:<x@far.example>")).startswith("554 5.7.1 ")
        await talk.asks("RCPT TO:<bob@mailhub.test>", "DATA")
        talk.send(b"hi\r\n.\r\n")
        for _ in range(2):
            assert (await talk.reply())[0].startswith("250 2.0.0 ")
        assert (await talk.ask("NOOP")).startswith("250 ")
        assert server.spool.messages[0].origin.protocol == "LMTP"
        await talk.asks("MAIL FROM:<a@b.example>", "RCPT TO:<alice@mailhub.test>", "RCPT TO:<bob@mailhub.test>")
        talk.send(b"BDAT 4\r\nhi\r\nBDAT 3 LAST\r\na\nb")
        answers = [(await talk.reply())[0][:3] for _ in range(3)]
        assert answers == ["250", "550", "550"]
        talk.close()


async def test_lmtp_relays_for_nobody() -> None:
    async with Server(service="lmtp", mynetworks=MAILHUB) as server:
        talk = await server.connect()
        await talk.asks("LHLO c", "MAIL FROM:<a@b.example>")
        assert (await talk.ask("RCPT TO:<x@far.example>")).startswith("554 5.7.1 ")
        talk.close()


async def test_smtplib_speaks_lmtp_to_us() -> None:
    import asyncio

    async with Server(service="lmtp") as server:

        def send() -> None:
            with smtplib.LMTP("localhost", server.listener.port) as client:
                client.sendmail("a@b.example", ["alice@mailhub.test"], b"Subject: x\r\n\r\nhello\r\n")

        await asyncio.to_thread(send)
        assert server.spool.messages[0].data == b"Subject: x\r\n\r\nhello\r\n"


# --- what submission mends ---


async def submitted(message: bytes, **settings: Any) -> bytes:
    async with Server(service="submission", tls="starttls", **settings) as server:
        talk = await server.connect()
        await talk.start_tls(server.client_context())
        await talk.asks("EHLO c", "AUTH PLAIN AGFsaWNlQG1haWxodWIudGVzdABzZWNyZXQ=", "MAIL FROM:<alice@mailhub.test>")
        await talk.asks("RCPT TO:<bob@mailhub.test>", "DATA")
        talk.send(message + b".\r\n")
        answer = (await talk.reply())[0]
        talk.close()
        return server.spool.messages[0].data if answer.startswith("250 ") else answer.encode()


WHOLE = b"Date: Thu, 1 Jan 2026 00:00:00 +0000\r\nMessage-ID: <a@b>\r\nfrom: Alice <alice@mailhub.test>\r\n"


@pytest.mark.parametrize(
    "body", [b"\r\nhi\r\n", b"", b"\r\n", b"X: \xc3\xbc\r\n\t folded \r\n\r\nBcc: not a field\r\n"]
)
async def test_a_whole_message_stays_as_it_is(body: bytes) -> None:
    assert await submitted(WHOLE + body) == WHOLE + body


async def test_what_is_missing_is_added() -> None:
    for message in (b"Subject: x\r\n\r\nhi\r\n", b"\r\nhi\r\n", b"just text\r\n", b"just text\r\n\r\nmore\r\n"):
        data = await submitted(message)
        assert first(data, b"from") == b"<alice@mailhub.test>"
        assert first(data, b"date") is not None
        assert (first(data, b"message-id") or b"").endswith(b"@mx.mailhub.test>")
        assert data.endswith(message if not message.startswith(b"Subject") else b"\r\n\r\nhi\r\n")


async def test_blind_copies_stay_blind() -> None:
    blind = b"BCC: secret@x.example,\r\n\tother@x.example\r\nTo: bob@mailhub.test\r\nBcc:\r\n"
    assert await submitted(WHOLE + blind + b"\r\nBcc: body\r\n") == WHOLE + b"To: bob@mailhub.test\r\n\r\nBcc: body\r\n"
    assert await submitted(WHOLE + b"Bcc: x@y.example\r\n") == WHOLE
    assert b"Bcc" in await submitted(WHOLE + blind + b"\r\nhi\r\n", repair=False)


async def test_a_header_without_end_is_refused() -> None:
    long = WHOLE + b"X-A: b\r\n" * 10_000
    assert (await submitted(long + b"\r\nhi\r\n", header_size_limit=10_000)).startswith(b"552 5.3.4 ")
    assert await submitted(long + b"\r\nhi\r\n") == long + b"\r\nhi\r\n"
