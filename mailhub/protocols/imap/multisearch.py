"""ESEARCH over mailboxes (RFC 7377)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mailhub.mailbox.search import keys
from mailhub.mailbox.service import FolderView
from mailhub.model import search as query
from mailhub.model.errors import MailError
from mailhub.model.mailbox import SEPARATOR, Folder
from mailhub.wire.imap import commands, search_responses
from mailhub.wire.imap.search_commands import Returns, Source

from .answers import Answer, Refused, bad, ok
from .search import known

if TYPE_CHECKING:
    from .session import ImapSession

_LIVE = frozenset({"SAVE", "UPDATE", "CONTEXT"})  # belong to a selected mailbox
_PLAIN = Returns(frozenset({"ALL"}))


async def esearch(session: "ImapSession", verb: commands.Esearch) -> Answer:
    """A line for each mailbox in which something matches, and none for the others (RFC 7377 section 2.1)."""
    key, returns = known(verb.program), verb.program.returns or _PLAIN
    if returns.options & _LIVE:
        raise Refused(bad("SAVE, UPDATE and CONTEXT are for SEARCH in the selected mailbox"))
    if any(source.what != "SELECTED" for source in verb.sources) and _has_numbers(key):
        raise Refused(bad("Message numbers are those of the selected mailbox"))
    selected = session.selected
    if selected is None and any(source.what == "SELECTED" for source in verb.sources):
        raise Refused(bad("No mailbox is selected"))
    for name, folder in (await _folders(session, verb.sources)).items():
        if selected is not None and folder.id == selected.folder.id:
            await _search(session, selected, name, key, returns)
            continue
        try:
            view = await session.account.open_view(folder, read_only=True)
        except MailError:  # gone meanwhile, or no longer ours to read
            continue
        try:
            await _search(session, view, name, key, returns)
        finally:
            view.close()
    return ok("Search completed")


async def _search(session: "ImapSession", view: FolderView, name: str, key: query.Key, returns: Returns) -> None:
    found = await view.search(key)
    if found:
        correlator = search_responses.in_mailbox(session.tag, name, view.folder.uidvalidity)
        session.write(search_responses.esearch(correlator, search_responses.returned(returns, found), by_uid=True))
        await session.flush()


def _has_numbers(key: query.Key) -> bool:
    return any(
        isinstance(one, query.Numbers) or (isinstance(one, query.Uids) and one.ranges == query.SAVED)
        for one in keys(key)
    )


async def _folders(session: "ImapSession", sources: Sequence[Source]) -> dict[str, Folder]:
    """Each once, by the name that the client has for it; those that are no mailbox, or that may not be read, are passed over
    (RFC 7377 sections 2.2 and 3)."""
    account = session.account
    everything = {name: folder for name, folder in (await account.listing()).items() if "r" in folder.rights}
    own = [folder.name for folder in await account.folders()]
    subscribed = frozenset(await account.subscriptions())
    chosen: set[str] = set()
    for source in sources:
        match source.what:
            case "SELECTED":
                chosen |= {name for name, folder in everything.items() if folder.id == session.view.folder.id}
            case "PERSONAL":
                chosen.update(own)
            case "INBOXES":  # where mail is delivered without being asked to
                chosen.add("INBOX")
            case "SUBSCRIBED":
                chosen |= subscribed
            case "MAILBOXES":
                chosen.update(source.mailboxes)
            case _:
                chosen |= {
                    name for name in everything if any(_below(name, root, source.what) for root in source.mailboxes)
                }
    return {name: folder for name, folder in everything.items() if name in chosen}


def _below(name: str, root: str, how: str) -> bool:
    if name == root:
        return True
    start = root + SEPARATOR
    return name.startswith(start) and (how == "SUBTREE" or SEPARATOR not in name[len(start) :])
