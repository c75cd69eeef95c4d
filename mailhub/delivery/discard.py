"""Mail that a table throws away: discard(8)."""

from mailhub.model.reply import Reply
from mailhub.store.api import Fate

from .transport import Job, Result


class Discard:
    """A transport. The nexthop is the reason, for the log."""

    name = "discard"

    async def deliver(self, job: Job) -> list[Result]:
        reply = Reply(250, "2.0.0", job.nexthop or "discarded")
        return [Result(recipient.n, Fate.DELIVERED, reply) for recipient in job.recipients]
