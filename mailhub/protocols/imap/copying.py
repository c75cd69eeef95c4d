"""COPY and MOVE (RFC 3501 section 6.4.7, RFC 6851, RFC 4315)."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

from mailhub.mailbox.service import Copied
from mailhub.model.errors import NotFound
from mailhub.model.mailbox import Folder
from mailhub.wire.imap import commands, responses, sequences

from . import messages, sync
from .answers import Answer, Refused, no, ok
from .selected import must_be_writable

if TYPE_CHECKING:
    from .session import ImapSession


async def find_target(session: "ImapSession", mailbox: str) -> Folder:
    """The folder to put messages into; where there is none, the client may make it and try again."""
    try:
        return await session.account.find(mailbox, "i")
    except NotFound:
        # to who may not make it, it is no help to hear that he could (RFC 4314 section 4)
        own = session.account.namespaces.owner_of(mailbox) is None
        raise Refused(no("No such mailbox", "TRYCREATE" if own else "NONEXISTENT")) from None


async def copy(session: "ImapSession", verb: commands.Copy) -> Answer:
    """RFC 3501 section 6.4.7."""
    code = await _transfer(session, verb, session.view.copy)
    return ok("Copied", code)


async def move(session: "ImapSession", verb: commands.Move) -> Answer:
    """RFC 6851: COPYUID is told before the EXPUNGEs, which are the updates that follow."""
    must_be_writable(session)
    code = await _transfer(session, verb, session.view.move)
    if code:
        session.write(b"* " + responses.state("OK", "Moved", code))
    return ok("Moved", await sync.told_all(session))


async def _transfer(
    session: "ImapSession",
    verb: commands.Copy | commands.Move,
    act: Callable[[Sequence[int], Folder], Awaitable[Copied]],
) -> str:
    uids = messages.uids_at(session.view, messages.places(session.view, verb.messages))
    target = await find_target(session, verb.mailbox)
    if not uids:
        return ""
    copied = await act(uids, target)
    if not copied.source:
        return ""
    source, made = sequences.compress(copied.source), sequences.compress(copied.target)
    return f"COPYUID {copied.target_folder.uidvalidity} {source.decode()} {made.decode()}"
