"""SEARCH (RFC 3501 section 6.4.4)."""

from bisect import bisect_left
from typing import TYPE_CHECKING

from mailhub.wire.imap import commands, responses

from . import sync
from .answers import Answer, ok

if TYPE_CHECKING:
    from .session import ImapSession


async def search(session: "ImapSession", verb: commands.Search) -> Answer:
    """The view answers with UIDs; what another session expunged meanwhile still has its number here."""
    view = session.view
    uids = await view.search(verb.key)
    found = uids if verb.by_uid else [bisect_left(view.uids, uid) + 1 for uid in uids]
    modseq = 0
    if sync.asks_modseq(verb.key):
        await sync.learn(session)
        modseq = max((view.modseqs[bisect_left(view.uids, uid)] for uid in uids), default=0)
    session.write(
        responses.esearch(session.tag, found, verb.by_uid, modseq) if session.rev2 else responses.search(found, modseq)
    )
    await session.flush()
    return ok("Search completed")
