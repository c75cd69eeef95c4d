"""Messages by BDAT: how they are cut and sent, and what each answer and loss becomes."""

import asyncio

import pytest
from support.far_hosts import HANG_UP, SILENCE, TEXT, FarHost, Text, World, until, world

from mailhub.delivery.relay.connection import Replies
from mailhub.delivery.relay.transaction import _refused
from mailhub.model.errors import Temporary
from mailhub.store.api import Fate

LARGE = b"Subject: large\r\n\r\n" + b"".join(b".%d\r\n" % number for number in range(200_000))


def chunking(far: World, *, pipelining: bool = True) -> FarHost:
    """The first host, offering it."""
    for host in far.hosts:
        host.extensions = ["CHUNKING", "8BITMIME"] + (["PIPELINING"] if pipelining else [])
    return far.hosts[0]


async def test_a_small_message_is_said_in_one_breath() -> None:
    async with world() as far:
        host = chunking(far)
        (result,) = await far.deliver("b@far.test")
        assert (result.fate, str(result.reply)) == (Fate.RELAYED, "250 2.0.0 taken")
        assert host.bodies == [TEXT]
        lines = b"MAIL FROM:<a@here.test>\r\nRCPT TO:<b@far.test>\r\nBDAT %d LAST\r\n" % len(TEXT)
        assert lines + TEXT in host.flights


async def test_on_a_connection_that_was_kept_the_message_waits_for_the_envelope() -> None:
    """It may be dead, and then the message may go by another one."""
    async with world() as far:
        host = chunking(far)
        await far.deliver("b@far.test")
        await far.deliver("b@far.test")
        assert host.connections == 1
        assert b"MAIL FROM:<a@here.test>\r\nRCPT TO:<b@far.test>\r\n" in host.flights
        host.script["MAIL"] = HANG_UP
        delivery = asyncio.create_task(far.deliver("b@far.test"))
        await until(lambda: len(host.commands("MAIL")) == 3)
        del host.script["MAIL"]
        (result,) = await delivery
        assert (result.fate, host.connections, len(host.bodies)) == (Fate.RELAYED, 2, 3)


@pytest.mark.parametrize("pipelining", [True, False])
async def test_a_large_message_goes_in_pieces_without_stuffing(pipelining: bool) -> None:
    async with world() as far:
        host = chunking(far, pipelining=pipelining)
        (result,) = await far.deliver("b@far.test", text=Text(LARGE))
        assert result.fate == Fate.RELAYED
        assert host.bodies == [LARGE]
        sizes = [line.split() for line in host.commands("BDAT")]
        assert sum(int(words[1]) for words in sizes) == len(LARGE)
        assert [words[-1] == "LAST" for words in sizes] == [False] * (len(sizes) - 1) + [True]


@pytest.mark.parametrize(("text", "sent"), [(b"", b""), (b"a\nb\rc", b"a\r\nb\r\nc\r\n"), (b".\r\n", b".\r\n")])
async def test_no_bare_newline_leaves_in_a_chunk_of_text(text: bytes, sent: bytes) -> None:
    async with world() as far:
        host = chunking(far)
        await far.deliver("b@far.test", text=Text(text))
        assert host.bodies == [sent]


@pytest.mark.parametrize("stage", ["MAIL", "RCPT"])
async def test_once_the_message_is_said_a_loss_asks_no_other_host(stage: str) -> None:
    async with world(hosts=2) as far:
        chunking(far).script[stage] = HANG_UP
        (result,) = await far.deliver("b@far.test")
        assert (result.fate, far.hosts[1].connections) == (Fate.DEFERRED, 0)


async def test_a_host_that_takes_leave_and_takes_the_message_has_it() -> None:
    async with world(hosts=2) as far:
        chunking(far).script["RCPT TO:<c@far.test>"] = "421 4.3.2 bye"
        taken, waiting = await far.deliver("b@far.test", "c@far.test")
        assert (taken.fate, str(taken.reply)) == (Fate.RELAYED, "250 2.0.0 taken")
        assert (waiting.fate, str(waiting.reply)) == (Fate.DEFERRED, "421 4.3.2 bye")
        assert [len(host.bodies) for host in far.hosts] == [1, 0]


async def test_a_host_that_takes_leave_without_a_last_word_may_have_it_beside_the_next() -> None:
    async with world(hosts=2) as far:
        chunking(far).script.update({"RCPT": "421 4.3.2 bye", ".": HANG_UP})
        (result,) = await far.deliver("b@far.test")
        assert (result.fate, far.hosts[1].bodies) == (Fate.RELAYED, [TEXT])
        assert "so it may arrive twice" in result.doubt
        assert "mx1.far.test" in result.doubt


