"""The frame of the checks: when they are asked, what their failing leads to, what becomes of a message by its score."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest
from support.smtp_rooms import MemorySpool, SmallRouter

from mailhub.config import schema
from mailhub.mailbox.heavy import HeavyLane
from mailhub.message.window import Window
from mailhub.model.clock import VirtualClock
from mailhub.model.envelope import Origin, Recipient
from mailhub.model.errors import Temporary
from mailhub.model.reply import Reply
from mailhub.model.verdict import Action
from mailhub.policy import Policy, Transaction
from mailhub.policy.check import Stage, Statement
from mailhub.policy.inspection import Inspection
from mailhub.policy.visit import Visit
from mailhub.queue.spool import Spool

ALICE, BOB = Recipient("alice@mailhub.test"), Recipient("bob@mailhub.test")
STRANGER = Origin("ESMTP", "198.51.100.7", "client.example")
Answer = Callable[[Visit], Any]


class Asked:
    """A check that answers as it is told; a coroutine function is awaited."""

    def __init__(
        self, name: str, answer: Statement | Answer | None, stage: Stage = "content", after: str = "", **config: Any
    ) -> None:
        self.name, self.stage, self._answer = name, stage, answer
        self.after, self.config = frozenset(after.split()), schema.Check(**config)
        self.times, self.aware = 0, True

    def concerns(self, visit: Visit) -> bool:
        return self.aware

    async def ask(self, visit: Visit) -> Statement | None:
        self.times += 1
        answer = self._answer(visit) if callable(self._answer) else self._answer
        return cast("Statement | None", await answer if asyncio.iscoroutine(answer) else answer)


class Door:
    """A policy with checks."""

    def __init__(self, *checks: Asked, **config: Any) -> None:
        self.clock, self.spool = VirtualClock(), MemorySpool()
        self.inspection = Inspection(checks, schema.Filter(**config), "mx.test", self.clock, HeavyLane())
        router = SmallRouter((ALICE.address, BOB.address))
        self.policy = Policy(
            schema.Smtp(mynetworks=("192.0.2.0/24",)), "mx.test", router, cast(Spool, self.spool), self.clock,
            inspection=self.inspection,
        )  # fmt: skip

    async def begun(self, origin: Origin = STRANGER, service: str = "smtp") -> Transaction:
        transaction = self.policy.begin(origin, service)
        assert (await transaction.sender("x@y.example")).ok
        return transaction

    async def message(
        self, data: bytes = b"Subject: x\r\n\r\nbody\r\n", origin: Origin = STRANGER, service: str = "smtp"
    ) -> Reply:
        transaction = await self.begun(origin, service)
        assert (await transaction.recipient(ALICE)).ok
        intake = transaction.body()
        intake.feed(data)
        reply = await transaction.content(await intake.finish())
        return await transaction.commit() if reply.ok else reply


@pytest.mark.parametrize(
    ("score", "action"),
    [(3.9, Action.ACCEPT), (4, Action.TAG), (6.5, Action.JUNK), (9, Action.QUARANTINE), (-50, Action.ACCEPT)],
)
async def test_the_sum_of_the_scores_chooses_the_action(score: float, action: Action) -> None:
    door = Door(Asked("a", Statement("x", score - 1)), Asked("b", Statement("y", 1)), quarantine_score=8)
    assert (await door.message()).code == 250
    (put,) = door.spool.messages
    assert (put.verdict.action, put.verdict.score, put.held) == (action, score, action is Action.QUARANTINE)
    assert put.prefix.startswith(b"X-Mailhub-Verdict: %b, score %.1f;\r\n\ta=x" % (action.word.encode(), score))
    assert put.prefix.index(b"\r\n\tb=y +1.0\r\n") < put.prefix.index(b"Received: ")


async def test_a_high_score_is_refused_and_another_one_told_to_come_again() -> None:
    assert (await Door(Asked("a", Statement("x", 15))).message()).code == 550
    assert (await Door(Asked("a", Statement("x", 5)), tempfail_score=5).message()).code == 451


async def test_a_check_may_ask_for_more_than_its_score() -> None:
    virus = Statement("virus", action=Action.REJECT, reply=Reply(550, "5.7.1", "A virus"))
    door = Door(Asked("a", Statement("x", 15)), Asked("clamav", virus))
    assert (await door.message()).text == "A virus"
    assert door.spool.messages == []
    door = Door(Asked("dmarc", Statement("fail", action=Action.JUNK)))
    await door.message()
    assert door.spool.messages[0].verdict.action is Action.JUNK


async def _forever(visit: Visit) -> Statement:
    await asyncio.Event().wait()
    raise AssertionError


def _broken(visit: Visit) -> Statement:
    raise ZeroDivisionError


def _away(visit: Visit) -> Statement:
    raise Temporary("no daemon")


@pytest.mark.parametrize("answer", [_forever, _broken, _away])
@pytest.mark.parametrize(("failure", "code", "shown"), [("tempfail", 451, None), ("accept", 250, 0), ("mark", 250, 1)])
async def test_a_check_that_fails_leads_to_what_the_operator_chose(
    answer: Answer, failure: str, code: int, shown: int | None
) -> None:
    slow = Asked("slow", answer, failure=failure, time_limit=20)
    door = Door(slow, Asked("other", Statement("pass")))
    message = asyncio.ensure_future(door.message())
    while not slow.times:
        await asyncio.sleep(0)
    if answer is _forever:
        await door.clock.advance(19.9)
        assert not message.done()
        await door.clock.advance(0.2)
    assert (await message).code == code
    if shown is not None:
        assert door.spool.messages[0].prefix.count(b"slow=error") == shown
        assert b"other=pass" in door.spool.messages[0].prefix


async def test_checks_are_asked_at_one_time_and_those_that_need_others_behind_them() -> None:
    both, met = asyncio.Event(), []

    async def first(visit: Visit) -> Statement:
        met.append("first")
        await both.wait()
        return Statement("pass")

    async def second(visit: Visit) -> Statement:
        met.append("second")
        both.set()
        return Statement("pass")

    def last(visit: Visit) -> Statement:
        assert set(visit.statements) == {"first", "second"}
        return Statement("pass")

    checks = [Asked("last", last, after="first second missing"), Asked("first", first), Asked("second", second)]
    await Door(*checks).message()
    assert (met, checks[0].times) == (["first", "second"], 1)
    with pytest.raises(ValueError, match="wait for each other"):
        Door(Asked("a", None, after="b"), Asked("b", None, after="a"))


async def test_who_is_not_concerned_is_not_asked_nor_waited_for() -> None:
    spam = Statement("spam", 1.0)
    deaf, one, behind = Asked("deaf", spam), Asked("one", None), Asked("behind", spam, after="deaf")
    early = Asked("early", spam, "connect")
    deaf.aware = early.aware = False
    door = Door(deaf, one, behind, early)
    assert (await door.message()).ok
    assert [check.times for check in (deaf, one, behind, early)] == [0, 1, 1, 0]
    assert [found.check for found in door.spool.messages[0].verdict.evidence] == ["behind"]


async def test_each_stage_is_asked_as_often_as_it_should() -> None:
    checks = [Asked(stage, None, stage) for stage in ("connect", "helo", "mail", "rcpt")]
    door = Door(*checks)
    caller = door.policy.caller(STRANGER.client)
    for _ in range(2):
        transaction = door.policy.begin(STRANGER, "smtp", caller)
        await transaction.sender("x@y.example")
        for recipient in (ALICE, BOB):
            assert (await transaction.recipient(recipient)).ok
        assert (await transaction.recipient(Recipient("nobody@mailhub.test"))).code == 550
    assert [check.times for check in checks] == [1, 1, 2, 4]


async def test_a_refusal_of_one_recipient_is_not_that_of_the_next() -> None:
    def grey(visit: Visit) -> Statement:
        return Statement("new", action=Action.TEMPFAIL if visit.recipient == ALICE.address else Action.ACCEPT)

    transaction = await Door(Asked("grey", grey, "rcpt")).begun()
    assert [(await transaction.recipient(one)).code for one in (ALICE, BOB, ALICE)] == [451, 250, 451]
    door = Door(Asked("dnsbl", Statement("listed", action=Action.REJECT), "connect"))
    transaction = await door.begun()
    assert [(await transaction.recipient(one)).code for one in (ALICE, BOB)] == [550, 550]


async def test_what_early_stages_said_counts_with_the_content() -> None:
    door = Door(Asked("dnsbl", Statement("listed", 5), "connect"), Asked("junk", Statement("spam", 2)))
    await door.message()
    assert (door.spool.messages[0].verdict.score, door.spool.messages[0].verdict.result("dnsbl")) == (7, "listed")


async def test_lmtp_brings_what_others_have_judged() -> None:
    check = Asked("a", Statement("x", 15))
    door = Door(check)
    assert (await door.message(service="lmtp")).ok
    assert check.times == 0


async def test_a_check_reads_the_message_in_blocks_and_in_the_thread_for_that() -> None:
    seen: list[bytes] = []

    def whole(window: Window) -> bytes:
        return window[0 : len(window)]

    async def read(visit: Visit) -> Statement:
        letter = visit.letter
        assert letter is not None
        seen.extend([letter.header, await letter.read(letter.start, 100), await letter.over(whole)])
        seen.append(b"".join([block async for block in letter.blocks(4)]))
        return Statement("pass")

    forged = b"Authentication-Results: mx.test; spf=pass\r\n"
    await Door(Asked("a", read)).message(forged + b"Subject: x\r\n\r\nbody\r\n")
    stored = b"Subject: x\r\n\r\nbody\r\n"
    assert seen == [forged + b"Subject: x\r\n", b"body\r\n", stored, stored]


FORGED = [
    b"Authentication-Results: mx.test; spf=pass\r\n",
    b"authentication-results : MX.Test 1 ;\r\n\tspf=pass\r\n",
    b'Authentication-Results: "mx.test"; none\r\n',
    b"Authentication-Results: (a (b) \\) c) mx.test; none\r\n",
    b"Authentication-Results:\r\n mx.test; none\r\n",
    b"Authentication-Results: (no end mx.test; none\r\n",
    b"X-Mailhub-Verdict: accept, score -100\r\n",
]
OTHERS = [b"Authentication-Results: mx.test.example; spf=pass\r\n", b"X-Authentication-Results: mx.test; spf=pass\r\n"]


@pytest.mark.parametrize("forged", FORGED)
async def test_what_only_we_may_say_is_taken_out(forged: bytes) -> None:
    door = Door()
    for service, origin in (("smtp", STRANGER), ("submission", Origin("ESMTPSA", "198.51.100.7", login="alice"))):
        transaction = door.policy.begin(origin, service)
        assert (await transaction.sender("")).ok
        assert (await transaction.recipient(ALICE)).ok
        intake = transaction.body()
        intake.feed(b"".join([OTHERS[0], forged, OTHERS[1], b"From: alice@mailhub.test\r\n\r\n", forged]))
        body = await intake.finish()
        assert body.data is not None
        header, _, rest = body.data.partition(b"\r\n\r\n")
        assert (b"\r\n" + forged.rstrip() in header, rest) == (False, forged)
        assert all(other.rstrip() in header for other in OTHERS)


async def test_a_host_of_ours_is_believed() -> None:
    door = Door()
    await door.message(FORGED[0] + b"\r\n", Origin("ESMTP", "192.0.2.1"))
    assert FORGED[0] in door.spool.messages[0].data


async def test_a_header_in_which_more_could_hide_is_refused() -> None:
    reply = await Door().message(b"X: y\r\n" * 50_000 + b"Authentication-Results: mx.test; spf=pass\r\n\r\n")
    assert str(reply).startswith("552 5.3.4 ")


async def test_what_strangers_wrote_can_not_end_a_line_of_the_stamps() -> None:
    evil = "x\r\nEvil: 1\n\tö\0" + "y" * 5_000
    said = Statement("fail", reason=evil, fields=("Received-SPF: fail\r\nEvil: 1",), methods=("spf=fail",))
    door = Door(Asked("spf", said))
    await door.message()
    prefix = door.spool.messages[0].prefix
    assert b"\nEvil" not in prefix
    assert b"Authentication-Results: mx.test;\r\n\tspf=fail\r\n" in prefix
    assert max(map(len, prefix.split(b"\r\n"))) < 998
