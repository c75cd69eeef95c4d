"""What each answer, silence and end of connection becomes, at each stage of a delivery."""

import asyncio
from collections.abc import Mapping, Sequence

import pytest
from support.far_hosts import HANG_UP, SILENCE, TEXT, Answer, Text, until, world

from mailhub.model.errors import NotFound, Temporary
from mailhub.store.api import Fate

NO_PIPELINING = pytest.mark.parametrize("pipelining", [True, False], ids=["pipelined", "one by one"])


async def test_a_message_is_taken() -> None:
    async with world() as far:
        results = await far.deliver("b@far.test", "c@far.test")
        assert [(r.n, r.fate, str(r.reply), r.remote, r.tls) for r in results] == [
            (0, Fate.RELAYED, "250 2.0.0 taken", "mx1.far.test[127.0.0.21]", ""),
            (1, Fate.RELAYED, "250 2.0.0 taken", "mx1.far.test[127.0.0.21]", ""),
        ]
        host = far.hosts[0]
        assert host.bodies == [TEXT.replace(b"\r\n.", b"\r\n..") + b".\r\n"]
        assert host.heard == [
            "EHLO mx.here.test",
            "MAIL FROM:<a@here.test>",
            "RCPT TO:<b@far.test>",
            "RCPT TO:<c@far.test>",
            "DATA",
        ]
        assert b"MAIL FROM:<a@here.test>\r\nRCPT TO:<b@far.test>\r\nRCPT TO:<c@far.test>\r\nDATA\r\n" in host.flights


async def test_without_pipelining_each_command_waits_for_its_answer() -> None:
    async with world() as far:
        far.hosts[0].extensions.remove("PIPELINING")
        (result,) = await far.deliver("b@far.test")
        assert result.fate == Fate.RELAYED
        assert all(flight.count(b"\r\n") == 1 for flight in far.hosts[0].flights[:4])


@pytest.mark.parametrize(
    "address", ["x@far.test>\r\nRCPT TO:<y@far.test", "x@far.test> NOTIFY=NEVER <", "x y@far.test", "x\0@far.test"]
)
async def test_addresses_that_could_be_commands_are_not_sent(address: str) -> None:
    async with world() as far:
        results = await far.deliver(address, "b@far.test")
        assert [(r.fate, r.reply.enhanced) for r in results] == [(Fate.FAILED, "5.1.3"), (Fate.RELAYED, "2.0.0")]
        (result,) = await far.deliver("b@far.test", sender=address)
        assert (result.fate, result.reply.enhanced) == (Fate.FAILED, "5.1.7")
        assert far.hosts[0].commands("RCPT") == ["RCPT TO:<b@far.test>"]


async def test_the_null_sender() -> None:
    async with world() as far:
        await far.deliver("b@far.test", sender="")
        assert far.hosts[0].commands("MAIL") == ["MAIL FROM:<>"]


