"""LIST and LSUB (RFC 3501 sections 6.3.8 and 6.3.9, RFC 5258, RFC 6154)."""

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING

from mailhub.model.mailbox import SEPARATOR, Folder
from mailhub.wire.imap import commands, responses
from mailhub.wire.imap.names import canonical, matches

from .answers import Answer, ok

if TYPE_CHECKING:
    from .session import ImapSession

PAUSE = 500  # names after which the loop gets its turn


class _Tree:
    """All names of an account: folders, names subscribed to, and the levels above them."""

    def __init__(self, folders: Iterable[Folder], subscribed: Iterable[str]) -> None:
        self.folders = {folder.name: folder for folder in folders}
        self.subscribed = {canonical(name, SEPARATOR) for name in subscribed}
        self.parents = _parents(self.folders)
        self.above_subscribed = _parents(self.subscribed)

    def attributes(self, name: str) -> list[str]:
        """What every LIST says of a name (RFC 3348, RFC 6154)."""
        folder = self.folders.get(name)
        out = ["\\NonExistent", "\\Noselect"] if folder is None else []
        out.append("\\HasChildren" if name in self.parents else "\\HasNoChildren")
        if folder is not None and folder.special_use:
            out.append(folder.special_use)
        return out


def _parents(names: Iterable[str]) -> set[str]:
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
    names = set(tree.folders) | tree.parents
    if "SUBSCRIBED" in verb.selection:
        names = tree.subscribed | (tree.above_subscribed if "RECURSIVEMATCH" in verb.selection else set())
    patterns = _patterns(verb.reference, verb.patterns)
    for n, name in enumerate(_sorted(names)):
        if n % PAUSE == PAUSE - 1:
            await session.flush()
            await asyncio.sleep(0)
        if any(matches(pattern, name, SEPARATOR) for pattern in patterns):
            _list_one(session, verb, tree, name)
    return ok("List completed")


def _list_one(session: "ImapSession", verb: commands.List, tree: _Tree, name: str) -> None:
    attributes = tree.attributes(name)
    folder = tree.folders.get(name)
    if "SPECIAL-USE" in verb.selection and not (folder and folder.special_use):
        return
    extra = b""
    if "SUBSCRIBED" in verb.selection and "RECURSIVEMATCH" in verb.selection and name in tree.above_subscribed:
        extra = b' ("CHILDINFO" ("SUBSCRIBED"))'
    if name in tree.subscribed and "SUBSCRIBED" in verb.selection | verb.returns:
        attributes.append("\\Subscribed")
    session.write(responses.listing(b"LIST", attributes, session.mailbox(name), extra))


async def listed(session: "ImapSession", folder: Folder) -> bytes:
    """The LIST line of a folder that is there."""
    attributes = (await _tree(session)).attributes(folder.name)
    return responses.listing(b"LIST", attributes, session.mailbox(folder.name))


async def lsub(session: "ImapSession", verb: commands.Lsub) -> Answer:
    """RFC 3501 section 6.3.9: "%" also shows, as \\Noselect, a level above what is subscribed to."""
    tree = await _tree(session)
    patterns = _patterns(verb.reference, (verb.pattern,))
    above = tree.above_subscribed if verb.pattern.endswith("%") else set()
    for n, name in enumerate(_sorted(tree.subscribed | above)):
        if n % PAUSE == PAUSE - 1:
            await session.flush()
            await asyncio.sleep(0)
        if matches(patterns[0], name, SEPARATOR):
            attributes = [] if name in tree.subscribed else ["\\Noselect"]
            session.write(responses.listing(b"LSUB", attributes, session.mailbox(name)))
    return ok("Lsub completed")


async def _tree(session: "ImapSession") -> _Tree:
    return _Tree(await session.account.folders(), await session.account.subscriptions())


def _patterns(reference: str, patterns: Iterable[str]) -> list[str]:
    return [canonical(reference + pattern, SEPARATOR) for pattern in patterns]


def _sorted(names: Iterable[str]) -> list[str]:
    """INBOX first, then by name."""
    return sorted(names, key=lambda name: (name != "INBOX", name))
