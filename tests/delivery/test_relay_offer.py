"""What a message is offered with: parameters of MAIL and RCPT, its form, the peer's limits; and what happens without them."""

import email

import pytest
from support.far_hosts import TEXT, Text, until, world

from mailhub.delivery.transport import JobRecipient
from mailhub.model.envelope import DeliverBy, MailParameters, Notify
from mailhub.store.api import Fate

TO = "RCPT TO:<b@far.test>"
UMLAUT = b"Subject: x\r\nContent-Type: text/plain; charset=utf-8\r\n\r\ngr\xc3\xbcn\r\n"
SIGNED = (
    b"Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n\r\ngr\xc3\xbcn\r\n--b\r\n"
    b"Content-Type: application/pgp-signature\r\n\r\nx\r\n--b--\r\n"
)
BINARY = b"Subject: x\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: binary\r\n\r\n\0\r\n\n"


# --- reports ---------------------------------------------------------------------------------------------------------


async def test_a_peer_that_reports_is_told_what_about_and_relieves_us_of_it() -> None:
    async with world() as far:
        far.hosts[0].extensions.append("DSN")
        first = JobRecipient(0, "b@far.test", int(Notify.SUCCESS | Notify.DELAY), "rfc822;b+c=d@far.test")
        second = JobRecipient(1, "c@far.test", int(Notify.NEVER), "utf-8;grün@far.test")
        asked = MailParameters(ret="HDRS", envid="a b+c")
        results = await far.deliver(first, second, "d@far.test", parameters=asked)
        assert [result.fate for result in results] == [Fate.DELIVERED] * 3
        assert far.hosts[0].commands("MAIL", "RCPT") == [
            "MAIL FROM:<a@here.test> RET=HDRS ENVID=a+20b+2Bc",
            TO + " NOTIFY=SUCCESS,DELAY ORCPT=rfc822;b+2Bc+3Dd@far.test",
            "RCPT TO:<c@far.test> NOTIFY=NEVER ORCPT=utf-8;gr\\x{FC}n@far.test",
            "RCPT TO:<d@far.test>",
        ]


async def test_for_a_peer_that_does_not_report_we_do() -> None:
    async with world() as far:
        recipient = JobRecipient(0, "b@far.test", int(Notify.SUCCESS), "rfc822;x@far.test")
        (result,) = await far.deliver(recipient, parameters=MailParameters(ret="FULL", envid="x"))
        assert result.fate == Fate.RELAYED
        assert far.hosts[0].commands("MAIL", "RCPT") == ["MAIL FROM:<a@here.test>", TO]


# --- time and priority -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "trace", "left", "word"),
    [("R", False, 90.5, "90;R"), ("N", True, -30.0, "-30;NT"), ("N", False, 0.0, "0;N")],
)
async def test_the_time_that_is_left_goes_on(mode: str, trace: bool, left: float, word: str) -> None:
    async with world() as far:
        far.hosts[0].extensions += ["DELIVERBY", "DSN"]
        by = DeliverBy(far.clock.now() + left, mode, trace)  # type: ignore[arg-type]
        (result,) = await far.deliver("b@far.test", parameters=MailParameters(deliver_by=by))
        assert far.hosts[0].commands("MAIL") == [f"MAIL FROM:<a@here.test> BY={word}"]
        assert result.fate == (Fate.RELAYED if trace else Fate.DELIVERED), "a trace is told of by each relay"


async def test_where_the_time_is_lost_the_sender_is_told() -> None:
    """RFC 2852 section 4.1.4.2: the peer reports itself, but knows of no time."""
    async with world() as far:
        far.hosts[0].extensions += ["DSN"]
        by = DeliverBy(far.clock.now() + 50, "N")
        (result,) = await far.deliver("b@far.test", parameters=MailParameters(deliver_by=by))
        assert result.fate == Fate.RELAYED


