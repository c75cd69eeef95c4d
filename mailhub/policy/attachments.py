"""Rules about what a message carries (`policy.carried`): unwanted names and types, disguises, macros, bombs."""

from mailhub.config import schema
from mailhub.message.window import Window
from mailhub.model.reply import Reply
from mailhub.model.verdict import Action

from .carried import Finding, Limits, findings
from .check import Stage, Statement
from .visit import Visit

_SHOWN = 3  # findings that are named
_RANKS = ("bomb", "unwanted", "disguise", "macros", "encrypted", "unknown")


class Attachments:
    """A Check."""

    name = "attachments"
    stage: Stage = "content"
    after: frozenset[str] = frozenset()

    def __init__(self, config: schema.Attachments) -> None:
        self.config = config
        self._limits = Limits(
            config.part_limit, config.part_depth, config.size_limit, config.member_limit, config.archive_depth
        )
        self._names = frozenset(name.lower().lstrip(".") for name in config.names)
        self._types = frozenset(config.types)
        self._scores = {
            "disguise": config.disguise_score, "macros": config.macro_score, "encrypted": config.encrypted_score,
            "unknown": config.unknown_score,
        }  # fmt: skip
        self._actions = {"bomb": Action[config.bomb.upper()], "unwanted": Action[config.unwanted.upper()]}

    def concerns(self, visit: Visit) -> bool:
        """Whoever is not trusted."""
        return not visit.trusted

    async def ask(self, visit: Visit) -> Statement | None:
        letter = visit.letter
        assert letter is not None
        limits = self._limits

        def work(window: Window) -> list[Finding]:
            return findings(window, limits)

        told: dict[str, list[str]] = {}
        for finding in await letter.over(work):
            if rank := self._rank(finding):
                told.setdefault(rank, []).append(f"{finding.what} {finding.path}"[:100])
        if not told:
            return None
        worst = next(rank for rank in _RANKS if rank in told)
        score = sum(self._scores.get(rank, 0.0) for rank in told)
        reason = "; ".join(f"{rank}: {', '.join(paths[:_SHOWN])}" for rank, paths in told.items())
        action = max((self._actions[rank] for rank in told if rank in self._actions), default=Action.ACCEPT)
        return Statement(worst, score, reason, action, _reply(worst, action))

    def _rank(self, finding: Finding) -> str:
        if finding.kind in ("large", "unreadable"):
            return "unknown"
        if finding.kind in ("name", "type"):
            unwanted = self._names if finding.kind == "name" else self._types
            return "unwanted" if finding.what in unwanted else ""
        return finding.kind


def _reply(worst: str, action: Action) -> Reply | None:
    if action is Action.REJECT:
        why = "it is a bomb" if worst == "bomb" else "it carries a file of a kind that is not taken here"
        return Reply(550, "5.7.1", f"Message refused: {why}")
    return None
