"""When lists answer: at RCPT, or at the connection, HELO and MAIL; what they leave open; and how often DNS is asked who is there."""

from typing import Any

import pytest
from support.smtp_peer import Server, Talk

from mailhub.net.resolver import DnsTemporary, NoSuchName

GONE = "check_sender_access inline:{{far.example=DEFER_IF_PERMIT 4.3.9 perhaps}}"
FROM, TO = "MAIL FROM:<x@far.example>", "RCPT TO:<alice@mailhub.test>"


class Names:
    """A resolver that counts."""

    def __init__(self, names: dict[str, list[str]]) -> None:
        self.names = names
        self.asked: list[str] = []

    async def ptr(self, address: str) -> list[str]:
        self.asked.append(address)
        if address not in self.names:
            raise NoSuchName(address)
        return self.names[address]

    async def addresses(self, host: str, *, ipv6: bool = True) -> list[str]:
        if host.startswith("slow"):
            raise DnsTemporary(host)
        return ["127.0.0.1", "::ffff:192.0.2.7"]

    async def mx(self, domain: str) -> list[tuple[int, str]]:
        raise NoSuchName(domain)


async def said(server: Server, *lines: str) -> list[str]:
    """The greeting, and the answers."""
    talk = await server.connect(greeted=False)
    try:
        return [(await talk.reply())[0], *[answer.splitlines()[-1] for answer in await talk.asks(*lines)]]
    finally:
        talk.close()


async def test_a_client_that_is_refused_at_the_connection_can_only_leave() -> None:
    refused = {"client_restrictions": ("check_client_access inline:{127.0.0.1=REJECT}",), "delay_reject": False}
    async with Server(**refused) as server:
        answers = await said(server, "EHLO x.example", "MAIL FROM:<>", "STARTTLS", "XCLIENT NAME=x", "QUIT")
        assert [answer[:9] for answer in answers] == ["554 5.7.1", *["503 5.7.0"] * 4, "221 2.0.0"]


@pytest.mark.parametrize(
    ("stage", "codes"),
    [("client", "554 503 503 503"), ("helo", "220 554 503 503"), ("sender", "220 250 554 503"), ("recipient", "220 250 250 554")],
)  # fmt: skip
async def test_each_list_answers_at_its_own_stage(stage: str, codes: str) -> None:
    for delayed in (False, True):
        async with Server(**{f"{stage}_restrictions": ("reject",)}, delay_reject=delayed) as server:
            answers = await said(server, "EHLO x.example", FROM, TO)
            assert " ".join(answer[:3] for answer in answers) == ("220 250 250 554" if delayed else codes)


async def test_what_is_left_open_at_the_connection_is_answered_at_rcpt() -> None:
    doubtful = {"client_restrictions": ("defer_if_permit",), "delay_reject": False}
    async with Server(**doubtful) as server:
        answers = await said(
            server, "EHLO a.example", "EHLO b.example", FROM, TO, "RCPT TO:<nobody@far.example>", "RSET", FROM, TO
        )
        assert [answer[:9] for answer in answers[4:]] == [
            "450 4.7.0",
            "554 5.7.1",
            "250 2.0.0",
            "250 2.1.0",
            "450 4.7.0",
        ]


async def test_orders_given_before_mail_count_for_each_message() -> None:
    held = {"helo_restrictions": ("check_helo_access static:HOLD",), "delay_reject": False}
    async with Server(**held) as server:
        message = [FROM, TO, "DATA", "x: y\r\n\r\nz\r\n."]
        await said(server, "EHLO a.example", *message, *message)
        assert [put.held for put in server.spool.messages] == [True, True]


async def test_a_deferral_of_one_recipient_is_none_of_the_next() -> None:
    lists = {
        "recipient_restrictions": ("check_recipient_access inline:{{bob@mailhub.test=DEFER_IF_PERMIT 4.2.1 later}}",)
    }
    async with Server(**lists) as server:
        answers = await said(server, "EHLO a.example", FROM, "RCPT TO:<bob@mailhub.test>", TO)
        assert answers[-2:] == ["450 4.2.1 later", "250 2.1.5 Ok"]


