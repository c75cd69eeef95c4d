"""CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE (RFC 3501 section 6.3)."""

from typing import TYPE_CHECKING

from mailhub.mailbox.service import SPECIAL_USE
from mailhub.model.mailbox import SEPARATOR
from mailhub.wire.imap import commands

from .answers import Answer, no, ok

if TYPE_CHECKING:
    from .session import ImapSession

_USES = {use.upper(): use for _, use in SPECIAL_USE}


async def create(session: "ImapSession", verb: commands.Create) -> Answer:
    """RFC 3501 section 6.3.3, RFC 8474 section 4.1: a separator at the end only says that more will come below.
    A use is one folder's (RFC 6154 section 3)."""
    name = verb.mailbox.removesuffix(SEPARATOR)
    use = ""
    if verb.use:
        use = _USES.get(verb.use[0].upper(), "") if len(verb.use) == 1 else ""
        taken = {folder.special_use for folder in await session.account.folders()}
        if not use or use in taken or session.account.namespaces.owner_of(name) is not None:
            return no("No folder is made for that use", "USEATTR")
    folder = await session.account.create(name, use)
    _heard(session, name)
    return ok("Mailbox created", f"MAILBOXID ({folder.object_id})")


async def delete(session: "ImapSession", verb: commands.Delete) -> Answer:
    """RFC 3501 section 6.3.4. The session that has it selected itself has nothing selected afterwards."""
    if verb.mailbox == "INBOX":
        return no("INBOX stays", "CANNOT")
    folder = await session.account.delete(verb.mailbox)
    if session.selected is not None and session.selected.folder.id == folder.id:
        session.deselect()
    _heard(session, verb.mailbox)
    return ok("Mailbox deleted")


async def rename(session: "ImapSession", verb: commands.Rename) -> Answer:
    """RFC 3501 section 6.3.5."""
    new_name = verb.new_name.removesuffix(SEPARATOR)
    await session.account.rename(verb.mailbox, new_name)
    _heard(session, verb.mailbox, new_name)
    return ok("Mailbox renamed")


async def subscribe(session: "ImapSession", verb: commands.Subscribe) -> Answer:
    """RFC 3501 section 6.3.6."""
    await session.account.subscribe(verb.mailbox)
    _heard(session, verb.mailbox)
    return ok("Subscribed")


async def unsubscribe(session: "ImapSession", verb: commands.Unsubscribe) -> Answer:
    """RFC 3501 section 6.3.7."""
    await session.account.unsubscribe(verb.mailbox)
    _heard(session, verb.mailbox)
    return ok("Unsubscribed")


def _heard(session: "ImapSession", *names: str) -> None:
    """NOTIFY does not tell a client what it has done itself (RFC 5465 section 5)."""
    if session.watch is not None:
        session.watch.heard(*names)
