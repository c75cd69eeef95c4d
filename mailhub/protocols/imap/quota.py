"""GETQUOTA, GETQUOTAROOT, SETQUOTA (RFC 9208): one root for each account, called as the account is; none where it has no limit."""

from typing import TYPE_CHECKING

from mailhub.wire.imap import commands, responses

from .answers import Answer, no, ok

if TYPE_CHECKING:
    from .session import ImapSession

UNIT = 1_024  # octets that STORAGE counts by (section 5.1)


async def get_quota(session: "ImapSession", verb: commands.GetQuota) -> Answer:
    """RFC 9208 section 4.1.1. Others' roots are as if there were none."""
    told = await _told(session) if verb.root == session.account.name else b""
    if not told:
        return no("There is no such quota root", "NONEXISTENT")
    session.write(told)
    return ok("Getquota completed")


async def get_quota_root(session: "ImapSession", verb: commands.GetQuotaRoot) -> Answer:
    """RFC 9208 section 4.1.2. What another has left is his business: a folder of his has no root that can be told."""
    folder = await session.account.find(verb.mailbox, "r")
    told = await _told(session) if folder.account == session.account.name else b""
    root = b" " + _root(session) if told else b""
    session.write(b"* QUOTAROOT %b%b\r\n%b" % (session.mailbox(verb.mailbox), root, told))
    return ok("Getquotaroot completed")


async def set_quota(session: "ImapSession", verb: commands.SetQuota) -> Answer:
    """RFC 9208 section 4.1.3: limits are set by who runs the server, and not here."""
    return no("Limits are set by who runs this server", "NOPERM")


def _root(session: "ImapSession") -> bytes:
    return responses.astring(session.account.name.encode())


async def _told(session: "ImapSession") -> bytes:
    """The QUOTA response with the resources that are limited, "" where none is. What is begun of a unit counts as used."""
    quota = await session.account.quota()
    resources: list[str] = []
    if quota.limits.storage:
        resources.append(f"STORAGE {-(-quota.storage // UNIT)} {quota.limits.storage // UNIT}")
    if quota.limits.messages:
        resources.append(f"MESSAGE {quota.messages} {quota.limits.messages}")
    return b"* QUOTA %b (%b)\r\n" % (_root(session), " ".join(resources).encode()) if resources else b""
