"""STORE (RFC 3501 section 6.4.6)."""

from typing import TYPE_CHECKING

from mailhub.model.mailbox import SYSTEM_FLAGS
from mailhub.wire.imap import commands

from . import messages, updates
from .answers import Answer, Refused, bad, ok
from .selected import must_be_writable

if TYPE_CHECKING:
    from .session import ImapSession

PAGE = 1_000  # messages of one unit
_BITS = {name.upper(): bit for name, bit in SYSTEM_FLAGS.items()}


def split_flags(flags: tuple[str, ...]) -> tuple[int, tuple[str, ...]]:
    """Names to (system flags, keywords). \\Recent is not a client's to set (RFC 3501 section 2.3.2)."""
    bits, keywords = 0, []
    for flag in flags:
        if not flag.startswith("\\"):
            keywords.append(flag)
        elif flag.upper() in _BITS:
            bits |= _BITS[flag.upper()]
        elif flag.upper() != "\\RECENT":
            raise Refused(bad("Unknown system flag"))
    return bits, tuple(dict.fromkeys(keywords))


async def store(session: "ImapSession", verb: commands.Store) -> Answer:
    """The new flags come back as FETCH, unless silence is asked for."""
    view = session.view
    spans = messages.places(view, verb.messages)
    must_be_writable(session)
    bits, keywords = split_flags(verb.flags)
    for page in messages.pages(spans, PAGE):
        known = view.folder.keywords
        await view.set_flags([view.uids[place] for place in page], verb.op, bits, keywords)
        if view.folder.keywords != known:
            session.write(updates.flags_lines(view))
        if not verb.silent:
            words = updates.flag_words(session)
            uid = b"UID %d " if verb.messages.by_uid else b""
            session.write(
                b"".join(
                    [
                        b"* %d FETCH (%bFLAGS %b)\r\n"
                        % (place + 1, uid and uid % view.uids[place], words(view.uids[place], view.flags[place]))
                        for place in page
                    ]
                )
            )
            await session.flush()
    return ok("Flags stored")
