"""`mailhub explain`: the real pipeline, asked about a message that is not taken."""

from collections.abc import Callable

from mailhub.model.envelope import Origin
from mailhub.model.verdict import Action
from mailhub.net.addresses import parse
from mailhub.policy import Policy
from mailhub.policy.rehearsal import Rehearsed, rehearse

from . import explain_words as words
from .errors import ControlError
from .route_words import RouteShow, Stop
from .routes import Routes


class Explaining:
    """`policy` makes one that counts and traces nothing; None where no server runs."""

    def __init__(self, policy: Callable[[], Policy] | None, routes: Routes) -> None:
        self._policy, self._routes = policy, routes

    async def explain(self, request: words.Explain) -> words.Explained:
        if self._policy is None:
            raise ControlError("refused", "the checks need a running server: start it with `mailhub serve`")
        if parse(request.client) is None:
            raise ControlError("usage", f"no address of a client: {request.client!r}")
        helo = request.helo or f"[{request.client}]"
        origin = Origin("ESMTPSA" if request.login else "ESMTP", request.client, helo, login=request.login)
        done = await rehearse(self._policy(), origin, request.sender, request.recipients, request.message)
        rules = [words.Rule(stage=told.stage, rule=told.rule, answer=told.answer) for told in done.told]
        rules += [
            words.Rule(stage="check", rule=one.check, answer=one.result, score=one.score, reason=one.reason)
            for one in done.evidence
        ]
        way = [stop for recipient in _targets(done) for stop in await self._way(recipient, request.sender)]
        return words.Explained(
            rules=tuple(rules),
            replies=tuple(words.Said(command=command, reply=str(reply)) for command, reply in done.replies),
            verdict=str(done.verdict),
            fate=_fate(done, request.message is not None),
            way=tuple(way),
        )

    async def _way(self, recipient: str, sender: str) -> tuple[Stop, ...]:
        return await self._routes.show(RouteShow(address=recipient, sender=sender))


def _targets(done: Rehearsed) -> list[str]:
    if done.orders.discarded or not done.replies[-1][1].ok:
        return []
    return [*([done.orders.redirect] if done.orders.redirect else done.accepted), *done.orders.copies]


def _fate(done: Rehearsed, whole: bool) -> str:
    command, reply = done.replies[-1]
    if not reply.ok and not (command.startswith("RCPT") and done.accepted):
        return f"{'refused' if reply.permanent else 'put off'}: {reply}"
    if done.orders.discarded:
        return f"taken and thrown away: {done.orders.discarded}"
    if done.orders.held:
        return f"taken and held: {done.orders.held}"
    if not whole:
        return "its recipients are taken; what the checks of content say needs --message"
    way = f"by {done.orders.filter}" if done.orders.filter else "delivered"
    return {Action.JUNK: f"{way}, into the folder Junk", Action.TAG: f"{way}, marked"}.get(done.verdict.action, way)