ANSWERS: Sequence[tuple[str, Answer, Fate, str, bool]] = [
    ("greeting", "554 5.7.1 go away", Fate.RELAYED, "250 2.0.0 taken", True),
    ("greeting", "421 4.3.2 busy", Fate.RELAYED, "250 2.0.0 taken", True),
    ("greeting", "250 2.0.0 not a greeting", Fate.RELAYED, "250 2.0.0 taken", True),
    ("greeting", "nonsense", Fate.RELAYED, "250 2.0.0 taken", True),
    ("greeting", HANG_UP, Fate.RELAYED, "250 2.0.0 taken", True),
    ("EHLO", "450 4.3.2 later", Fate.RELAYED, "250 2.0.0 taken", True),
    ("EHLO", HANG_UP, Fate.RELAYED, "250 2.0.0 taken", True),
    ("MAIL", "451 4.3.0 later", Fate.RELAYED, "250 2.0.0 taken", True),
    ("MAIL", "421 4.3.2 closing", Fate.RELAYED, "250 2.0.0 taken", True),
    ("MAIL", "354 what", Fate.RELAYED, "250 2.0.0 taken", True),
    ("MAIL", HANG_UP, Fate.RELAYED, "250 2.0.0 taken", True),
    ("MAIL", "550 5.1.8 bad sender", Fate.FAILED, "550 5.1.8 bad sender", False),
    ("RCPT", "450 4.2.1 later", Fate.DEFERRED, "450 4.2.1 later", False),
    ("RCPT", "550 5.1.1 nobody", Fate.FAILED, "550 5.1.1 nobody", False),
    ("RCPT", "552 full", Fate.DEFERRED, "452 4.5.3 full", False),
    ("RCPT", "552 5.2.2 full", Fate.FAILED, "552 5.2.2 full", False),
    ("RCPT", "354 what", Fate.DEFERRED, "451 4.5.0 354 2.0.0 what", False),
    ("RCPT", "421 4.3.2 closing", Fate.RELAYED, "250 2.0.0 taken", True),
    ("RCPT", HANG_UP, Fate.RELAYED, "250 2.0.0 taken", True),
    ("DATA", "451 4.3.0 later", Fate.DEFERRED, "451 4.3.0 later", False),
    ("DATA", "554 5.6.0 no", Fate.FAILED, "554 5.6.0 no", False),
    ("DATA", "250 2.0.0 what", Fate.RELAYED, "250 2.0.0 taken", True),
    ("DATA", "421 4.3.2 closing", Fate.RELAYED, "250 2.0.0 taken", True),
    ("DATA", HANG_UP, Fate.RELAYED, "250 2.0.0 taken", True),
    (".", "451 4.3.0 later", Fate.DEFERRED, "451 4.3.0 later", False),
    (".", "421 4.3.0 closing", Fate.DEFERRED, "421 4.3.0 closing", False),
    (".", "554 5.6.0 no", Fate.FAILED, "554 5.6.0 no", False),
    (".", "354 what", Fate.DEFERRED, "451 4.5.0 mx1.far.test[127.0.0.21] answered the message, at its end", False),
    (".", HANG_UP, Fate.DEFERRED, "451 4.4.2 mx1.far.test[127.0.0.21]: the peer has closed the connection", False),
]
MODES: Mapping[str, list[str]] = {
    "pipelined": ["PIPELINING"],
    "one by one": [],
    "chunks": ["CHUNKING"],
    "in one breath": ["CHUNKING", "PIPELINING"],
}


def can_be(mode: str, stage: str, answer: Answer) -> bool:
    """There is no DATA among chunks; and who hangs up on envelope and message in one breath may have the message."""
    if "CHUNKING" in MODES[mode] and stage == "DATA":
        return False
    return not (mode == "in one breath" and answer is HANG_UP and stage in ("MAIL", "RCPT"))


@pytest.mark.parametrize(
    ("mode", "stage", "answer", "fate", "said", "asks_next"),
    [(mode, *row) for mode in MODES for row in ANSWERS if can_be(mode, row[0], row[1])],
)
async def test_each_answer_at_each_stage(
    mode: str, stage: str, answer: Answer, fate: Fate, said: str, asks_next: bool
) -> None:
    async with world(hosts=2) as far:
        for host in far.hosts:
            host.extensions = MODES[mode]
        far.hosts[0].script[stage] = answer
        (result,) = await far.deliver("b@far.test")
        assert (result.fate, bool(far.hosts[1].connections)) == (fate, asks_next)
        assert str(result.reply).startswith(said)


@pytest.mark.parametrize(
    ("stage", "answer", "said", "remote"),
    [
        ("greeting", "554 5.7.1 go away", "454 4.7.1 go away", "mx1.far.test[127.0.0.21]"),
        ("greeting", "521 no mail here", "421 4.0.0 no mail here", "mx1.far.test[127.0.0.21]"),
        ("greeting", "250 2.0.0 ok", "451 4.5.0 mx1.far.test[127.0.0.21] answered with 250 2.0.0 ok", ""),
        ("EHLO", "251 2.0.0 ok", "451 4.5.0 mx1.far.test[127.0.0.21] answered with 251 2.0.0 ok", ""),
        ("EHLO", "354 go", "451 4.5.0 mx1.far.test[127.0.0.21] answered with 354 2.0.0 go", ""),
        ("EHLO", "450 4.3.2 later", "450 4.3.2 later", "mx1.far.test[127.0.0.21]"),
        ("MAIL", "451 4.3.0 later", "451 4.3.0 later", "mx1.far.test[127.0.0.21]"),
        ("MAIL", HANG_UP, "451 4.4.2 mx1.far.test[127.0.0.21]: the peer has closed the connection", ""),
    ],
)
async def test_where_no_other_host_is_the_mail_waits(stage: str, answer: Answer, said: str, remote: str) -> None:
    async with world() as far:
        far.hosts[0].script[stage] = answer
        (result,) = await far.deliver("b@far.test")
        assert (result.fate, str(result.reply), result.remote) == (Fate.DEFERRED, said, remote)