@pytest.mark.parametrize(
    ("offered", "mode", "fate"),
    [([], "R", Fate.FAILED), ([], "N", Fate.RELAYED), (["DELIVERBY 60"], "R", Fate.FAILED), (["DELIVERBY 40"], "R", Fate.RELAYED)],
)  # fmt: skip
async def test_who_promises_no_time_gets_no_message_that_is_to_be_returned(
    offered: list[str], mode: str, fate: Fate
) -> None:
    async with world() as far:
        far.hosts[0].extensions += offered
        by = DeliverBy(far.clock.now() + 50, mode)  # type: ignore[arg-type]
        (result,) = await far.deliver("b@far.test", parameters=MailParameters(deliver_by=by))
        assert result.fate == fate
        if fate == Fate.FAILED:
            assert (result.reply.enhanced, far.hosts[0].commands("MAIL")) == ("5.4.7", [])


async def test_the_priority_goes_on() -> None:
    async with world() as far:
        await far.deliver("b@far.test", parameters=MailParameters(priority=-4))
        far.hosts[0].extensions.append("MT-PRIORITY MIXER")
        await far.relay.close()
        await far.deliver("b@far.test", parameters=MailParameters(priority=-4))
        assert far.hosts[0].commands("MAIL") == ["MAIL FROM:<a@here.test>", "MAIL FROM:<a@here.test> MT-PRIORITY=-4"]


# --- limits ----------------------------------------------------------------------------------------------------------


async def test_what_is_too_large_for_the_peer_is_not_sent() -> None:
    async with world() as far:
        far.hosts[0].extensions.append("SIZE 10")
        (result,) = await far.deliver("b@far.test")
        assert (result.fate, result.reply.code, result.reply.enhanced) == (Fate.FAILED, 552, "5.3.4")
        assert f"{len(TEXT)} octets, and mx1.far.test[127.0.0.21] takes 10" in result.reply.text
        assert far.hosts[0].commands("MAIL") == []


@pytest.mark.parametrize("limit", ["SIZE", "SIZE 0", "SIZE x", f"SIZE {len(TEXT)}"])
async def test_a_size_that_says_nothing_is_no_limit(limit: str) -> None:
    async with world() as far:
        far.hosts[0].extensions.append(limit)
        await far.deliver("b@far.test")
        assert far.hosts[0].commands("MAIL") == [f"MAIL FROM:<a@here.test> SIZE={len(TEXT)}"]


@pytest.mark.parametrize(("told", "ours"), [("LIMITS RCPTMAX=2", 1_000), ("LIMITS RCPTMAX=9", 2), ("HELP", 2)])
async def test_recipients_beyond_a_limit_go_in_another_transaction(told: str, ours: int) -> None:
    async with world(recipient_limit=ours) as far:
        far.hosts[0].extensions.append(told)
        results = await far.deliver(*(f"u{n}@far.test" for n in range(5)))
        assert {result.fate for result in results} == {Fate.RELAYED}
        verbs = [line[:4] for line in far.hosts[0].commands("MAIL", "RCPT")]
        assert verbs == ["MAIL", "RCPT", "RCPT", "MAIL", "RCPT", "RCPT", "MAIL", "RCPT"]
        assert far.hosts[0].connections == 1


async def test_a_peer_that_takes_many_gets_them_at_once() -> None:
    async with world() as far:
        far.hosts[0].extensions.append("LIMITS RCPTMAX=1000 MAILMAX=10")
        await far.deliver(*(f"u{n}@far.test" for n in range(250)))
        assert len(far.hosts[0].bodies) == 1


async def test_domains_of_one_transaction() -> None:
    async with world() as far:
        far.hosts[0].extensions.append("LIMITS RCPTDOMAINMAX=1")
        await far.deliver("a@one.test", "b@two.test", "c@one.test")
        assert [line[9:-1] for line in far.hosts[0].commands("RCPT")] == ["a@one.test", "c@one.test", "b@two.test"]
        assert len(far.hosts[0].bodies) == 2


