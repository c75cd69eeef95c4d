"""CAPABILITY, NOOP, LOGOUT, ID, ENABLE, NAMESPACE: commands that touch no mailbox."""

import logging
from typing import TYPE_CHECKING

from mailhub.model.mailbox import SEPARATOR
from mailhub.wire.imap import commands, responses

from . import sync
from .answers import Answer, no, ok

if TYPE_CHECKING:
    from .session import ImapSession

log = logging.getLogger("mailhub.imap")

# what ENABLE changes, and how it is spelled
ENABLED = {
    "IMAP4REV2": "IMAP4rev2",
    "UTF8=ACCEPT": "UTF8=ACCEPT",
    "CONDSTORE": "CONDSTORE",
    "QRESYNC": "QRESYNC",
    "UIDONLY": "UIDONLY",
}


async def capability(session: "ImapSession", verb: commands.Capability) -> Answer:
    """RFC 3501 section 6.1.1."""
    session.write(responses.untagged(f"CAPABILITY {session.capabilities()}"))
    return ok("Capability completed")


async def noop(session: "ImapSession", verb: commands.Noop) -> Answer:
    """RFC 3501 section 6.1.2: the updates that follow every command are all of it."""
    return ok("Nothing done")


async def logout(session: "ImapSession", verb: commands.Logout) -> Answer:
    """RFC 3501 section 6.1.3."""
    session.deselect()
    session.goodbye("Goodbye")
    return ok("Logged out")


async def identify(session: "ImapSession", verb: commands.Id) -> Answer:
    """RFC 2971. The server does not say its version to strangers."""
    told = {key[:30]: value[:200] for key, value in verb.fields if value is not None}
    log.info("%s: client says it is %r", session.context.session, told)
    session.write(b'* ID ("name" "mailhub")\r\n')
    return ok("Nice to meet you")


async def enable(session: "ImapSession", verb: commands.Enable) -> Answer:
    """RFC 5161: names that mean nothing here, or were enabled before, are passed over."""
    fresh = frozenset(verb.names) & ENABLED.keys() - session.enabled
    condstore = session.condstore
    session.enable(fresh)
    session.write(responses.untagged(" ".join(["ENABLED", *(ENABLED[name] for name in sorted(fresh))])))
    if session.condstore and not condstore and session.selected is not None:
        await sync.begin(session)
    return ok("Enabled" if fresh else "Nothing to enable")


async def compress(session: "ImapSession", verb: commands.Compress) -> Answer:
    """RFC 4978. What follows this answer is compressed: `deflate`."""
    if session.stream.deflated:
        return no("Compression is active already", "COMPRESSIONACTIVE")
    return ok("DEFLATE from here on")


async def deflate(session: "ImapSession") -> None:
    """RFC 4978 section 3, both directions."""
    session.stream.deflate()


async def namespace(session: "ImapSession", verb: commands.Namespace) -> Answer:
    """RFC 2342: the personal one without a prefix, those of other users, and what is everybody's."""
    spaces = session.account.namespaces
    told = [
        b'((%b "%b"))' % (session.mailbox(prefix), SEPARATOR.encode()) if prefix or n == 0 else b"NIL"
        for n, prefix in enumerate(("", spaces.others, spaces.public))
    ]
    session.write(b"* NAMESPACE %b\r\n" % b" ".join(told))
    return ok("Namespace completed")
