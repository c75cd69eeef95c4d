"""The checks of a hub at work: each asked at its stage and in its time; what they say becomes a verdict, and stamps."""

import asyncio
import logging
from collections.abc import Mapping, Sequence

from mailhub.config import schema
from mailhub.mailbox.heavy import HeavyLane
from mailhub.message import authres, stamps
from mailhub.model.clock import Clock
from mailhub.model.errors import MailError
from mailhub.model.reply import Reply
from mailhub.model.verdict import UNJUDGED, Action, Evidence, Verdict, action_for

from .check import Check, Statement
from .visit import Told, Visit

log = logging.getLogger("mailhub.policy")

NOT_NOW = Reply(451, "4.7.1", "The message can not be checked now, try again later")
LATER = Reply(451, "4.7.1", "Not now, try again later")
REFUSED = Reply(550, "5.7.1", "Message refused: it looks like junk mail")
_REASON = 300  # characters of a reason that are kept


class Inspection:
    """`checks`: ValueError where one is to come after itself. `lane`: where `visit.letter` is worked on."""

    def __init__(
        self, checks: Sequence[Check], config: schema.Filter, hostname: str, clock: Clock, lane: HeavyLane
    ) -> None:
        self._checks: Mapping[str, Sequence[Check]] = {
            stage: _in_order([check for check in checks if check.stage == stage])
            for stage in ("connect", "helo", "mail", "rcpt", "content")
        }
        self.authserv_id = config.authserv_id or hostname
        self.lane, self._clock = lane, clock
        self._thresholds = {
            Action.TAG: config.tag_score,
            Action.JUNK: config.junk_score,
            Action.QUARANTINE: config.quarantine_score,
            Action.TEMPFAIL: config.tempfail_score,
            Action.REJECT: config.reject_score,
        }

    def __bool__(self) -> bool:
        return any(self._checks.values())

    async def refusal(self, visit: Visit) -> Reply | None:
        """What stands against the recipient that the visit names, before there is a message."""
        heard_at = {
            "connect": visit.caller.heard.setdefault("", {}),
            "helo": visit.caller.heard.setdefault(f"helo {visit.origin.helo}", {}),
            "mail": visit.heard,
        }
        for stage, heard in heard_at.items():
            if any(check.name not in heard for check in self._checks[stage]):
                await self._hear(stage, visit, heard)
            visit.statements.update({name: said for name, said in heard.items() if said is not None})
        if (refusal := _worst(visit)) is not None:
            return refusal
        here: dict[str, Statement | None] = {}
        await self._hear("rcpt", visit, here)
        if (refusal := _worst(visit)) is not None:  # that recipient's own: nothing of it is left for the others
            for name in here:
                said = visit.statements.pop(name, None)
                if said is not None and visit.told is not None:
                    visit.told.append(Told("check", name, f"{said.result}: {said.reason}"))
        return refusal

    async def judge(self, visit: Visit) -> Verdict:
        """The verdict on the message of `visit.letter`."""
        if not self:
            return UNJUDGED
        await self._hear("content", visit, {})
        return self.verdict(visit)

    def verdict(self, visit: Visit) -> Verdict:
        """What all that was said comes to."""
        said = visit.statements
        score = sum(one.score for one in said.values())
        action = max((action_for(score, self._thresholds), *(one.action for one in said.values())))
        evidence = [Evidence(name, one.result, one.score, one.reason[:_REASON]) for name, one in said.items()]
        return Verdict(action, score, tuple(evidence))

    async def _hear(self, stage: str, visit: Visit, heard: dict[str, Statement | None]) -> None:
        """Ask the checks of a stage whom it concerns, all at once but for those that wait for others."""
        checks = []
        for check in self._checks[stage]:
            if check.concerns(visit):
                checks.append(check)
            else:
                heard[check.name] = None
        if not checks:
            return
        if len(checks) == 1:
            heard[checks[0].name] = await self._asked(checks[0], visit)
            return
        tasks: dict[str, asyncio.Task[None]] = {}

        async def one(check: Check) -> None:
            before = [tasks[name] for name in check.after if name in tasks]
            if before:
                await asyncio.wait(before)
            heard[check.name] = await self._asked(check, visit)

        async with asyncio.TaskGroup() as group:
            for check in checks:
                tasks[check.name] = group.create_task(one(check))

    async def _asked(self, check: Check, visit: Visit) -> Statement | None:
        config = check.config
        try:
            async with self._clock.timeout(config.time_limit):
                said = await check.ask(visit)
        except TimeoutError:
            said = _failed(check, f"no answer in {config.time_limit:g} seconds")
        except MailError as error:
            said = _failed(check, str(error))
        except Exception as error:
            log.exception("%s: the check broke", check.name)
            said = _failed(check, f"broke: {type(error).__name__}")
        if said is not None:
            visit.statements[check.name] = said
        return said

    # --- what follows --------------------------------------------------------------------------------------------------

    def reply(self, verdict: Verdict, visit: Visit) -> Reply | None:
        """What is said to the client where the message is not taken."""
        if verdict.action < Action.TEMPFAIL:
            return None
        return _worst(visit, verdict.action) or (REFUSED if verdict.action is Action.REJECT else LATER)

    def stamps(self, verdict: Verdict, visit: Visit) -> bytes:
        """Header fields that tell of it, to stand above Received."""
        said: Mapping[str, Statement] = visit.statements
        if not said:
            return b""
        fields = [field for one in said.values() for field in one.fields]
        methods = [method for one in said.values() for method in one.methods]
        return (
            stamps.folded(authres.VERDICT, str(verdict).split("; "))
            + authres.field(self.authserv_id, methods)
            + stamps.prepended(fields)
        )


def _in_order(checks: Sequence[Check]) -> list[Check]:
    """As they were given, each behind those that it comes after."""
    waiting = {check.name: check for check in checks}
    order: list[Check] = []
    while waiting:
        ready = [check for check in waiting.values() if not (check.after & set(waiting))]
        if not ready:
            raise ValueError(f"checks wait for each other: {', '.join(waiting)}")
        order += [waiting.pop(check.name) for check in ready]
    return order


def _failed(check: Check, why: str) -> Statement | None:
    """What the operator's choice makes of a check that did not answer."""
    choice = check.config.failure
    log.warning("%s: %s (%s)", check.name, why, choice)
    if choice == "accept":
        return None
    if choice == "mark":
        return Statement("error", reason=why)
    return Statement("error", reason=why, action=Action.TEMPFAIL, reply=NOT_NOW)


def _worst(visit: Visit, at_least: Action = Action.TEMPFAIL) -> Reply | None:
    """The reply of the check that wants the most, where that is so much."""
    said = max(visit.statements.values(), key=lambda said: said.action, default=None)
    if said is None or said.action < at_least:
        return None
    return said.reply or (REFUSED if said.action is Action.REJECT else LATER)