async def test_transactions_of_one_session() -> None:
    async with world() as far:
        far.hosts[0].extensions.append("LIMITS MAILMAX=2 RCPTMAX=1")
        results = await far.deliver(*(f"u{n}@far.test" for n in range(5)))
        assert {result.fate for result in results} == {Fate.RELAYED}
        assert (far.hosts[0].connections, len(far.hosts[0].bodies)) == (3, 5)


async def test_nonsense_is_no_limit() -> None:
    async with world() as far:
        far.hosts[0].extensions.append("LIMITS RCPTMAX=x MAILMAX RCPTDOMAINMAX=0 OTHER=1 =")
        results = await far.deliver("b@far.test", "c@far.test")
        assert ({result.fate for result in results}, len(far.hosts[0].bodies)) == ({Fate.RELAYED}, 1)


# --- form ------------------------------------------------------------------------------------------------------------


async def test_a_peer_without_8bitmime_gets_it_encoded() -> None:
    async with world() as far:
        far.hosts[0].extensions.remove("8BITMIME")
        (result,) = await far.deliver("b@far.test", text=Text(UMLAUT), parameters=MailParameters(body="8BITMIME"))
        assert result.fate == Fate.RELAYED
        (body,) = far.hosts[0].bodies
        assert body.isascii()
        assert email.message_from_bytes(body).get_payload(decode=True) == "grün\r\n.\r\n".encode()
        assert far.hosts[0].commands("MAIL") == ["MAIL FROM:<a@here.test>"]


async def test_large_content_is_encoded_block_by_block() -> None:
    text = UMLAUT + "größer\r\n".encode() * 100_000
    async with world() as far:
        far.hosts[0].extensions.remove("8BITMIME")
        await far.deliver("b@far.test", text=Text(text))
        (body,) = far.hosts[0].bodies
        assert body.isascii()
        decoded = email.message_from_bytes(body.removesuffix(b".\r\n")).get_payload(decode=True)
        assert decoded == text.partition(b"\r\n\r\n")[2]


@pytest.mark.parametrize("size", [100, 100_000])
async def test_content_that_can_not_be_read_whole_is_never_cut_short(size: int) -> None:
    text = Text(UMLAUT + b"x" * size)
    text.size += 10
    async with world() as far:
        far.hosts[0].extensions = ["CHUNKING"]
        (result,) = await far.deliver("b@far.test", text=text)
        await until(lambda: not far.hosts[0].open)
        assert (result.fate, result.reply.enhanced, far.hosts[0].bodies) == (Fate.DEFERRED, "4.3.0", [])


async def test_many_small_parts_are_few_chunks() -> None:
    text = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\ngr\xc3\xbcn\r\n" * 3_000 + b"--b--\r\n"
    async with world() as far:
        far.hosts[0].extensions = ["CHUNKING"]
        (result,) = await far.deliver("b@far.test", text=Text(text))
        assert (result.fate, far.hosts[0].bodies[0].count(b"gr=C3=BCn")) == (Fate.RELAYED, 3_000)
        assert len(far.hosts[0].commands("BDAT")) < 20


async def test_a_peer_with_8bitmime_is_told_what_was_declared() -> None:
    async with world() as far:
        await far.deliver("b@far.test", text=Text(UMLAUT), parameters=MailParameters(body="8BITMIME"))
        assert far.hosts[0].commands("MAIL") == ["MAIL FROM:<a@here.test> BODY=8BITMIME"]
        assert far.hosts[0].bodies == [UMLAUT + b".\r\n"]


