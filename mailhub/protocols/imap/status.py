"""STATUS (RFC 3501 section 6.3.10): one table of items."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from mailhub.model.mailbox import Folder
from mailhub.wire.imap import commands, responses

from . import sync
from .answers import Answer, ok

if TYPE_CHECKING:
    from .session import ImapSession

_COUNTED = ("DELETED", "DELETED-STORAGE")  # asked of the store, in this order (RFC 9208 section 4.2)
VALUES: Mapping[str, Callable[[Folder], int | str]] = {
    "MESSAGES": lambda folder: folder.messages,
    "RECENT": lambda folder: min(folder.messages, max(0, folder.uidnext - folder.recent_from)),
    "UIDNEXT": lambda folder: folder.uidnext,
    "UIDVALIDITY": lambda folder: folder.uidvalidity,
    "UNSEEN": lambda folder: folder.unseen,
    "SIZE": lambda folder: folder.size,  # RFC 8438
    "HIGHESTMODSEQ": lambda folder: folder.modseq,
    "MAILBOXID": lambda folder: f"({folder.object_id})",
}


async def status(session: "ImapSession", verb: commands.Status) -> Answer:
    """Of the selected mailbox too: what has come since is told with it."""
    folder = await session.account.find(verb.mailbox, "r")
    session.write(await line(session, verb.mailbox, folder, verb.items))
    return ok("Status completed")


async def line(session: "ImapSession", name: str, folder: Folder, items: Sequence[str]) -> bytes:
    """The STATUS response for a folder that may be read."""
    if "HIGHESTMODSEQ" in items:
        await sync.learn(session)
    counted = {"APPENDLIMIT": session.config.append_limit}  # RFC 7889: the same for all
    if not set(items).isdisjoint(_COUNTED):
        counted |= zip(_COUNTED, await session.account.deleted(folder), strict=True)
    values = [(item, counted[item] if item in counted else VALUES[item](folder)) for item in items]
    return responses.status(session.mailbox(name), values)
