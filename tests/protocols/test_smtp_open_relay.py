"""The classic forms of address by which mail servers were made to relay, against an MX that trusts nobody.

Every domain of ours has a catch-all here, so that no trick is refused only because its local part is unknown.
"""

import pytest
from support.relay_forms import FORMS, SENDERS, UTF8_FORMS
from support.smtp_peer import Server, talking

from mailhub.config import schema


@pytest.mark.parametrize("sender", SENDERS)
async def test_nothing_is_relayed_for_strangers(sender: str) -> None:
    async with talking(error_limit=1_000) as (server, talk):
        server.router.catch_all = True
        for form in FORMS:
            assert (await talk.ask(f"MAIL FROM:{sender}")).startswith("250 ")
            answer = await talk.ask(f"RCPT TO:{form}")
            assert answer.startswith("5"), (form, answer)
            assert (await talk.ask("DATA")).startswith("554 5.5.1 "), form
            await talk.ask("RSET")
        for form in UTF8_FORMS:
            assert (await talk.ask(f"MAIL FROM:{sender} SMTPUTF8")).startswith("250 ")
            answer = await talk.ask(f"RCPT TO:{form}")
            assert answer.startswith("5"), (form, answer)
            await talk.ask("RSET")
        assert server.spool.messages == []


@pytest.mark.parametrize("service", ["lmtp", "submission"])
async def test_other_doors_relay_for_nobody(service: str) -> None:
    """LMTP relays for no network of ours either, and submission takes nothing from who did not sign in."""
    async with Server(service=service, mynetworks=("127.0.0.0/8",), error_limit=10_000) as server:
        server.router.catch_all = True
        talk = await server.connect()
        await talk.ask("LHLO c" if service == "lmtp" else "EHLO c")
        for form in (*FORMS, *UTF8_FORMS):
            await talk.ask("MAIL FROM:<x@y.example> SMTPUTF8")
            assert (await talk.ask(f"RCPT TO:{form}")).startswith("5"), form
            assert (await talk.ask("DATA")).startswith("5"), form
            await talk.ask("RSET")
        assert server.spool.messages == []
        talk.close()


async def test_control_characters_do_not_hide_a_domain() -> None:
    async with talking(error_limit=1_000) as (server, talk):
        server.router.catch_all = True
        await talk.ask("MAIL FROM:<x@y.example>")
        for sign in (b"\0", b"\r", b"\n", b"\x7f", b"\t", b"\xc2\x85", b"\xe2\x80\xa8", b"\xff"):
            answer = await talk.ask(b"RCPT TO:<user@other.example" + sign + b"@mailhub.test>")
            assert answer.startswith("5"), sign
            if sign == b"\n":
                await talk.reply()  # that was two lines


async def test_the_networks_that_are_trusted_may_relay() -> None:
    async with talking(mynetworks=("127.0.0.0/8",)) as (server, talk):
        answers = await talk.asks(
            "MAIL FROM:<x@y.example>", "RCPT TO:<user@other.example>", "RCPT TO:<user@[192.0.2.1]>", "DATA"
        )
        assert [answer[:9] for answer in answers] == ["250 2.1.0", "250 2.1.5", "250 2.1.5", "354 End d"]
        assert (await talk.ask("x\r\n.")).startswith("250 2.0.0 ")
        assert [r.address for r in server.spool.messages[0].envelope.recipients] == [
            "user@other.example",
            "user@[192.0.2.1]",
        ]
        assert (await talk.asks("MAIL FROM:<x@y.example>", "RCPT TO:<@a.example:user@other.example>"))[1].startswith(
            "554"
        )


async def test_who_signed_in_may_relay() -> None:
    async with Server(auth=schema.Auth(allow_plaintext=True)) as server:
        talk = await server.hello()
        answers = await talk.asks(
            "AUTH PLAIN AGFsaWNlQG1haWxodWIudGVzdABzZWNyZXQ=",
            "MAIL FROM:<alice@mailhub.test>",
            "RCPT TO:<u@other.example>",
        )
        assert [answer[:3] for answer in answers] == ["235", "250", "250"]
        talk.close()


async def test_our_own_are_accepted_and_the_unknown_are_not() -> None:
    async with talking() as (_server, talk):
        await talk.ask("MAIL FROM:<x@y.example>")
        for form in (
            "<alice@mailhub.test>",
            "<Alice@MAILHUB.test>",
            "<postmaster>",
            "<Postmaster>",
            '<"alice"@mailhub.test>',
        ):
            assert (await talk.ask(f"RCPT TO:{form}")).startswith("250 2.1.5 "), form
        assert (await talk.ask("RCPT TO:<nobody@mailhub.test>")).startswith("550 5.1.1 ")
        assert (await talk.ask("RCPT TO:<down@mailhub.test>")).startswith("451 4.3.0 ")
