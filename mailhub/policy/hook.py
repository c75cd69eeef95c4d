"""Hooks of the operator's as checks: one for each stage of the way in."""

from mailhub.config import schema
from mailhub.hooks import (
    AddHeader,
    Answer,
    Connect,
    Data,
    Defer,
    Discard,
    Event,
    Helo,
    Junk,
    Mail,
    Quarantine,
    Rcpt,
    Reject,
    Score,
)  # fmt: skip
from mailhub.hooks.runner import Hooks
from mailhub.model.reply import Reply, plain
from mailhub.model.verdict import Action

from .check import Stage, Statement
from .visit import Visit

STAGES: tuple[Stage, ...] = ("connect", "helo", "mail", "rcpt", "content")


class HookCheck:
    """A Check. It is asked about all but what comes by LMTP, also about who is trusted."""

    after: frozenset[str] = frozenset()

    def __init__(self, config: schema.Hooks, hooks: Hooks, stage: Stage) -> None:
        self.config, self._hooks, self.stage = config, hooks, stage
        self._function = "data" if stage == "content" else stage
        self.name = f"hook-{self._function}"

    def concerns(self, visit: Visit) -> bool:
        """All."""
        return True

    async def ask(self, visit: Visit) -> Statement | None:
        answer = await self._hooks.call(self._function, await self._event(visit))
        if isinstance(answer, Discard):
            visit.orders.discarded = answer.reason or "by a hook"
            return Statement("discard", reason=answer.reason)
        return None if answer is None else _statement(answer)

    async def _event(self, visit: Visit) -> Event:
        origin, sender = visit.origin, visit.sender or ""
        who = (origin.client, origin.login, visit.trusted)
        match self.stage:
            case "connect":
                return Connect(*who)
            case "helo":
                return Helo(*who, origin.helo)
            case "mail":
                return Mail(*who, origin.helo, sender)
            case "rcpt":
                return Rcpt(*who, origin.helo, sender, visit.recipient)
            case "content":
                letter = visit.letter
                assert letter is not None
                message = await letter.read(0, min(letter.size, self.config.message_limit))
                return Data(*who, origin.helo, sender, message, letter.size, visit.recipients)


def _statement(answer: Answer) -> Statement | None:
    match answer:
        case Reject(text, enhanced):
            return Statement("reject", reason=text, action=Action.REJECT, reply=Reply(550, enhanced, plain(text)))
        case Defer(text, enhanced):
            return Statement("defer", reason=text, action=Action.TEMPFAIL, reply=Reply(451, enhanced, plain(text)))
        case Score(points, reason):
            return Statement("score", float(points), reason)
        case AddHeader(name, value):
            return Statement("header", fields=(f"{name}: {value}",))
        case Junk(reason):
            return Statement("junk", reason=reason, action=Action.JUNK)
        case Quarantine(reason):
            return Statement("quarantine", reason=reason, action=Action.QUARANTINE)
    return None
