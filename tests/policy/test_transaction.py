import asyncio
from typing import Any

import pytest
from support.smtp_rooms import MemorySpool, SmallRouter

from mailhub.config import schema
from mailhub.delivery.routes import Expand, Local
from mailhub.model.clock import VirtualClock
from mailhub.model.envelope import MailParameters, Origin, Recipient
from mailhub.model.errors import Temporary
from mailhub.policy import Policy, Transaction

ALICE, BOB = Recipient("alice@mailhub.test"), Recipient("bob@mailhub.test")


def make(**settings: Any) -> tuple[Policy, MemorySpool]:
    spool = MemorySpool()
    router = SmallRouter((ALICE.address, BOB.address))
    config = schema.Smtp(**{"mynetworks": ("192.0.2.0/24",), **settings})
    return Policy(config, "mx.mailhub.test", router, spool, VirtualClock()), spool


async def filled(policy: Policy, data: bytes = b"Subject: x\r\n\r\nbody\r\n", *recipients: Recipient) -> Transaction:
    transaction = policy.begin(Origin("ESMTP", "198.51.100.7", "client.example"))
    assert (await transaction.sender("x@y.example")).code == 250
    for recipient in recipients or (ALICE,):
        assert (await transaction.recipient(recipient)).code == 250
    intake = transaction.body()
    intake.feed(data)
    assert (await transaction.content(await intake.finish())).ok
    return transaction


async def test_a_message_is_put_as_it_came_behind_its_received_field() -> None:
    policy, spool = make()
    reply = await (await filled(policy)).commit()
    (put,) = spool.messages
    assert (reply.code, reply.enhanced) == (250, "2.0.0")
    assert put.data == b"Subject: x\r\n\r\nbody\r\n"
    assert put.prefix.startswith(b"Received: from client.example ([198.51.100.7])\r\n\tby mx.mailhub.test")
    assert b"for <alice@mailhub.test>" in put.prefix
    assert reply.text.rpartition(" ")[2].encode() in put.prefix
    assert put.envelope.recipients == (ALICE,)


async def test_recipients_of_one_message_are_not_told_of_each_other() -> None:
    policy, spool = make()
    await (await filled(policy, b"\r\n", ALICE, BOB)).commit()
    assert b"for <" not in spool.messages[0].prefix


async def test_yes_is_said_after_the_commit_only() -> None:
    policy, spool = make()
    transaction = await filled(policy)
    spool.gate.clear()
    commit = asyncio.ensure_future(transaction.commit())
    await spool.committing.wait()
    assert not commit.done()
    spool.gate.set()
    assert (await commit).ok


async def test_a_commit_outlives_who_asked_for_it() -> None:
    policy, spool = make()
    transaction = await filled(policy)
    spool.gate.clear()
    commit = asyncio.ensure_future(transaction.commit())
    await spool.committing.wait()
    commit.cancel()
    with pytest.raises(asyncio.CancelledError):
        await commit
    transaction.abort()
    settled = asyncio.ensure_future(policy.settled())
    await asyncio.sleep(0)
    assert not settled.done()
    spool.gate.set()
    await settled
    assert len(spool.messages) == 1
    assert not spool.writers[0].aborted


@pytest.mark.parametrize("failure", [Temporary("database locked"), OSError("bug"), ZeroDivisionError()])
async def test_what_cannot_be_stored_is_temporary(failure: Exception) -> None:
    policy, spool = make()
    spool.failure = failure
    assert (await (await filled(policy)).commit()).code == 451


async def test_the_same_recipient_is_kept_once() -> None:
    policy, spool = make()
    await (await filled(policy, b"\r\n", ALICE, ALICE, BOB)).commit()
    assert spool.messages[0].envelope.recipients == (ALICE, BOB)


