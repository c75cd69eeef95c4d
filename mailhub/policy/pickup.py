"""Mail that a program of this host left in the maildrop (Postfix's pickup(8)). It is ours to send: no check is asked about it, and a
recipient who does not exist is told of by a bounce, for there is nobody left to refuse it to."""

from typing import TYPE_CHECKING, Literal

from msgspec.structs import replace

from mailhub.message import stamps
from mailhub.model import ids
from mailhub.model.envelope import Envelope, Origin
from mailhub.model.errors import Permanent
from mailhub.store.api import SieveMark

from .intake import BodyIntake
from .transaction import message_id_of

if TYPE_CHECKING:
    from .policy import Policy


async def pick_up(policy: "Policy", wanted: Envelope, user: int, blocks: list[bytes], mark: SieveMark) -> None:
    """Queue the message in `blocks`, which user id `user` left, with its mark; the addresses are such. Permanent where it is none; any other MailError: not now."""
    config, spool = policy.config, policy.spool
    spool.check_space()
    count = len(wanted.recipients)
    if not 0 < count <= config.recipient_limit:
        raise Permanent(f"{count} recipients (smtp.recipient_limit)")
    rewriting, number = policy.rewriting, spool.new_id()
    intake = BodyIntake(spool.body_writer(), config.header_size_limit, rewriting.header if rewriting.used else None)
    try:
        ascii_only = True
        for block in blocks:
            ascii_only = ascii_only and block.isascii()
            intake.feed(block)
            await intake.drain()
        body = await intake.finish()
    except BaseException:
        intake.abort()
        raise
    if intake.hops > config.hopcount_limit:
        intake.abort()
        raise Permanent("too many hops: this message is in a loop")
    addresses = (wanted.sender, *(recipient.address for recipient in wanted.recipients))
    body_type: Literal["7BIT", "8BITMIME"] = "7BIT" if ascii_only else "8BITMIME"
    parameters = replace(wanted.parameters, body=body_type, smtputf8=not all(map(str.isascii, addresses)))
    envelope = await rewriting.envelope(replace(wanted, parameters=parameters))
    origin = Origin(protocol="local", helo=f"userid {user}")
    signature = await policy.signed(body)
    sole = envelope.recipients[0].address if len(envelope.recipients) == 1 else None
    prefix = signature + stamps.received(origin, policy.hostname, ids.text(number), sole, policy.clock.now())
    await spool.put(number, envelope, body, prefix, origin, mark=mark)
    policy.trace.accepted(number, envelope, origin, len(prefix) + body.size, message_id_of(intake))