@pytest.mark.parametrize(
    ("text", "body", "offered", "code"),
    [
        (SIGNED, "8BITMIME", [], "5.6.3"),
        (SIGNED.replace(b"gr", b"\0"), "BINARYMIME", ["8BITMIME"], "5.6.1"),
        (SIGNED.replace(b"gr", b"\0"), "BINARYMIME", ["8BITMIME", "BINARYMIME"], "5.6.1"),
    ],
)
async def test_what_no_form_can_save_goes_back(text: bytes, body: str, offered: list[str], code: str) -> None:
    async with world() as far:
        far.hosts[0].extensions = offered
        (result,) = await far.deliver("b@far.test", text=Text(text), parameters=MailParameters(body=body))  # type: ignore[arg-type]
        assert (result.fate, result.reply.enhanced, far.hosts[0].commands("MAIL")) == (Fate.FAILED, code, [])
        assert "signed" in result.reply.text


async def test_binary_content_goes_as_it_is_by_chunks() -> None:
    async with world() as far:
        far.hosts[0].extensions += ["CHUNKING", "BINARYMIME"]
        await far.deliver("b@far.test", text=Text(BINARY), parameters=MailParameters(body="BINARYMIME"))
        assert far.hosts[0].commands("MAIL") == ["MAIL FROM:<a@here.test> BODY=BINARYMIME"]
        assert far.hosts[0].bodies == [BINARY]


@pytest.mark.parametrize("offered", [["8BITMIME"], ["8BITMIME", "BINARYMIME"], [], ["CHUNKING"]])
async def test_binary_content_is_encoded_where_it_can_not_go_as_it_is(offered: list[str]) -> None:
    async with world() as far:
        far.hosts[0].extensions = offered
        (result,) = await far.deliver("b@far.test", text=Text(BINARY), parameters=MailParameters(body="BINARYMIME"))
        assert result.fate == Fate.RELAYED
        (body,) = far.hosts[0].bodies
        assert body.isascii()
        assert email.message_from_bytes(body).get_payload(decode=True) == b"\0\r\n\n"


# --- other scripts ---------------------------------------------------------------------------------------------------


async def test_nothing_is_said_of_other_scripts_where_nothing_needs_it() -> None:
    async with world() as far:
        far.hosts[0].extensions.append("SMTPUTF8")
        await far.deliver("b@far.test", parameters=MailParameters(smtputf8=True))
        assert far.hosts[0].commands("MAIL") == ["MAIL FROM:<a@here.test>"]


@pytest.mark.parametrize(
    ("sender", "recipient", "text"),
    [
        ("ä@here.test", "b@far.test", TEXT),
        ("a@here.test", "ä@far.test", TEXT),
        ("a@here.test", "b@far.test", b"Subject: gr\xc3\xbcn\r\n\r\n"),
    ],
)
async def test_what_needs_it_goes_back_where_it_is_not_offered(sender: str, recipient: str, text: bytes) -> None:
    async with world() as far:
        asked = MailParameters(smtputf8=True)
        (result,) = await far.deliver(recipient, sender=sender, text=Text(text), parameters=asked)
        assert (result.fate, result.reply.enhanced, far.hosts[0].bodies) == (Fate.FAILED, "5.6.7", [])
        far.hosts[0].extensions.append("SMTPUTF8")
        await far.relay.close()
        (result,) = await far.deliver(recipient, sender=sender, text=Text(text), parameters=asked)
        assert result.fate == Fate.RELAYED
        assert far.hosts[0].commands("MAIL")[-1].endswith(" SMTPUTF8")


# --- what is kept ----------------------------------------------------------------------------------------------------


async def test_a_result_says_who_said_what_and_when() -> None:
    async with world() as far:
        far.hosts[0].script["RCPT"] = "450-4.2.1 busy\r\n450 4.2.1 come again"
        await far.clock.advance(100)
        (result,) = await far.deliver("b@far.test")
        assert (result.remote, result.tls, result.when) == ("mx1.far.test[127.0.0.21]", "", far.clock.now())
        assert (result.reply.code, result.reply.enhanced, result.reply.text) == (450, "4.2.1", "busy\ncome again")
