"""SELECT, EXAMINE, CHECK, CLOSE, UNSELECT, EXPUNGE: opening a mailbox, cleaning it, leaving it."""

from typing import TYPE_CHECKING

from mailhub.model.mailbox import SEEN
from mailhub.wire.imap import commands, responses

from . import sync, updates
from .answers import Answer, Refused, bad, no, ok
from .listing import listed
from .messages import uid_ranges

if TYPE_CHECKING:
    from mailhub.mailbox.service import FolderView

    from .session import ImapSession


async def select(session: "ImapSession", verb: commands.Select) -> Answer:
    """RFC 3501 section 6.3.1."""
    view = await _open(session, verb, read_only=False)
    return ok("Mailbox selected", "READ-ONLY" if view.read_only else "READ-WRITE")  # RFC 4314 section 5.2


async def examine(session: "ImapSession", verb: commands.Examine) -> Answer:
    """RFC 3501 section 6.3.2."""
    await _open(session, verb, read_only=True)
    return ok("Mailbox selected", "READ-ONLY")


async def _open(session: "ImapSession", verb: commands.Select | commands.Examine, *, read_only: bool) -> "FolderView":
    """A SELECT that fails leaves no mailbox selected."""
    if verb.resync is not None and "QRESYNC" not in session.enabled:
        raise Refused(bad("QRESYNC is not enabled"))
    if session.selected is not None:  # RFC 9051 section 7.1, RFC 7162 section 3.2.11: what follows is of the new one
        session.deselect()
        session.write(responses.untagged("OK [CLOSED] Previous mailbox is closed"))
    folder = await session.account.find(verb.mailbox, "r")
    view = await session.account.open_view(folder, read_only=read_only)
    session.select(view)
    session.write(updates.flags_lines(view))
    session.write(b"* %d EXISTS\r\n" % len(view.uids))
    if session.rev2:  # RFC 9051 section 6.3.2
        session.write(await listed(session, verb.mailbox))
    else:
        session.write(b"* %d RECENT\r\n" % len(view.recent))
        unseen = next((place for place, flags in enumerate(view.flags) if not flags & SEEN), None)
        if unseen is not None and not session.uid_only:
            session.write(responses.untagged(f"OK [UNSEEN {unseen + 1}] First message without \\Seen"))
    session.write(responses.untagged(f"OK [UIDVALIDITY {view.folder.uidvalidity}] UIDs are valid"))
    session.write(responses.untagged(f"OK [UIDNEXT {view.folder.uidnext}] Next UID"))
    session.write(responses.untagged(f"OK [MAILBOXID ({view.folder.object_id})] Object id"))  # RFC 8474 section 4.2
    session.write(sync.highest(view))
    if verb.condstore:
        session.enable(frozenset({"CONDSTORE"}))
    if verb.resync is not None and verb.resync.uidvalidity == view.folder.uidvalidity:
        await sync.resync(session, verb.resync)
    return view


async def check(session: "ImapSession", verb: commands.Check) -> Answer:
    """RFC 3501 section 6.4.1: every change is on disk already."""
    return ok("Checked")


async def close(session: "ImapSession", verb: commands.Close) -> Answer:
    """RFC 3501 section 6.4.2: messages with \\Deleted go, and nobody is told here. Who may not expunge leaves them."""
    if not session.view.read_only and "e" in session.view.rights:
        await session.view.sync(expunges=True)
        await session.view.expunge()
    session.deselect()
    return ok("Mailbox closed")


async def unselect(session: "ImapSession", verb: commands.Unselect) -> Answer:
    """RFC 3691."""
    session.deselect()
    return ok("Mailbox left")


async def expunge(session: "ImapSession", verb: commands.Expunge) -> Answer:
    """RFC 3501 section 6.4.3; some of them: RFC 4315 section 2.1. The updates that follow tell which.

    Those that other sessions have marked go too, so the client is told of the marks first."""
    must_be_writable(session)
    await updates.tell(session, expunges=True)
    view = session.view
    if verb.uids is None:
        await view.expunge()
    else:
        await view.expunge(uid_ranges(view, verb.uids))
    return ok("Expunged", await sync.told_all(session))


def must_be_writable(session: "ImapSession") -> None:
    """Refuse what EXAMINE forbids."""
    if session.view.read_only:
        raise Refused(no("Mailbox is opened read-only", "CANNOT"))
