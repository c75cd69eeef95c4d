"""A check that wants everything held."""

from mailhub.config.filters import Check
from mailhub.model.verdict import Action
from mailhub.policy.check import Stage, Statement
from mailhub.policy.visit import Visit

REASON = "it <b>looks</b> odd"


class Suspicion:
    name, after, config = "suspicion", frozenset[str](), Check()
    stage: Stage = "content"

    def concerns(self, visit: Visit) -> bool:
        return True

    async def ask(self, visit: Visit) -> Statement:
        return Statement("bad", 7.5, REASON, Action.QUARANTINE)
