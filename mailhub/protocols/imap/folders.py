"""CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE, STATUS (RFC 3501 section 6.3)."""

from typing import TYPE_CHECKING

from mailhub.model.mailbox import SEPARATOR
from mailhub.wire.imap import commands, responses

from . import sync
from .answers import Answer, no, ok

if TYPE_CHECKING:
    from .session import ImapSession


async def create(session: "ImapSession", verb: commands.Create) -> Answer:
    """RFC 3501 section 6.3.3, RFC 8474 section 4.1: a separator at the end only says that more will come below."""
    folder = await session.account.create(verb.mailbox.removesuffix(SEPARATOR))
    return ok("Mailbox created", f"MAILBOXID ({folder.object_id})")


async def delete(session: "ImapSession", verb: commands.Delete) -> Answer:
    """RFC 3501 section 6.3.4. The session that has it selected itself has nothing selected afterwards."""
    if verb.mailbox == "INBOX":
        return no("INBOX stays", "CANNOT")
    folder = await session.account.find(verb.mailbox)
    await session.account.delete(verb.mailbox)
    if session.selected is not None and session.selected.folder.id == folder.id:
        session.deselect()
    return ok("Mailbox deleted")


async def rename(session: "ImapSession", verb: commands.Rename) -> Answer:
    """RFC 3501 section 6.3.5."""
    await session.account.rename(verb.mailbox, verb.new_name.removesuffix(SEPARATOR))
    return ok("Mailbox renamed")


async def subscribe(session: "ImapSession", verb: commands.Subscribe) -> Answer:
    """RFC 3501 section 6.3.6."""
    await session.account.subscribe(verb.mailbox)
    return ok("Subscribed")


async def unsubscribe(session: "ImapSession", verb: commands.Unsubscribe) -> Answer:
    """RFC 3501 section 6.3.7."""
    await session.account.unsubscribe(verb.mailbox)
    return ok("Unsubscribed")


async def status(session: "ImapSession", verb: commands.Status) -> Answer:
    """RFC 3501 section 6.3.10."""
    folder = await session.account.find(verb.mailbox)
    values: dict[str, int | str] = {
        "MESSAGES": folder.messages,
        "RECENT": min(folder.messages, max(0, folder.uidnext - folder.recent_from)),
        "UIDNEXT": folder.uidnext,
        "UIDVALIDITY": folder.uidvalidity,
        "UNSEEN": folder.unseen,
        "HIGHESTMODSEQ": folder.modseq,
        "MAILBOXID": f"({folder.object_id})",
    }
    if "HIGHESTMODSEQ" in verb.items:
        await sync.learn(session)
    session.write(responses.status(session.mailbox(verb.mailbox), [(item, values[item]) for item in verb.items]))
    return ok("Status completed")
