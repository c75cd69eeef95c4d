"""SEARCH (RFC 3501 section 6.4.4)."""

from bisect import bisect_left
from typing import TYPE_CHECKING

from mailhub.wire.imap import commands, responses

from .answers import Answer, ok

if TYPE_CHECKING:
    from .session import ImapSession


async def search(session: "ImapSession", verb: commands.Search) -> Answer:
    """The view answers with UIDs; what another session expunged meanwhile still has its number here."""
    view = session.view
    uids = await view.search(verb.key)
    found = uids if verb.by_uid else [bisect_left(view.uids, uid) + 1 for uid in uids]
    session.write(responses.esearch(session.tag, found, verb.by_uid) if session.rev2 else responses.search(found))
    await session.flush()
    return ok("Search completed")
