"""CONDSTORE and QRESYNC (RFC 7162): what a client is told of mod-sequences, and how one that was away catches up."""

import asyncio
from typing import TYPE_CHECKING

from mailhub.mailbox.resync import Known
from mailhub.mailbox.search import keys, within
from mailhub.model.search import SAVED, Key, ModSeq
from mailhub.wire.imap import commands, responses, sequences

from . import updates
from .answers import Refused, bad
from .messages import Spans

if TYPE_CHECKING:
    from mailhub.mailbox.service import FolderView

    from .session import ImapSession

PAGE = 1_000  # messages between two pauses


def highest(view: "FolderView") -> bytes:
    """The mod-sequence that the client is at when it has heard all before this line."""
    return responses.untagged(f"OK [HIGHESTMODSEQ {view.told}] Highest mod-sequence")


async def learn(session: "ImapSession") -> None:
    """The client has used what only CONDSTORE defines, so it knows mod-sequences (RFC 7162 section 3.1)."""
    if not session.condstore:
        session.enable(frozenset({"CONDSTORE"}))
        if session.selected is not None:
            session.write(highest(session.view))


async def begin(session: "ImapSession") -> None:
    """The same by ENABLE: here expunges may be told, so the client is told where it is once it has heard of them."""
    await updates.tell(session, expunges=True)
    session.write(highest(session.view))


async def told_all(session: "ImapSession") -> str:
    """Tell what the command did; the code for its OK (RFC 7162 sections 3.2.7 and 3.2.11), "" for who does not know it."""
    await updates.tell(session, expunges=True)
    return f"HIGHESTMODSEQ {session.view.told}" if session.condstore else ""


async def resync(session: "ImapSession", client: commands.Resync) -> None:
    """SELECT's answer to QRESYNC (RFC 7162 section 3.2.5.1): what is gone, then the flags of what is new or changed."""
    view = session.view
    gone = await view.missed(Known(client.modseq, client.uids, client.match))
    if gone:
        session.write(responses.vanished_earlier(sequences.written(gone)))
    words = updates.flag_words(session)
    wanted = None if client.uids is None else sequences.resolve(client.uids, 0)
    for start in range(0, len(view.uids), PAGE):
        lines = [
            updates.fetch_of(session, at) + updates.flags_of(session, at, words)
            for at in range(start, min(start + PAGE, len(view.uids)))
            if view.modseqs[at] > client.modseq and (wanted is None or within(view.uids[at], wanted))
        ]
        session.write(b"".join(lines))
        await session.flush()
        await asyncio.sleep(0)


async def changed(session: "ImapSession", verb: commands.Fetch, spans: Spans) -> Spans:
    """FETCH CHANGEDSINCE: those places whose messages have changed; with VANISHED, what is gone is told first."""
    view, since = session.view, verb.changed_since or 0
    if verb.vanished:
        if not verb.messages.by_uid or "QRESYNC" not in session.enabled:
            raise Refused(bad("VANISHED is for UID FETCH, once QRESYNC is enabled"))
        ranges = verb.messages.ranges
        asked = view.saved if ranges == SAVED else sequences.resolve(ranges, view.folder.uidnext - 1)
        gone = await view.missed(Known(since, asked))
        if gone:
            session.write(responses.vanished_earlier(sequences.written(gone)))
    return [range(at, at + 1) for span in spans for at in span if view.modseqs[at] > since]


def asks_modseq(key: Key) -> bool:
    """Whether a SEARCH names mod-sequences, and is answered with one (RFC 7162 section 3.1.5)."""
    return any(isinstance(one, ModSeq) for one in keys(key))
