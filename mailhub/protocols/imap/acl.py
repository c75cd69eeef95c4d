"""SETACL, DELETEACL, GETACL, LISTRIGHTS, MYRIGHTS (RFC 4314 section 3)."""

from typing import TYPE_CHECKING

from mailhub.model import rights
from mailhub.model.mailbox import FlagOp
from mailhub.wire.imap import commands, responses
from mailhub.wire.sasl.scram import saslprep

from .answers import Answer, Refused, bad, ok

if TYPE_CHECKING:
    from .session import ImapSession


async def set_acl(session: "ImapSession", verb: commands.SetAcl) -> Answer:
    """RFC 4314 section 3.1."""
    folder = await session.account.find(verb.mailbox, "a")
    await session.account.sharing.change(folder, _prepared(verb.identifier), verb.op, verb.rights)
    return ok("Rights changed")


async def delete_acl(session: "ImapSession", verb: commands.DeleteAcl) -> Answer:
    """RFC 4314 section 3.2."""
    folder = await session.account.find(verb.mailbox, "a")
    await session.account.sharing.change(folder, _prepared(verb.identifier), FlagOp.REPLACE, "")
    return ok("Rights taken away")


async def get_acl(session: "ImapSession", verb: commands.GetAcl) -> Answer:
    """RFC 4314 section 3.3."""
    folder = await session.account.find(verb.mailbox, "a")
    pairs = [
        b" %b %b" % (_text(identifier), rights.told(frozenset(letters)).encode())
        for identifier, letters in await session.account.sharing.entries(folder)
    ]
    session.write(b"* ACL %b%b\r\n" % (session.mailbox(verb.mailbox), b"".join(pairs)))
    return ok("Getacl completed")


async def list_rights(session: "ImapSession", verb: commands.ListRights) -> Answer:
    """RFC 4314 section 3.4: no right is tied to another; "c" and "d" stand by themselves (section 2.1.1)."""
    folder = await session.account.find(verb.mailbox, "a")
    always, optional = session.account.sharing.grantable(folder, _prepared(verb.identifier))
    words = [rights.told(always) or '""', *rights.told(optional)]
    name, identifier = session.mailbox(verb.mailbox), _text(verb.identifier)
    session.write(b"* LISTRIGHTS %b %b %b\r\n" % (name, identifier, " ".join(words).encode()))
    return ok("Listrights completed")


async def my_rights(session: "ImapSession", verb: commands.MyRights) -> Answer:
    """RFC 4314 section 3.5."""
    folder = await session.account.known(verb.mailbox)
    session.write(b"* MYRIGHTS %b %b\r\n" % (session.mailbox(verb.mailbox), rights.told(folder.rights).encode()))
    return ok("Myrights completed")


def _prepared(identifier: str) -> str:
    """As RFC 4314 section 3 wants it compared: by SASLprep; what that does not allow is BAD."""
    try:
        return saslprep(identifier)
    except ValueError:
        raise Refused(bad("That is no identifier")) from None


def _text(text: str) -> bytes:
    return responses.astring(text.encode())