async def test_too_many_recipients() -> None:
    policy, _ = make(recipient_limit=1)
    transaction = await filled(policy)
    assert str(await transaction.recipient(BOB)).startswith("452 4.5.3 ")
    assert (await transaction.recipient(ALICE)).ok
    assert transaction.accepted == 2


async def test_senders() -> None:
    policy, spool = make(message_size_limit=1_000)
    begin = policy.begin
    assert (await begin(Origin()).sender("")).ok
    assert (await begin(Origin()).sender("x@y.example", MailParameters(size=1_000))).ok
    assert str(await begin(Origin()).sender("x@y.example", MailParameters(size=1_001))).startswith("552 5.3.4 ")
    assert str(await begin(Origin()).sender("root")).startswith("553 5.1.7 ")
    assert str(await begin(Origin()).sender("zoë@y.example")).startswith("553 5.6.7 ")
    assert (await begin(Origin()).sender("zoë@y.example", MailParameters(smtputf8=True))).ok
    spool.full = True
    assert str(await begin(Origin()).sender("x@y.example")).startswith("452 4.3.1 ")


async def test_an_address_in_utf8_needs_the_extension() -> None:
    policy, _ = make()
    transaction = policy.begin(Origin("ESMTP", "192.0.2.1"))
    await transaction.sender("x@y.example")
    assert str(await transaction.recipient(Recipient("zoë@other.example"))).startswith("553 5.6.7 ")
    await transaction.sender("x@y.example", MailParameters(smtputf8=True))
    assert (await transaction.recipient(Recipient("zoë@other.example"))).ok


@pytest.mark.parametrize(
    ("field", "refused"),
    [
        (b"delivered-to: Alice@mailhub.test", True),
        (b"Delivered-To: bob@mailhub.test", False),
        (b"Delivered-To: list@mailhub.test", False),
        (b"X: x\r\n\r\nDelivered-To: alice@mailhub.test", False),
    ],
)
async def test_what_was_delivered_to_a_mailbox_before_is_refused_and_not_sent_back_later(
    field: bytes, refused: bool
) -> None:
    """Anybody may write that field and a sender's name: the report would be his letter to somebody else."""
    router = SmallRouter((ALICE.address, BOB.address, "list@mailhub.test"))
    router.routes = {ALICE.address: Local(ALICE.address), "list@mailhub.test": Expand((BOB.address,))}
    policy = Policy(schema.Smtp(), "mx.mailhub.test", router, MemorySpool(), VirtualClock())
    transaction = policy.begin(Origin())
    await transaction.sender("x@y.example")
    for recipient in (Recipient("list@mailhub.test"), ALICE):
        assert (await transaction.recipient(recipient)).ok
    intake = transaction.body()
    intake.feed(b"%b\r\n\r\nbody\r\n" % field)
    verdict = await transaction.content(await intake.finish())
    assert str(verdict).startswith("554 5.4.6 " if refused else "250 ")


@pytest.mark.parametrize(("fields", "refused"), [(50, False), (51, True)])
@pytest.mark.parametrize("step", [1, 7, 10_000])
async def test_a_loop_is_told_by_its_received_fields(fields: int, refused: bool, step: int) -> None:
    policy, _ = make(hopcount_limit=50)
    transaction = policy.begin(Origin())
    await transaction.sender("x@y.example")
    await transaction.recipient(ALICE)
    data = (
        b"RECEIVED: by a\r\n\tReceived: folded\r\n" * fields
        + b"Subject: Received: x\r\n\r\n"
        + b"Received: no\r\n" * 99
    )
    intake = transaction.body()
    for start in range(0, len(data), step):
        intake.feed(data[start : start + step])
    verdict = await transaction.content(await intake.finish())
    assert str(verdict).startswith("554 5.4.6 ") is refused
    assert verdict.ok is not refused


async def test_abort_throws_the_body_away() -> None:
    policy, spool = make()
    transaction = await filled(policy)
    transaction.abort()
    transaction.abort()
    assert spool.writers[0].aborted
