"""A message that an account sends without speaking SMTP (webmail, the HTTP interface): by the same door as submission."""

from collections.abc import Sequence

from mailhub.model.envelope import MailParameters, Notify, Origin, Recipient
from mailhub.model.errors import Permanent, Temporary
from mailhub.model.reply import Reply

from .policy import Policy

_BLOCK = 65_536
_GO_ON = Reply(354, "", "Go on")


class Refused(Permanent):
    """It can not be sent so. `by`: recipients, each with what is said against it; "" the message itself."""

    def __init__(self, by: Sequence[tuple[str, Reply]]) -> None:
        super().__init__("; ".join(f"{address}: {reply}" if address else str(reply) for address, reply in by), by[0][1])
        self.by = tuple(by)


async def submit(
    policy: Policy,
    origin: Origin,
    sender: str,
    recipients: Sequence[str],
    message: bytes,
    parameters: MailParameters,
    notify: Notify = Notify.DEFAULT,
) -> str:
    """Queue it for all recipients, or for none; the account that `origin` names keeps a copy. The queue id comes back when
    it is on disk. `message`: lines with CRLF. Refused; Temporary where that may change."""
    transaction = policy.begin(origin, "submission")
    try:
        _ask("", await transaction.sender(sender, parameters))
        refused = []
        for address in recipients:
            reply = await transaction.recipient(Recipient(address, notify))
            if not reply.ok:
                refused.append((address, reply))
        if refused:
            raise _trouble(refused)
        _ask("", await transaction.data() or _GO_ON)
        intake = transaction.body()
        for start in range(0, len(message), _BLOCK):
            intake.feed(message[start : start + _BLOCK])
            await intake.drain()
        transaction.keep(origin.login)
        _ask("", await transaction.content(await intake.finish()))
        _ask("", await transaction.commit())
        return transaction.so_far[0].queue_id
    finally:
        transaction.abort()


def _ask(address: str, reply: Reply) -> None:
    if not reply.ok:
        raise _trouble([(address, reply)])


def _trouble(by: Sequence[tuple[str, Reply]]) -> Exception:
    if all(reply.temporary for _, reply in by):
        return Temporary("; ".join(f"{address}: {reply}" if address else str(reply) for address, reply in by), by[0][1])
    return Refused(by)
