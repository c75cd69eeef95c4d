"""LIST, XLIST and LSUB (RFC 3501 sections 6.3.8 and 6.3.9, RFC 5258, RFC 6154) and what else a LIST may return."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import TYPE_CHECKING

from mailhub.model import rights
from mailhub.model.mailbox import SEPARATOR, Folder
from mailhub.wire.imap import commands, responses
from mailhub.wire.imap.names import Patterns, canonical

from . import metadata, status
from .answers import Answer, ok

if TYPE_CHECKING:
    from .session import ImapSession

PAUSE = 50  # names after which the loop gets its turn
_XLIST = {"\\Junk": "\\Spam"}  # what Gmail called the special uses that it named otherwise


class Tree:
    """All names that an account may know of: folders, names subscribed to, and the levels above them."""

    def __init__(self, folders: dict[str, Folder], subscribed: Iterable[str]) -> None:
        self.folders = folders
        self.subscribed = {canonical(name, SEPARATOR) for name in subscribed}
        self.parents = parents(folders)

    def attributes(self, name: str) -> list[str]:
        """What every LIST says of a name (RFC 3348, RFC 6154)."""
        folder = self.folders.get(name)
        out = ["\\NonExistent", "\\Noselect"] if folder is None else []
        out.append("\\HasChildren" if name in self.parents else "\\HasNoChildren")
        if use := self.special_use(name):
            out.append(use)
        return out

    def special_use(self, name: str) -> str:
        """Of our own folders: another's \\Sent is not where our mail goes."""
        folder = self.folders.get(name)
        return folder.special_use if folder is not None and folder.name == name else ""

    def chosen(self, selection: frozenset[str]) -> set[str]:
        """Names that meet the selection options; a name that is only subscribed to need not exist."""
        names = set(self.subscribed) if "SUBSCRIBED" in selection else set(self.folders) | self.parents
        return {name for name in names if self.special_use(name)} if "SPECIAL-USE" in selection else names


def parents(names: Iterable[str]) -> set[str]:
    """All levels above those names."""
    out: set[str] = set()
    for name in names:
        while (cut := name.rfind(SEPARATOR)) > 0:
            name = name[:cut]
            if name in out:
                break
            out.add(name)
    return out


async def list_(session: "ImapSession", verb: commands.List) -> Answer:
    """RFC 3501 section 6.3.8; with options: RFC 5258."""
    if verb.patterns == ("",) and not verb.extended:
        session.write(responses.listing(b"LIST", ["\\Noselect"], b'""'))
        return ok("List completed")
    tree = await _tree(session)
    chosen = tree.chosen(verb.selection)
    above = parents(chosen) if "RECURSIVEMATCH" in verb.selection else set()
    bases = [f'"{option}"' for option in ("SUBSCRIBED", "SPECIAL-USE") if option in verb.selection]
    annotated = await session.account.annotations.among(tree.folders.values()) if verb.metadata else frozenset[int]()
    childinfo = f' ("CHILDINFO" ({" ".join(bases)}))'.encode()
    async for name in _matching(session, chosen | above, verb.reference, verb.patterns):
        attributes = tree.attributes(name)
        if name in tree.subscribed and "SUBSCRIBED" in verb.selection | verb.returns:
            attributes.append("\\Subscribed")
        session.write(
            responses.listing(b"LIST", attributes, session.mailbox(name), childinfo if name in above else b"")
        )
        if name in tree.folders:
            await _besides(session, verb, name, tree.folders[name], annotated)
    return ok("List completed")


async def _besides(
    session: "ImapSession", verb: commands.List, name: str, folder: Folder, annotated: frozenset[int]
) -> None:
    """What RFC 5819, RFC 8440 and RFC 9590 add to the LIST of a folder, as far as its rights go."""
    if verb.status and "r" in folder.rights:
        session.write(await status.line(session, name, folder, verb.status))
    if "MYRIGHTS" in verb.returns:
        session.write(b"* MYRIGHTS %b %b\r\n" % (session.mailbox(name), rights.told(folder.rights).encode()))
    if verb.metadata and metadata.readable(folder):
        await metadata.tell(session, name, folder, verb.metadata, annotated)


async def listed(session: "ImapSession", name: str) -> bytes:
    """The LIST line of a folder that is there."""
    return responses.listing(b"LIST", (await _tree(session)).attributes(name), session.mailbox(name))


async def xlist(session: "ImapSession", verb: commands.Xlist) -> Answer:
    """As Gmail answered it before RFC 6154: INBOX has an attribute, too."""
    tree = await _tree(session)
    async for name in _matching(session, tree.chosen(frozenset()), verb.reference, (verb.pattern,)):
        attributes = [_XLIST.get(word, word) for word in tree.attributes(name) if word != "\\NonExistent"]
        if name == "INBOX":
            attributes.append("\\Inbox")
        session.write(responses.listing(b"XLIST", attributes, session.mailbox(name)))
    return ok("Xlist completed")


async def lsub(session: "ImapSession", verb: commands.Lsub) -> Answer:
    """RFC 3501 section 6.3.9: "%" also shows, as \\Noselect, a level above what is subscribed to."""
    tree = await _tree(session)
    above = parents(tree.subscribed) if verb.pattern.endswith("%") else set()
    async for name in _matching(session, tree.subscribed | above, verb.reference, (verb.pattern,)):
        attributes = [] if name in tree.subscribed else ["\\Noselect"]
        session.write(responses.listing(b"LSUB", attributes, session.mailbox(name)))
    return ok("Lsub completed")


async def _tree(session: "ImapSession") -> Tree:
    return Tree(await session.account.listing(), await session.account.subscriptions())


async def _matching(
    session: "ImapSession", names: Iterable[str], reference: str, patterns: Iterable[str]
) -> AsyncIterator[str]:
    """Names that one of the patterns covers, INBOX first; the loop gets its turn between them."""
    wanted = Patterns([canonical(reference + pattern, SEPARATOR) for pattern in patterns], SEPARATOR)
    for n, name in enumerate(sorted(names, key=lambda name: (name != "INBOX", name))):
        if n % PAUSE == PAUSE - 1:
            await session.flush()
            await asyncio.sleep(0)
        if wanted.match(name):
            yield name