async def test_a_table_may_end_the_session() -> None:
    async with Server(sender_restrictions=("check_sender_access inline:{{far.example=421 4.7.0 enough}}",)) as server:
        talk = await server.hello()
        assert await talk.asks(FROM, TO) == ["250 2.1.0 Ok", "421 4.7.0 enough"]
        assert await talk.end() == b""
        talk.close()


async def messages(server: Server, talk: Talk, count: int) -> None:
    for _ in range(count):
        assert [line[:3] for line in await talk.asks(FROM, TO, "DATA", "x: y\r\n\r\nz\r\n.")] == [
            "250",
            "250",
            "354",
            "250",
        ]


async def test_a_client_is_looked_up_once_a_session_and_only_where_somebody_asks() -> None:
    names: Any = Names({"127.0.0.1": ["mx.far.example"]})
    async with Server(client_restrictions=("reject_unknown_client_hostname",), resolver=names) as server:
        talk = await server.hello()
        await messages(server, talk, 3)
        talk.close()
        assert names.asked == ["127.0.0.1"]
        assert all(b"(mx.far.example [127.0.0.1])" in put.prefix for put in server.spool.messages)
    async with Server(resolver=names) as server:
        talk = await server.hello()
        await messages(server, talk, 1)
        talk.close()
        assert names.asked == ["127.0.0.1"]


@pytest.mark.parametrize(
    ("told", "answer", "asked"),
    [
        ("NAME=mx.other.example", "250 2.1.5", []), ("NAME=[UNAVAILABLE]", "550 5.7.25", []), ("NAME=[TEMPUNAVAIL]", "450 4.7.25", []),
        ("ADDR=192.0.2.7", "250 2.1.5", ["192.0.2.7"]), ("ADDR=IPV6:::ffff:192.0.2.7", "250 2.1.5", ["192.0.2.7"]),
        ("ADDR=192.0.2.8", "550 5.7.25", ["192.0.2.8"]), ("ADDR=192.0.2.9", "450 4.7.25", ["192.0.2.9"]),
    ],
)  # fmt: skip
async def test_xclient_says_who_is_there(told: str, answer: str, asked: list[str]) -> None:
    names: Any = Names({"192.0.2.7": ["mx.far.example"], "192.0.2.9": ["slow.far.example"], "127.0.0.1": ["proxy"]})
    lists = {"client_restrictions": ("reject_unknown_client_hostname",), "unknown_client_reject_code": 550}
    async with Server(resolver=names, xclient_hosts=("127.0.0.1",), **lists) as server:
        answers = await said(server, "EHLO proxy", f"XCLIENT {told}", "EHLO a.example", FROM, TO)
        assert answers[-1].startswith(answer)
        assert names.asked == asked


@pytest.mark.parametrize("client", ["192.0.2.7", "IPV6:::ffff:192.0.2.7", "IPV6:::FFFF:c000:207"])
async def test_an_ipv4_address_is_one_however_it_is_written(client: str, caplog: pytest.LogCaptureFixture) -> None:
    lists = {
        "client_restrictions": ("check_client_access inline:{192.0.2.7=HOLD}",),
        "mynetworks": ("::ffff:192.0.2.0/120",),
    }
    async with Server(xclient_hosts=("127.0.0.1",), **lists) as server:
        answers = await said(
            server, "EHLO proxy", f"XCLIENT NAME=[UNAVAILABLE] ADDR={client}", "EHLO a.example", FROM, "RCPT TO:<x@far.example>",
            "DATA", "x: y\r\n\r\nz\r\n.",
        )  # fmt: skip
        assert answers[-1].startswith("250 "), answers
        (put,) = server.spool.messages
        assert (put.origin.client, put.held) == ("192.0.2.7", True)
        assert b"([192.0.2.7])" in put.prefix
        assert "ffff" not in caplog.text.lower()