@pytest.mark.parametrize(
    ("stage", "seconds"), [("greeting", 300), ("EHLO", 300), ("MAIL", 300), ("RCPT", 300), ("DATA", 300), (".", 600)]
)
async def test_silence_ends_when_the_clock_says_so(stage: str, seconds: float) -> None:
    async with world() as far:
        far.hosts[0].script[stage] = SILENCE
        delivery = asyncio.create_task(far.deliver("b@far.test"))
        await until(lambda: far.hosts[0].connections)
        assert await far.waited(delivery) >= seconds
        (result,) = await delivery
        assert result.fate == Fate.DEFERRED
        assert f"no answer within {seconds:.0f} seconds" in result.reply.text


async def test_a_host_that_can_not_be_reached() -> None:
    async with world(hosts=2) as far:
        await far.hosts[0].stop()
        (result,) = await far.deliver("b@far.test")
        assert (result.fate, result.remote) == (Fate.RELAYED, "mx2.far.test[127.0.0.22]")
        await far.hosts[1].stop()
        (result,) = await far.deliver("b@far.test")
        assert (result.fate, result.reply.enhanced) == (Fate.DEFERRED, "4.4.1")


async def test_an_old_host_that_knows_no_ehlo() -> None:
    async with world() as far:
        far.hosts[0].script["EHLO"] = "502 5.5.1 what"
        (result,) = await far.deliver("b@far.test")
        assert result.fate == Fate.RELAYED
        assert far.hosts[0].heard[:2] == ["EHLO mx.here.test", "HELO mx.here.test"]


# --- several recipients ----------------------------------------------------------------------------------------------


@NO_PIPELINING
async def test_each_recipient_has_its_own_answer(pipelining: bool) -> None:
    async with world() as far:
        if not pipelining:
            far.hosts[0].extensions.remove("PIPELINING")
        far.hosts[0].script |= {
            "RCPT TO:<no@far.test>": "550 5.1.1 nobody",
            "RCPT TO:<wait@far.test>": "450 4.2.1 later",
        }
        results = await far.deliver("no@far.test", "yes@far.test", "wait@far.test")
        assert [(r.n, r.fate, str(r.reply)) for r in results] == [
            (0, Fate.FAILED, "550 5.1.1 nobody"),
            (1, Fate.RELAYED, "250 2.0.0 taken"),
            (2, Fate.DEFERRED, "450 4.2.1 later"),
        ]


async def test_a_refused_message_does_not_change_what_was_said_to_a_recipient() -> None:
    async with world() as far:
        far.hosts[0].script |= {"RCPT TO:<no@far.test>": "550 5.1.1 nobody", ".": "451 4.3.0 later"}
        results = await far.deliver("no@far.test", "b@far.test")
        assert [str(r.reply) for r in results] == ["550 5.1.1 nobody", "451 4.3.0 later"]


async def test_a_loss_after_the_message_does_not_either() -> None:
    async with world() as far:
        far.hosts[0].script |= {"RCPT TO:<no@far.test>": "550 5.1.1 nobody", ".": HANG_UP}
        results = await far.deliver("no@far.test", "b@far.test")
        assert [r.fate for r in results] == [Fate.FAILED, Fate.DEFERRED]


async def test_many_recipients_go_in_several_transactions_of_one_session() -> None:
    async with world() as far:
        results = await far.deliver(*(f"u{n}@far.test" for n in range(250)))
        assert {r.fate for r in results} == {Fate.RELAYED}
        assert [r.n for r in results] == list(range(250))
        assert (far.hosts[0].connections, len(far.hosts[0].bodies)) == (1, 3)


async def test_a_host_that_takes_few_recipients_is_asked_again_for_the_others() -> None:
    async with world() as far:
        far.hosts[0].recipients = 2
        results = await far.deliver(*(f"u{n}@far.test" for n in range(5)))
        assert {r.fate for r in results} == {Fate.RELAYED}
        assert (far.hosts[0].connections, len(far.hosts[0].bodies)) == (1, 3)


async def test_a_host_that_takes_no_recipient_now_is_not_asked_again() -> None:
    async with world() as far:
        far.hosts[0].recipients = 0
        results = await far.deliver("b@far.test", "c@far.test")
        assert [str(r.reply) for r in results] == ["452 4.5.3 too many recipients"] * 2
        assert len(far.hosts[0].commands("MAIL")) == 1


