"""The whole way in for a message that is not taken: every rule and check is asked as for a real one, nothing is kept of it."""

from msgspec import Struct, field

from mailhub.model.envelope import Origin, Recipient
from mailhub.model.reply import Reply
from mailhub.model.verdict import UNJUDGED, Evidence, Verdict

from .caller import BEFORE_MAIL
from .orders import Orders
from .policy import Policy
from .visit import Told


class Rehearsed(Struct):
    """`told`: each rule that was asked, and its answer; `replies`: what the client would hear, by command. The last of `replies`
    decides."""

    told: list[Told] = field(default_factory=list)
    replies: list[tuple[str, Reply]] = field(default_factory=list)
    accepted: list[str] = field(default_factory=list)
    evidence: tuple[Evidence, ...] = ()
    verdict: Verdict = UNJUDGED
    orders: Orders = field(default_factory=Orders)


async def rehearse(
    policy: Policy, origin: Origin, sender: str, recipients: tuple[str, ...], message: bytes | None
) -> Rehearsed:
    """`policy`: one of its own, that counts and traces nothing. `message` None: up to the recipients. What a client may do is left
    out (early talk, syntax, limits)."""
    made = Rehearsed()
    service = "submission" if origin.login else "smtp"
    caller = policy.caller(origin.client)
    for stage in BEFORE_MAIL:
        if (refusal := await policy.met(stage, origin, service, caller)) is not None:
            made.replies.append((stage, refusal))
            return made
    transaction = policy.begin(origin, service, caller, made.told)
    try:
        made.replies.append((f"MAIL FROM:<{sender}>", await transaction.sender(sender)))
        if not made.replies[-1][1].ok:
            return made
        for recipient in recipients:
            reply = await transaction.recipient(Recipient(recipient))
            made.replies.append((f"RCPT TO:<{recipient}>", reply))
            made.accepted += [recipient] if reply.ok else []
        if message is None or not made.accepted:
            return made
        if (refusal := await transaction.data()) is not None:
            made.replies.append(("DATA", refusal))
            return made
        intake = transaction.body()
        intake.feed(message)
        await intake.drain()
        made.replies.append(("message", await transaction.content(await intake.finish())))
        return made
    finally:
        visit, made.verdict = transaction.so_far
        made.orders = visit.orders
        made.evidence = tuple(
            Evidence(name, one.result, one.score, one.reason) for name, one in visit.statements.items()
        )
        transaction.abort()
        caller.close()
