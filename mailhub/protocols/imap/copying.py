"""COPY and MOVE (RFC 3501 section 6.4.7, RFC 6851, RFC 4315)."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

from mailhub.mailbox.service import Copied
from mailhub.model.errors import MailError, NotFound
from mailhub.model.mailbox import Folder
from mailhub.net.stream import ConnectionLost
from mailhub.wire.imap import commands, responses, sequences

from . import messages, sync
from .answers import Answer, Refused, no, ok
from .selected import must_be_writable

if TYPE_CHECKING:
    from .session import ImapSession

PAGE = 1_000  # messages of one unit


async def find_target(session: "ImapSession", mailbox: str) -> Folder:
    """The folder to put messages into; where there is none, the client may make it and try again."""
    try:
        return await session.account.find(mailbox, "i")
    except NotFound:
        # to who may not make it, it is no help to hear that he could (RFC 4314 section 4)
        own = session.account.namespaces.owner_of(mailbox) is None
        raise Refused(no("No such mailbox", "TRYCREATE" if own else "NONEXISTENT")) from None


async def copy(session: "ImapSession", verb: commands.Copy) -> Answer:
    """RFC 3501 section 6.4.7: all or nothing, also where it takes several commits."""
    transfer = await _begin(session, verb)
    try:
        await transfer.run(session.view.copy)
    except (MailError, ConnectionLost):
        await session.account.remove(transfer.target, transfer.made)
        raise
    return ok("Copied", transfer.code)


async def move(session: "ImapSession", verb: commands.Move) -> Answer:
    """RFC 6851: COPYUID is told before the EXPUNGEs, which are the updates that follow; also of those moved before an error."""
    must_be_writable(session)
    transfer = await _begin(session, verb)
    try:
        await transfer.run(session.view.move)
    finally:
        if transfer.code:
            session.write(b"* " + responses.state("OK", "Moved", transfer.code))
    return ok("Moved", await sync.told_all(session))


async def _begin(session: "ImapSession", verb: commands.Copy | commands.Move) -> "_Transfer":
    spans = messages.places(session.view, verb.messages)
    if sum(map(len, spans)) > session.config.message_limit:
        raise Refused(no("Too many messages for one command", f"MESSAGELIMIT {session.config.message_limit}"))
    return _Transfer(session, messages.uids_at(session.view, spans), await find_target(session, verb.mailbox))


class _Transfer:
    """Messages on their way to `target`: `made` are their UIDs there."""

    def __init__(self, session: "ImapSession", uids: list[int], target: Folder) -> None:
        self._session, self._uids, self.target = session, uids, target
        self._source: list[int] = []
        self.made: list[int] = []

    async def run(self, act: Callable[[Sequence[int], Folder], Awaitable[Copied]]) -> None:
        for start in range(0, len(self._uids), PAGE):
            copied = await act(self._uids[start : start + PAGE], self.target)
            self._source += copied.source
            self.made += copied.target
            await self._session.progress(start + PAGE, len(self._uids))

    @property
    def code(self) -> str:
        """COPYUID, "" where nothing was there to go (RFC 4315 section 3)."""
        if not self._source:
            return ""
        source, made = sequences.compress(self._source), sequences.compress(self.made)
        return f"COPYUID {self.target.uidvalidity} {source.decode()} {made.decode()}"
