"""GENURLAUTH, URLFETCH, RESETKEY (RFC 4467), and the parts of messages that URLs name."""

import hashlib
import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from msgspec import Struct

from mailhub.mailbox.service import AccountMail
from mailhub.model.errors import MailError, NotFound
from mailhub.model.mailbox import Folder
from mailhub.wire.imap import commands, responses
from mailhub.wire.imap import urls as wire
from mailhub.wire.imap.urls import BadUrl, MessageUrl

from .answers import Answer, Refused, bad, no, ok
from .sections import Octets, OpenMessage

if TYPE_CHECKING:
    from .session import ImapSession

MECHANISM = "INTERNAL"


class OpenPart(Struct, frozen=True):
    """What a URL names, while its message is open."""

    message: OpenMessage
    piece: bytes | Octets

    @property
    def size(self) -> int:
        return len(self.piece) if isinstance(self.piece, bytes) else self.piece.size

    async def blocks(self) -> AsyncIterator[bytes]:
        if isinstance(self.piece, bytes):
            yield self.piece
            return
        async for block in self.message.blocks(self.piece):
            yield block


@asynccontextmanager
async def opened_own(session: "ImapSession", text: bytes) -> AsyncIterator[OpenPart]:
    """What a URL names in the account's own mail. Raises BadUrl and NotFound."""
    url = wire.read(text)
    if url.user and _whole(session, url.user) != session.account.name:
        raise BadUrl
    async with _opened(session, session.account, await session.account.find(url.mailbox, "r"), url) as part:
        yield part


@asynccontextmanager
async def _opened(
    session: "ImapSession", account: AccountMail, folder: Folder, url: MessageUrl
) -> AsyncIterator[OpenPart]:
    if url.uidvalidity not in (None, folder.uidvalidity):
        raise NotFound("another UIDVALIDITY")
    async with await account.open(folder, url.uid) as file:
        message = OpenMessage(session.mailboxes, file, (folder.id, url.uid), session.last_tree)
        piece = await message.section(url.section)
        if piece is None:
            raise NotFound("no such part")
        session.read(file)
        yield OpenPart(message, piece)


def _whole(session: "ImapSession", user: str) -> str:
    """An account's name from that in a URL, which may go without its domain."""
    return (user if "@" in user else f"{user}@{session.account.name.rpartition('@')[2]}").lower()


async def gen_url_auth(session: "ImapSession", verb: commands.GenUrlAuth) -> Answer:
    """RFC 4467 section 7: tokens for URLs of the account's own mail."""
    signed: list[bytes] = []
    for text in verb.urls:
        try:
            url = wire.read(text)
        except BadUrl:
            return bad("Not the URL of a message")
        if not url.access or url.mechanism or _whole(session, url.user) != session.account.name:
            return bad("Not a URL of this account that ends with its access")
        key = await session.account.url_key(await _own(session, url.mailbox))
        signed.append(text + f":{MECHANISM}:{_token(key, text)}".encode())
    session.write(b"".join([b"* GENURLAUTH", *(b" " + responses.string(url) for url in signed), b"\r\n"]))
    return ok("URLs may be given away")


async def url_fetch(session: "ImapSession", verb: commands.UrlFetch) -> Answer:
    """RFC 4467 section 7: NIL for what is not there, has expired or is not for this client: it can not tell which."""
    session.write(b"* URLFETCH")
    for text in verb.urls:
        session.write(b" %b " % responses.string(text))
        try:
            async with _granted(session, text) as part:
                await _send(session, part)
        except (BadUrl, MailError):
            session.write(b"NIL")
    session.write(b"\r\n")
    return ok("URLs fetched")


async def _own(session: "ImapSession", mailbox: str) -> Folder:
    """Only an owner gives access to a folder by URLs."""
    folder = await session.account.find(mailbox)
    if folder.account != session.account.name:
        raise Refused(no("Only its owner may do that", "NOPERM"))
    return folder


async def _send(session: "ImapSession", part: OpenPart) -> None:
    """Once a literal is begun it must be finished: after an error the connection is of no use."""
    session.write(b"{%d}\r\n" % part.size)
    try:
        async for block in part.blocks():
            session.write(block)
            await session.flush()
    except BaseException:
        session.stream.abort()
        raise


@asynccontextmanager
async def _granted(session: "ImapSession", text: bytes) -> AsyncIterator[OpenPart]:
    """Nothing of another's mail is looked at, or made, before the token is right."""
    url = wire.read(text)
    expired = url.expire is not None and url.expire <= session.clock.now()
    if url.mechanism != MECHANISM or expired or not _may_read(session, url.access):
        raise BadUrl
    owner = session.mailboxes.account(_whole(session, url.user))
    folder, key = await owner.known_url_key(url.mailbox)
    if not hmac.compare_digest(_token(key, url.rump).encode(), url.token.lower()):
        raise BadUrl
    async with _opened(session, owner, folder, url) as part:
        yield part


def _may_read(session: "ImapSession", access: str) -> bool:
    """RFC 4467 section 3: "submit+" is for a submission server that has logged in for that user."""
    kind, _, user = access.partition("+")
    return kind in ("anonymous", "authuser") or _whole(session, user) == session.account.name


def _token(key: bytes, rump: bytes) -> str:
    return hmac.digest(key, rump, hashlib.sha256).hex()


async def reset_key(session: "ImapSession", verb: commands.ResetKey) -> Answer:
    """RFC 4467 section 7: what was given away is worth nothing any more."""
    account = session.account
    for folder in await account.folders() if verb.mailbox is None else [await _own(session, verb.mailbox)]:
        await account.forget_url_key(folder)
    return ok("Keys forgotten", f"URLMECH {MECHANISM}" if verb.mailbox is not None else "")
