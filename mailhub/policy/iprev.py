"""iprev (RFC 8601 section 3): whether the client's address has a name in DNS that leads back to it."""

from mailhub.config import schema
from mailhub.message import authres

from .check import Stage, Statement
from .visit import Visit


class Iprev:
    """A Check, about mail of strangers that come by the net."""

    name = "iprev"
    stage: Stage = "content"
    after: frozenset[str] = frozenset()

    def __init__(self, config: schema.Iprev) -> None:
        self.config = config

    def concerns(self, visit: Visit) -> bool:
        """A client with an address that is not trusted."""
        return not visit.trusted and bool(visit.origin.client)

    async def ask(self, visit: Visit) -> Statement | None:
        client = visit.origin.client
        found = await visit.name()
        if found.verified:
            result, score, reason = "pass", 0.0, found.verified
        elif found.undecided:
            result, score, reason = "temperror", 0.0, "DNS does not answer"
        elif found.reverse:
            result, score, reason = "fail", self.config.fail_score, f"{found.reverse} does not lead back"
        else:
            result, score, reason = "permerror", self.config.permerror_score, "no name in DNS"
        method = authres.resinfo("iprev", result, reason, policy_iprev=client)
        return Statement(result, score, reason, methods=(method,))
