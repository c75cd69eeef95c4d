"""What rspamd thinks of a message (`scanners.rspamd`), and what it wants done with it."""

import re

from mailhub.config import schema
from mailhub.model.reply import Reply, plain
from mailhub.model.verdict import Action
from mailhub.net.resolver import Resolver
from mailhub.scanners import Service
from mailhub.scanners.rspamd import Answer, Facts, judged

from .check import Stage, Statement, with_grace
from .visit import Visit

_SHOWN = 10  # symbols that are named


class Rspamd:
    """A Check. The header fields that it wants (its DKIM signature, ARC seal and Authentication-Results among them) are put before the message."""

    name = "rspamd"
    stage: Stage = "content"
    after: frozenset[str] = frozenset()

    def __init__(self, config: schema.Rspamd, service: Service, resolver: Resolver) -> None:
        self.config: schema.Check = with_grace(config)
        self._rspamd, self._service, self._resolver = config, service, resolver

    def concerns(self, visit: Visit) -> bool:
        """Whoever is not trusted, or all where that is wanted."""
        return self._rspamd.trusted or not visit.trusted

    async def ask(self, visit: Visit) -> Statement | None:
        config, letter, origin = self._rspamd, visit.letter, visit.origin
        assert letter is not None
        if letter.size > config.size_limit:
            return Statement("unseen", reason="too long")
        facts = Facts(
            origin.client, (await visit.name()).verified, origin.helo, visit.sender or "", visit.addressees, origin.login,
            visit.queue_id, origin.tls.partition(" ")[0],
        )  # fmt: skip
        said = await judged(self._service, self._resolver, facts, letter.size, letter.blocks())
        if said.action == "discard" and config.actions:
            visit.orders.discarded = "by rspamd"
        action, reply = _wanted(said) if config.actions else (Action.ACCEPT, None)
        fields = tuple(f"{name}: {value}" for name, value in said.fields)
        return Statement(_word(said), said.score * config.factor, _reason(said), action, reply, fields)


def _word(said: Answer) -> str:
    return "skipped" if said.is_skipped else re.sub(r"[^a-z]", "-", said.action.lower()[:30]) or "none"


def _reason(said: Answer) -> str:
    heaviest = sorted(said.symbols.items(), key=lambda symbol: -abs(symbol[1].score))[:_SHOWN]
    names = ", ".join(f"{name[:60]} {symbol.score:+g}" for name, symbol in heaviest if symbol.score)
    return f"{said.score:g} of {said.required_score:g}: {names or 'no symbol'}"


def _wanted(said: Answer) -> tuple[Action, Reply | None]:
    """What is done at least. "greylist" alone is a threshold of its module, which says "soft reject" where it means it."""
    text = said.smtp_message
    match said.action:
        case "reject":
            return Action.REJECT, Reply(550, "5.7.1", plain(text, "Message refused: it looks like junk mail"))
        case "soft reject":
            return Action.TEMPFAIL, Reply(451, "4.7.1", plain(text, "Try again later"))
        case "quarantine":
            return Action.QUARANTINE, None
        case "add header" | "rewrite subject":
            return Action.JUNK, None
    return Action.ACCEPT, None
