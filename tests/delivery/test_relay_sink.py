"""The relay against Postfix's smtp-sink: each fault that it can be told to make, at each command."""

import email

import pytest
from support.far_hosts import Text
from support.smtp_sink import deliver, sending, sink

from mailhub.model.envelope import MailParameters
from mailhub.store.api import Fate

LARGE = b"Subject: large\r\n\r\n" + b"".join(b".%d\r\n" % number for number in range(500_000))
PIPELINING = pytest.mark.parametrize("more", [(), ("-p",)], ids=["pipelined", "one by one"])


@PIPELINING
@pytest.mark.parametrize("command", ["CONNECT", "EHLO", "MAIL", "RCPT", "DATA", "."])
async def test_it_disconnects_without_a_word(command: str, more: tuple[str, ...]) -> None:
    with sink("-q", command, *more) as there:
        async with sending() as relay:
            (result,) = await deliver(relay, there)
            assert (result.fate, result.reply.code, result.reply.enhanced) == (Fate.DEFERRED, 451, "4.4.2")


@PIPELINING
@pytest.mark.parametrize("command", ["CONNECT", "EHLO", "MAIL", "RCPT", "DATA", "."])
async def test_it_says_421_and_disconnects(command: str, more: tuple[str, ...]) -> None:
    with sink("-Q", command, *more) as there:
        async with sending() as relay:
            (result,) = await deliver(relay, there)
            assert (result.fate, result.reply.code) == (Fate.DEFERRED, 421)
            assert result.remote == "127.0.0.1[127.0.0.1]"


@pytest.mark.parametrize("command", ["CONNECT", "EHLO", "MAIL", "RCPT", "DATA", "."])
async def test_it_says_no_for_now(command: str) -> None:
    with sink("-r", command, "-b", "451 4.3.2 later") as there:
        async with sending() as relay:
            (result,) = await deliver(relay, there)
            assert (result.fate, str(result.reply)) == (Fate.DEFERRED, "451 4.3.2 later")


@pytest.mark.parametrize(
    ("commands", "fate", "said"),
    [
        ("CONNECT", Fate.DEFERRED, "454 4.7.1 no"),
        ("EHLO", Fate.RELAYED, "250 2.0.0 Ok"),  # an old one: HELO
        ("EHLO,HELO", Fate.DEFERRED, "454 4.7.1 no"),
        ("MAIL", Fate.FAILED, "554 5.7.1 no"),
        ("RCPT", Fate.FAILED, "554 5.7.1 no"),
        ("DATA", Fate.FAILED, "554 5.7.1 no"),
        (".", Fate.FAILED, "554 5.7.1 no"),
        ("RSET,QUIT,NOOP,VRFY", Fate.DELIVERED, "250 2.0.0 Ok"),
    ],
)
async def test_it_says_no_for_good(commands: str, fate: Fate, said: str) -> None:
    with sink("-f", commands, "-B", "554 5.7.1 no") as there:
        async with sending() as relay:
            (result,) = await deliver(relay, there)
            assert (result.fate, str(result.reply)) == (fate, said)


async def test_a_session_goes_on_after_refusals() -> None:
    with sink("-f", ".") as there:
        async with sending() as relay:
            for _ in range(3):
                (result,) = await deliver(relay, there)
                assert result.fate == Fate.FAILED


async def test_it_ends_the_message_before_its_end() -> None:
    with sink("-A", "0") as there:
        async with sending() as relay:
            (result,) = await deliver(relay, there, text=Text(LARGE))
            assert result.fate in (Fate.FAILED, Fate.DEFERRED), "its 550 may be lost in the reset that follows"


@pytest.mark.parametrize("options", [("-T", "1024"), ("-p",), ("-8",), ("-e",), ("-P",)])
async def test_a_large_message_arrives_whole(options: tuple[str, ...]) -> None:
    with sink(*options) as there:
        async with sending() as relay:
            (result,) = await deliver(relay, there, text=Text(LARGE))
            assert result.reply.code == 250
        assert there.taken().endswith(LARGE.replace(b"\r\n", b"\n") + b"\n")


async def test_it_reports_itself_or_leaves_it_to_us() -> None:
    for options, fate in ((), Fate.DELIVERED), (("-N",), Fate.RELAYED):
        with sink(*options) as there:
            async with sending() as relay:
                (result,) = await deliver(relay, there)
                assert result.fate == fate


async def test_8_bit_text_arrives_by_seven() -> None:
    text = "Subject: x\r\nContent-Type: text/plain; charset=utf-8\r\n\r\ngrün\r\n".encode()
    with sink("-8") as there:
        async with sending() as relay:
            await deliver(relay, there, text=Text(text), parameters=MailParameters(body="8BITMIME"))
        taken = there.taken()
    assert taken.isascii()
    assert email.message_from_bytes(taken).get_payload(decode=True).rstrip() == "grün".encode()  # type: ignore[union-attr]


async def test_many_recipients_and_a_connection_that_is_kept() -> None:
    with sink("-n", "2") as there:  # it ends after two sessions, the first of which asked whether it is there
        async with sending() as relay:
            for _ in range(5):
                results = await deliver(relay, there, *(f"u{n}@far.test" for n in range(250)))
                assert {result.fate for result in results} == {Fate.DELIVERED}