async def test_a_host_that_refuses_the_sender_and_takes_the_message_may_have_it() -> None:
    async with world(hosts=2) as far:
        chunking(far).script.update({"MAIL": "450 4.2.0 later", "RCPT": "250 2.1.5 ok"})
        (result,) = await far.deliver("b@far.test")
        assert (result.fate, [len(host.bodies) for host in far.hosts]) == (Fate.DEFERRED, [1, 0])
        assert "may arrive twice" in result.reply.text


async def test_before_that_another_one_is_asked() -> None:
    async with world(hosts=2) as far:
        chunking(far, pipelining=False).script["RCPT"] = HANG_UP
        (result,) = await far.deliver("b@far.test")
        assert (result.fate, far.hosts[1].connections) == (Fate.RELAYED, 1)


async def test_what_was_said_to_a_recipient_stands_when_the_rest_is_lost() -> None:
    async with world() as far:
        host = chunking(far)
        host.script |= {"RCPT TO:<no@far.test>": "550 5.1.1 nobody", ".": HANG_UP}
        results = await far.deliver("no@far.test", "b@far.test")
        assert [result.fate for result in results] == [Fate.FAILED, Fate.DEFERRED]


async def test_a_session_goes_on_after_a_message_that_was_refused() -> None:
    async with world() as far:
        host = chunking(far)
        host.script["."] = "554 5.6.0 no"
        await far.deliver("b@far.test")
        del host.script["."]
        (result,) = await far.deliver("b@far.test")
        assert (result.fate, host.connections) == (Fate.RELAYED, 1)
        assert host.commands("RSET"), "RFC 3030 section 2: after a failure of BDAT"


@pytest.mark.parametrize("pipelining", [True, False])
async def test_a_refusal_in_the_middle_ends_it(pipelining: bool) -> None:
    async with world(hosts=2) as far:
        host = chunking(far, pipelining=pipelining)
        host.script["BDAT"] = "552 5.3.4 too big"
        (result,) = await far.deliver("b@far.test", text=Text(LARGE * 4))
        assert (result.fate, str(result.reply)) == (Fate.FAILED, "552 5.3.4 too big")
        assert (host.bodies, far.hosts[1].connections) == ([], 0)


async def test_silence_in_the_middle_ends_when_the_clock_says_so() -> None:
    async with world(hosts=2) as far:
        host = chunking(far)
        host.paused = asyncio.Event()
        delivery = asyncio.create_task(far.deliver("b@far.test", text=Text(LARGE * 10)))
        await until(lambda: host.commands("BDAT"))
        assert await far.waited(delivery) >= 600
        (result,) = await delivery
        assert (result.fate, result.reply.enhanced, far.hosts[1].connections) == (Fate.DEFERRED, "4.4.2", 0)


async def test_a_loss_in_the_middle() -> None:
    async with world(hosts=2) as far:
        host = chunking(far)
        host.paused = asyncio.Event()
        delivery = asyncio.create_task(far.deliver("b@far.test", text=Text(LARGE * 10)))
        await until(lambda: host.commands("BDAT"))
        (writer,) = host.open
        writer.transport.abort()
        (result,) = await delivery
        assert (result.fate, host.bodies, far.hosts[1].connections) == (Fate.DEFERRED, [], 0)


async def test_a_missing_last_answer_ends_when_the_clock_says_so() -> None:
    async with world(hosts=2) as far:
        chunking(far).script["."] = SILENCE
        delivery = asyncio.create_task(far.deliver("b@far.test"))
        await until(lambda: far.hosts[0].connections)
        assert await far.waited(delivery) >= 600
        (result,) = await delivery
        assert (result.fate, far.hosts[1].connections) == (Fate.DEFERRED, 0)


async def test_a_message_that_can_not_be_read_is_never_cut_short() -> None:
    async with world() as far:
        host = chunking(far)
        (result,) = await far.deliver("b@far.test", text=Text(failure=Temporary("the disk")))
        assert (result.fate, result.reply.enhanced, host.bodies) == (Fate.DEFERRED, "4.3.0", [])


async def test_the_operator_may_leave_it_out() -> None:
    async with world(discard_ehlo_keywords=("chunking",)) as far:
        chunking(far)
        await far.deliver("b@far.test")
        assert far.hosts[0].commands("DATA")


async def test_a_yes_makes_no_room() -> None:
    """Else all of a large message would be in memory for a peer that says yes to what it does not read."""
    replies = Replies(asyncio.get_running_loop(), lambda protocol: None)
    asked = [replies.ask(), replies.ask()]
    replies.pause_writing()
    writing = asyncio.create_task(replies.drain(lambda: _refused(asked)))
    await asyncio.sleep(0)
    replies.data_received(b"250 2.0.0 go on\r\n")
    await asyncio.sleep(0)
    assert (asked[0].done(), replies.crowded, writing.done()) == (True, True, False)
    replies.data_received(b"552 5.3.4 too big\r\n")
    await writing
    assert (asked[1].done(), replies.crowded) == (True, True)