async def test_what_one_transaction_did_stands_when_the_next_one_is_lost() -> None:
    async with world() as far:
        far.hosts[0].recipients = 1
        far.hosts[0].script["RCPT TO:<c@far.test>"] = "452 4.5.3 too many recipients"
        delivery = asyncio.create_task(far.deliver("b@far.test", "c@far.test"))
        await until(lambda: far.hosts[0].bodies)
        far.hosts[0].script["MAIL"] = HANG_UP
        far.hosts[0].script["greeting"] = HANG_UP
        results = await delivery
        assert [r.fate for r in results] == [Fate.RELAYED, Fate.DEFERRED]


# --- in the middle of a message --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "fate", "said"),
    [
        (b"552 5.3.4 too big\r\n", Fate.FAILED, "552 5.3.4 too big"),
        (b"451 4.3.0 full\r\n", Fate.DEFERRED, "451 4.3.0 full"),
        (b"421 4.3.2 closing\r\n", Fate.DEFERRED, "421 4.3.2 closing"),
        (
            b"250 2.0.0 taken\r\n",
            Fate.DEFERRED,
            "451 4.5.0 mx1.far.test[127.0.0.21] answered the message, before its end",
        ),
    ],
)
async def test_an_answer_in_the_middle_of_a_message_ends_it(answer: bytes, fate: Fate, said: str) -> None:
    """The host reads no further, so only its answer can end the waiting."""
    async with world(hosts=2) as far:
        host = far.hosts[0]
        host.paused = asyncio.Event()
        delivery = asyncio.create_task(far.deliver("b@far.test", text=Text(b"x" * 78 + b"\r\n" * 10_000_000)))
        await until(lambda: host.commands("DATA"))
        for _ in range(50):
            await asyncio.sleep(0)
        (writer,) = host.open
        writer.write(answer)
        (result,) = await delivery
        assert result.fate == fate
        assert str(result.reply).startswith(said)
        assert not far.hosts[1].connections


async def test_a_host_that_reads_no_further_is_left_in_time_and_no_other_is_asked() -> None:
    async with world(hosts=2) as far:
        far.hosts[0].paused = asyncio.Event()
        delivery = asyncio.create_task(far.deliver("b@far.test", text=Text(b"x" * 20_000_000)))
        await until(lambda: far.hosts[0].commands("DATA"))
        assert await far.waited(delivery) >= 600
        (result,) = await delivery
        assert (result.fate, result.reply.enhanced) == (Fate.DEFERRED, "4.4.2")
        assert not far.hosts[1].connections


async def test_a_connection_lost_in_the_middle_of_a_message() -> None:
    async with world(hosts=2) as far:
        host = far.hosts[0]
        host.paused = asyncio.Event()
        delivery = asyncio.create_task(far.deliver("b@far.test", text=Text(b"x" * 20_000_000)))
        await until(lambda: host.commands("DATA"))
        (writer,) = host.open
        writer.transport.abort()
        (result,) = await delivery
        assert result.fate == Fate.DEFERRED
        assert not far.hosts[1].connections


@pytest.mark.parametrize("failure", [Temporary("the disk"), NotFound("the body is gone")])
async def test_a_message_that_can_not_be_read_waits_and_is_never_cut_short(failure: Exception) -> None:
    async with world() as far:
        (result,) = await far.deliver("b@far.test", text=Text(failure=failure))
        assert (result.fate, result.reply.enhanced, result.remote) == (Fate.DEFERRED, "4.3.0", "")
        await until(lambda: not far.hosts[0].open)
        assert far.hosts[0].bodies == []


async def test_who_stops_a_delivery_leaves_half_a_message_and_no_connection() -> None:
    async with world() as far:
        far.hosts[0].paused = asyncio.Event()
        delivery = asyncio.create_task(far.deliver("b@far.test", text=Text(b"x" * 20_000_000)))
        await until(lambda: far.hosts[0].commands("DATA"))
        delivery.cancel()
        with pytest.raises(asyncio.CancelledError):
            await delivery
        far.hosts[0].paused.set()
        await until(lambda: not far.hosts[0].open)
        assert far.hosts[0].bodies == []


async def test_a_large_message_arrives_whole() -> None:
    text = b"Subject: large\r\n\r\n" + b"".join(b".%d\r\n" % number for number in range(500_000))
    async with world() as far:
        (result,) = await far.deliver("b@far.test", text=Text(text))
        assert result.fate == Fate.RELAYED
        assert far.hosts[0].bodies == [text.replace(b"\r\n.", b"\r\n..") + b".\r\n"]
