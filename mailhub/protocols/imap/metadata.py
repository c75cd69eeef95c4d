"""GETMETADATA and SETMETADATA (RFC 5464), METADATA in LIST (RFC 9590)."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from mailhub.mailbox.annotations import usable
from mailhub.model.errors import LimitReached
from mailhub.model.mailbox import Folder
from mailhub.wire.imap import commands, responses

from .answers import Answer, no, ok

if TYPE_CHECKING:
    from .session import ImapSession


async def get_metadata(session: "ImapSession", verb: commands.GetMetadata) -> Answer:
    """RFC 5464 section 4.2; values longer than MAXSIZE are left out, and the answer says how long the longest is."""
    folder = await session.account.find(verb.mailbox) if verb.mailbox else None
    found = dict(_asked(await session.account.annotations.get(folder), verb.entries, verb.depth))
    longest = 0
    if verb.maxsize is not None:
        longest = max((len(value or b"") for value in found.values()), default=0)
        found = {entry: value for entry, value in found.items() if len(value or b"") <= verb.maxsize}
    _write(session, verb.mailbox, list(found.items()))
    await session.flush()
    if verb.maxsize is not None and longest > verb.maxsize:
        return ok("Some values are longer", f"METADATA LONGENTRIES {longest}")
    return ok("Getmetadata completed")


async def set_metadata(session: "ImapSession", verb: commands.SetMetadata) -> Answer:
    """RFC 5464 section 4.3: all or none."""
    limit = session.mailboxes.config.metadata_value_limit
    if any(value is not None and len(value) > limit for _, value in verb.values):
        return no("Value too long", f"METADATA MAXSIZE {limit}")
    folder = await session.account.find(verb.mailbox) if verb.mailbox else None
    try:
        await session.account.annotations.set(folder, verb.values)
    except LimitReached:
        return no("Too many annotations", "METADATA TOOMANY")
    if session.watch is not None:
        session.watch.heard_annotations(0 if folder is None else folder.id, [entry for entry, _ in verb.values])
    return ok("Setmetadata completed")


def readable(folder: Folder) -> bool:
    """Whether LIST may tell a folder's annotations."""
    return usable(folder.rights)


async def tell(session: "ImapSession", name: str, folder: Folder, entries: Sequence[str], some: frozenset[int]) -> None:
    """The METADATA response that follows a LIST (RFC 9590); `some`: the folders that have any."""
    known = await session.account.annotations.get(folder) if folder.id in some else []
    _write(session, name, list(_asked(known, entries, 0)))


def _asked(
    known: Sequence[tuple[str, bytes]], entries: Iterable[str], depth: int | None
) -> Iterable[tuple[str, bytes | None]]:
    """Those named and those below them, as deep as asked; NIL for a name that has no value and nothing below it."""
    for wanted in entries:
        levels = wanted.count("/")
        found = [
            (entry, value)
            for entry, value in known
            if (entry.lower() + "/").startswith(wanted.lower() + "/")
            and (depth is None or entry.count("/") - levels <= depth)
        ]
        if found:
            yield from found
        else:
            yield wanted, None


def _write(session: "ImapSession", name: str, pairs: Sequence[tuple[str, bytes | None]]) -> None:
    if not pairs:
        return
    values = b" ".join(b"%b %b" % (entry.encode(), responses.nstring8(value)) for entry, value in pairs)
    session.write(b"* METADATA %b (%b)\r\n" % (session.mailbox(name), values))
