"""Milters: every callback and every change, by a filter that follows a script, in a session of mailhub's."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest
from support.milters import GO_ON, Scripted, milter, said
from support.smtp_peer import Server, Talk, until

from mailhub.config import lookup
from mailhub.policy import Policy
from mailhub.scanners import Services

FROM, TO = "MAIL FROM:<x@far.example>", "RCPT TO:<alice@mailhub.test>"
LETTER = "From: x@far.example\r\nSubject: hello\r\n folded\r\nX-Two: 1\r\nX-Two: 2\r\n\r\ntext\r\n."


@contextlib.asynccontextmanager
async def talking(*filters: Scripted, **settings: Any) -> AsyncIterator[tuple[Server, Talk]]:
    """A server that asks these filters, and a client that said EHLO."""
    async with contextlib.AsyncExitStack() as stack:
        for one in filters:
            await stack.enter_async_context(milter(one))
        settings.setdefault("milters", tuple(one.address for one in filters))
        server = Server(**settings)
        server.policy = Policy(
            server.settings, "mx.mailhub.test", server.router, server.spool, server.clock,  # type: ignore[arg-type]
            services=Services(cast(Any, None), server.clock),
        )  # fmt: skip
        async with server:
            talk = await server.hello()
            try:
                yield server, talk
            finally:
                talk.close()
                await until(lambda: all(one.closed == one.connections for one in filters))


async def letter(talk: Talk, text: str = LETTER) -> str:
    """The answer to the whole message."""
    for line in (FROM, TO, "DATA"):
        answer = await talk.ask(line)
        if answer[0] not in "23":
            return answer
    return await talk.ask(text)


async def test_every_callback_comes_in_its_turn() -> None:
    one = Scripted()
    async with talking(one) as (server, talk):
        assert (await letter(talk)).startswith("250")
        body = ("body", "text\r\n")
        assert one.told[1:4] == [
            ("helo", "client.example"),
            ("mail", "<x@far.example>"),
            ("rcpt", "<alice@mailhub.test>"),
        ]
        assert one.told[0][0] == "connect"
        assert one.told[0][1] == "[127.0.0.1]"
        assert one.told[4:] == [
            ("data",), ("header", "From", "x@far.example"), ("header", "Subject", "hello\n folded"), ("header", "X-Two", "1"),
            ("header", "X-Two", "2"), ("end_of_header",), body, ("end_of_data",),
        ]  # fmt: skip
        assert one.offers == [(6, 0x1FF, 0x1FF7FF)]
        assert await talk.asks("MAIL FROM:<> SIZE=10 BODY=8BITMIME", TO, "RCPT TO:<bob@mailhub.test>", "RSET") == [
            "250 2.1.0 Ok", "250 2.1.5 Ok", "250 2.1.5 Ok", "250 2.0.0 Ok",
        ]  # fmt: skip
        await until(lambda: one.told[-1] == ("abort",))
        assert one.told[12:] == [
            ("mail", "<>", "SIZE=10", "BODY=8BITMIME"), ("rcpt", "<alice@mailhub.test>"), ("rcpt", "<bob@mailhub.test>"), ("abort",),
        ]  # fmt: skip
        await talk.ask("QUIT")
        await until(lambda: one.closed == 1)
        assert one.told[-1] == ("quit",)
        assert one.connections == 1
        (put,) = server.spool.messages
        assert put.data == LETTER[:-1].encode()


async def test_macros_are_sent_where_they_are_known() -> None:
    one = Scripted()
    wanted = {
        "milter_connect_macros": ("j", "{daemon_name}", "v", "_", "{client_port}", "odd"),
        "milter_macro_daemon_name": "door",
    }
    async with talking(one, **wanted, milter_macro_defaults=("odd=1", "{rcpt_host}=no")) as (server, talk):
        await letter(talk)
        port = talk.writer.get_extra_info("sockname")[1]
        assert one.macros["connect"] == {
            "j": "mx.mailhub.test", "{daemon_name}": "door", "v": "mailhub", "_": "unknown [127.0.0.1]", "{client_port}": str(port),
            "{odd}": "1",
        }  # fmt: skip
        assert one.macros["mail"] == {
            "{mail_addr}": "x@far.example",
            "{mail_host}": "far.example",
            "{mail_mailer}": "smtp",
        }
        assert one.macros["rcpt"]["{rcpt_addr}"] == "alice@mailhub.test"
        (put,) = server.spool.messages
        assert f" id {one.macros['data']['i']};".encode() in put.prefix.replace(b"\r\n\tfor <alice@mailhub.test>", b"")
        assert one.macros["end_of_data"] == one.macros["end_of_header"] == one.macros["data"]


async def test_a_filter_may_choose_its_macros() -> None:
    one = Scripted(symbols=b"\0\0\0\x03{rcpt_mailer}\0")
    async with talking(one) as (_, talk):
        await letter(talk)
        assert one.macros["rcpt"] == {"{rcpt_mailer}": "smtp"}


async def test_what_is_not_wanted_is_not_told_and_what_is_not_answered_not_waited_for() -> None:
    silent = dict.fromkeys(("rcpt", "header", "end_of_header", "body", "data", "mail", "helo", "connect"), b"")
    one = Scripted(silent, steps=0xFF080)
    async with talking(one) as (server, talk):
        assert (await letter(talk)).startswith("250")
        assert one.events("header") == [
            "connect",
            "helo",
            "mail",
            "rcpt",
            "data",
            "end_of_header",
            "body",
            "end_of_data",
        ]
    two = Scripted(steps=0x7F | 0x200)
    async with talking(two) as (server, talk):
        assert (await letter(talk)).startswith("250")
        assert two.told[0] == ("end_of_data",)
        assert len(server.spool.messages) == 1
    three = Scripted(version=2, steps=0)
    async with talking(three) as (server, talk):
        assert (await letter(talk)).startswith("250")
        assert "data" not in three.events()


async def test_header_values_with_their_blank() -> None:
    one = Scripted({"end_of_data": said(b"h", "X-New", "  two blanks") + GO_ON}, steps=0x100000)
    async with talking(one) as (server, talk):
        await letter(talk, "Subject:hello\r\nX-Tab:\tx\r\n\r\ntext\r\n.")
        assert [event for event in one.told if event[0] == "header"] == [
            ("header", "Subject", "hello"),
            ("header", "X-Tab", "\tx"),
        ]
        assert server.spool.messages[0].data == b"Subject:hello\r\nX-Tab:\tx\r\nX-New:  two blanks\r\n\r\ntext\r\n"


CHANGES = [
    (said(b"h", "X-New", "a\n b"), b"X-Two: 2\r\nX-New: a\r\n b\r\n\r\ntext", b""),
    (said(b"i", "X-New", "a", index=0), b"From: ", b"X-New: a\r\nReceived: "),
    (said(b"i", "X-New", "a", index=1), b"X-New: a\r\nFrom: ", b"Received: "),
    (said(b"i", "X-New", "a", index=2), b"From: x@far.example\r\nX-New: a\r\n", b""),
    (said(b"m", "x-two", "b", index=2), b"X-Two: 1\r\nx-two: b\r\n\r\n", b""),
    (said(b"m", "Subject", "", index=1), b"From: x@far.example\r\nX-Two: 1", b""),
    (said(b"m", "X-None", "a", index=3), b"X-Two: 2\r\nX-None: a\r\n\r\n", b""),
    (said(b"b", raw=b"new\r\n") + said(b"b", raw=b"body"), b"X-Two: 2\r\n\r\nnew\r\nbody", b""),
    (said(b"b", raw=b"bare\nlines\r") + said(b"b", raw=b"\nend\n"), b"\r\n\r\nbare\r\nlines\r\nend\r\n", b""),
    (said(b"p") + said(b"p") + said(b"h", "X-New", "a"), b"X-New: a", b""),
]


@pytest.mark.parametrize(("change", "stored", "before"), CHANGES)
async def test_each_change_of_the_message(change: bytes, stored: bytes, before: bytes) -> None:
    one, two = Scripted({"end_of_data": change + GO_ON}), Scripted()
    async with talking(one, two) as (server, talk):
        assert (await letter(talk)).startswith("250")
        (put,) = server.spool.messages
        assert stored in put.data
        assert before in put.prefix
        seen = b"".join(
            f"{name}: {value}\n".encode() for event, name, value in (t for t in two.told if t[0] == "header") if event
        )
        told = next((text[0].encode() for event, *text in two.told if event == "body"), b"")
        whole = (put.prefix[: put.prefix.index(b"Received: ")] + put.data.partition(b"\r\n\r\n")[0] + b"\r\n").replace(
            b"\r\n", b"\n"
        )
        assert (seen, told) == (whole, put.data.partition(b"\r\n\r\n")[2])
        assert all(writer.aborted for writer in server.spool.writers[:-1])


ENVELOPES = [
    (said(b"+", "<bob@mailhub.test>"), "x@far.example", ["alice@mailhub.test", "bob@mailhub.test"]),
    (said(b"+", "any@where.example"), "x@far.example", ["alice@mailhub.test", "any@where.example"]),
    (said(b"2", "bob@mailhub.test", "NOTIFY=NEVER"), "x@far.example", ["alice@mailhub.test", "bob@mailhub.test"]),
    (said(b"-", "<ALICE@mailhub.test>") + said(b"+", "bob@mailhub.test"), "x@far.example", ["bob@mailhub.test"]),
    (said(b"+", "bob@mailhub.test") + said(b"-", "bob@mailhub.test"), "x@far.example", ["alice@mailhub.test"]),
    (said(b"e", "<other@far.example>"), "other@far.example", ["alice@mailhub.test"]),
    (said(b"e", "<>", "SIZE=1"), "", ["alice@mailhub.test"]),
    (
        said(b"e", "no address") + said(b"+", "a\r\nb@c.test") + said(b"+", "none"),
        "x@far.example",
        ["alice@mailhub.test"],
    ),
]


@pytest.mark.parametrize(("change", "sender", "recipients"), ENVELOPES)
async def test_each_change_of_the_envelope(change: bytes, sender: str, recipients: list[str]) -> None:
    async with talking(Scripted({"end_of_data": change + GO_ON})) as (server, talk):
        assert (await letter(talk)).startswith("250")
        (put,) = server.spool.messages
        assert (put.envelope.sender, [one.address for one in put.envelope.recipients]) == (sender, recipients)


async def test_no_recipient_is_left() -> None:
    async with talking(Scripted({"end_of_data": said(b"-", "alice@mailhub.test") + GO_ON})) as (server, talk):
        assert (await letter(talk)).startswith("250")
        assert server.spool.messages == []


async def test_quarantine() -> None:
    async with talking(Scripted({"end_of_data": said(b"q", "looks odd") + GO_ON})) as (server, talk):
        assert (await letter(talk)).startswith("250")
        (put,) = server.spool.messages
        assert put.held
        assert "milter=quarantine (looks odd)" in str(put.verdict)


WORDS = {
    "reject": (said(b"r"), "550 5.7.1 Command rejected"),
    "tempfail": (said(b"t"), "451 4.7.1 Service unavailable - try again later"),
    "reply": (said(b"y", "554 5.7.9 not you"), "554 5.7.9 not you"),
    "lines": (said(b"y", "554-5.7.9 not\r\n554 5.7.9 you 5%%"), "554-5.7.9 not\n554 5.7.9 you 5%"),
    "bare": (said(b"y", "452 later"), "452 4.7.1 later"),
    "closing": (said(b"y", "421 4.7.0 away"), "421 4.7.0 away"),
    "shutdown": (said(b"4"), "421 4.7.0 Server closing connection"),
    "fail": (said(b"f"), "421 4.7.0 Server closing connection"),
}
STAGES = ("connect", "helo", "mail", "rcpt", "data", "header", "end_of_header", "body", "end_of_data")


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("word", WORDS)
async def test_each_refusal_at_each_stage(stage: str, word: str) -> None:
    packet, reply = WORDS[word]
    async with talking(Scripted({stage: packet})) as (server, talk):
        answers = await talk.asks(FROM, TO)
        early = stage in ("connect", "helo", "mail", "rcpt")
        if early:
            assert answers[1] == reply
        elif stage == "data":
            assert await talk.ask("DATA") == reply
        else:
            assert (await talk.asks("DATA", LETTER))[1] == reply
        if reply.startswith("421"):
            assert await talk.end() == b""
            return
        if early:
            assert await talk.ask("RCPT TO:<bob@mailhub.test>") == reply
        assert server.spool.messages == []


async def test_a_refusal_of_a_recipient_or_a_message_is_none_of_the_next() -> None:
    one = Scripted({"rcpt <bob@mailhub.test>": said(b"r"), "mail <bad@far.example>": said(b"t")})
    async with talking(one) as (server, talk):
        assert (await talk.asks(FROM, "RCPT TO:<bob@mailhub.test>", TO))[1:] == [
            "550 5.7.1 Command rejected",
            "250 2.1.5 Ok",
        ]
        assert (await talk.asks("DATA", LETTER))[1].startswith("250")
        answers = await talk.asks("MAIL FROM:<bad@far.example>", TO, "RCPT TO:<bob@mailhub.test>", "RSET")
        assert [answer[:3] for answer in answers] == ["250", "451", "451", "250"]
        assert (await letter(talk)).startswith("250")
        assert [len(put.envelope.recipients) for put in server.spool.messages] == [1, 1]


async def test_accept_ends_the_questions() -> None:
    for stage, left in (
        ("connect", []),
        ("mail", ["connect", "helo"]),
        ("header", ["connect", "helo", "mail", "rcpt", "data"]),
    ):
        one, two = Scripted({stage: said(b"a")}), Scripted()
        async with talking(one, two) as (server, talk):
            assert (await letter(talk)).startswith("250")
            assert (await letter(talk)).startswith("250")
            first = one.events("abort")[: len(left) + 1]
            assert first == [*left, stage]
            again = one.events("abort")[len(left) + 1 :]
            assert again == (
                [] if stage == "connect" else ["mail"] if stage == "mail" else ["mail", "rcpt", "data", "header"]
            )
            assert two.events().count("end_of_data") == len(server.spool.messages) == 2


async def test_discard_says_yes_and_keeps_nothing() -> None:
    for stage in STAGES[2:]:
        async with talking(Scripted({stage: said(b"d")})) as (server, talk):
            assert (await letter(talk)).startswith("250 2.0.0 Ok: queued as ")
            assert server.spool.messages == []


async def test_skip_spares_the_rest_of_the_body() -> None:
    one = Scripted({"body": said(b"s")})
    async with talking(one) as (server, talk):
        assert (await letter(talk, "Subject: x\r\n\r\n" + "0123456789012\r\n" * 10_000 + ".")).startswith("250")
        assert one.events("header")[-2:] == ["body", "end_of_data"]
        assert len(server.spool.messages[0].data) == 150_014
    two = Scripted()
    async with talking(two) as (_, talk):
        assert (await letter(talk, "Subject: x\r\n\r\n" + "0123456789012\r\n" * 10_000 + ".")).startswith("250")
        pieces = [text[0] for event, *text in two.told if event == "body"]
        assert [len(piece) for piece in pieces] == [65_535, 65_535, 18_930]


DEFAULTS = {
    "tempfail": "451 4.7.1 Service unavailable - try again later",
    "reject": "550 5.5.0 Service unavailable",
    "shutdown": "421 4.7.0 Server closing connection",
    "accept": "250",
    "quarantine": "250",
}


@pytest.mark.parametrize("default", DEFAULTS)
@pytest.mark.parametrize("stage", ["offer", "connect", "rcpt", "body", "end_of_data"])
async def test_one_that_fails_leads_to_what_the_operator_chose(default: Any, stage: str) -> None:
    """It hangs up, talks nonsense, or says what was not agreed on."""
    for nonsense in (
        b"hang up",
        said(b"z"),
        said(b"h", "X-A", "b") if stage != "end_of_data" else said(b"b", raw=b"x"),
    ):
        one = Scripted({stage: nonsense}, actions=0x1FF & ~2)
        async with talking(one, milter_default_action=default) as (server, talk):
            assert (await letter(talk)).startswith(DEFAULTS[default])
            put = server.spool.messages[0] if server.spool.messages else None
            assert (put is not None) == (default in ("accept", "quarantine"))
            if put is not None:
                assert put.held == (default == "quarantine")
                assert "milter=error (inet:127.0.0.1:" in str(put.verdict)
                assert put.data == LETTER[:-1].encode()


async def test_one_of_several_has_settings_of_its_own() -> None:
    one, two = Scripted({"mail": b"hang up"}), Scripted({"end_of_data": said(b"h", "X-New", "a") + GO_ON})
    async with milter(one), milter(two):
        listed = (f"{{ {one.address}, default_action=accept, command_timeout=5s }}", two.address)
        async with talking(milters=listed) as (server, talk):
            assert (await letter(talk)).startswith("250")
            assert b"X-New: a" in server.spool.messages[0].data


async def test_by_table_for_a_client() -> None:
    one = Scripted({"connect": said(b"r")})
    for value, code in (("DISABLE", "250"), ("{ADDRESS}", "550")):
        async with milter(one):
            maps = lookup.read({"127.0.0.1": value.replace("{ADDRESS}", one.address)})
            async with talking(milters=("inet:127.0.0.1:9",) if value == "DISABLE" else (), milter_maps=maps) as (
                _,
                talk,
            ):
                assert (await letter(talk)).startswith(code)
