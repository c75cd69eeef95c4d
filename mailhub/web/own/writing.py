"""A message as it is written by HTTP: its parts, those that lie in the account's folders already, and what becomes of its draft."""

import base64
import binascii
import hashlib
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Annotated

from aiohttp import web
from msgspec import Meta, Struct

from mailhub.mailbox.service import AccountMail, Mailboxes, MessageFile
from mailhub.message import stamps
from mailhub.message.compose import Attachment, Letter, Person, people
from mailhub.message.decoding import octets
from mailhub.model import ids
from mailhub.model.clock import Clock
from mailhub.model.errors import LimitReached, NotFound
from mailhub.model.mailbox import ANSWERED, FlagOp
from mailhub.net.names import ascii_name

from ..routes import BODY, read

_TEXT = (
    2_000_000  # characters of a text; of more, letter by letter, a minute and gigabytes would go into making a message
)
_LARGE = 4  # requests of one account, each of which brings more than BODY octets
_PICTURE = re.compile(r' src="data:(image/(?:png|jpeg|gif|webp));base64,([A-Za-z0-9+/=]+)"')
_FORWARDED = "$Forwarded"  # RFC 5788
_MESSAGE = "message/rfc822"
Addresses = Annotated[tuple[Annotated[str, Meta(max_length=2_000)], ...], Meta(max_length=1_000)]
Line = Annotated[str, Meta(max_length=2_000)]
Place = Annotated[str, Meta(min_length=1, max_length=1_000)]
Uid = Annotated[int, Meta(ge=1, lt=1 << 32)]


class Carried(Struct, frozen=True, forbid_unknown_fields=True):
    """A part of a message in one of the account's folders that goes along; `section` "": that message as a whole. `folder`: id or name."""

    folder: Place
    uid: Uid
    section: Annotated[str, Meta(max_length=100)] = ""


class Answers(Struct, frozen=True, forbid_unknown_fields=True):
    """The message that is answered, or passed on: it is marked so when this is sent."""

    folder: Place
    uid: Uid
    forwarded: bool = False


class File(Struct, frozen=True, forbid_unknown_fields=True):
    """`content`: base64. `cid`: the HTML shows it as `cid:...`, and it is no attachment then."""

    name: Annotated[str, Meta(max_length=255)]
    content: bytes
    type: Annotated[str, Meta(max_length=255)] = "application/octet-stream"
    cid: Annotated[str, Meta(max_length=200)] = ""


class Writing(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A message to be sent. Addresses are "a@b" or "Name <a@b>". `sender`: one of the account's own addresses; "" its first. `wait`: seconds
    in which it can be taken back; `at`: not before that time (wall time). `report`: tell me when it has been delivered, or is late (RFC 3461). `receipt`: ask to be
    told when it was displayed (RFC 8098). Pictures that stand in `html` as `data:` URLs go as parts of it. `draft`: UID of what was written so far,
    in the folder of drafts; it is gone when this is sent."""

    sender: Line = ""
    to: Addresses = ()
    cc: Addresses = ()
    bcc: Addresses = ()
    reply_to: Addresses = ()
    subject: Line = ""
    text: str = ""
    html: str = ""
    attachments: Annotated[tuple[File, ...], Meta(max_length=1_000)] = ()
    in_reply_to: Line = ""
    references: Annotated[tuple[Line, ...], Meta(max_length=100)] = ()
    wait: Annotated[float, Meta(ge=0, le=3_600)] = 0.0
    at: Annotated[float, Meta(ge=0)] = 0.0
    report: bool = False
    receipt: bool = False
    carried: Annotated[tuple[Carried, ...], Meta(max_length=1_000)] = ()
    answers: Answers | None = None
    draft: Annotated[int, Meta(ge=0, lt=1 << 32)] = 0


class Writer:
    """One per hub. `new_id`: of queue items; `limit`: octets of a message."""

    def __init__(self, mailboxes: Mailboxes, new_id: Callable[[], int], clock: Clock, limit: Callable[[], int]) -> None:
        self._mailboxes, self._new_id, self._clock, self._limit = mailboxes, new_id, clock, limit
        self._large: Counter[str] = Counter()  # requests under way, by account

    @asynccontextmanager
    async def reading(self, account: str, request: web.Request) -> AsyncIterator[Writing]:
        """What the request brings, while something is made of it: a large one is in memory several times over, so that an account may
        have a few of them under way. LimitReached; ValueError."""
        large = request.content_length is None or request.content_length > BODY
        if large and self._large[account] >= _LARGE:
            raise LimitReached(f"{_LARGE} large messages of yours are on their way: one after the other")
        self._large[account] += large
        try:
            yield await read(request, Writing, 0)
        finally:
            self._large[account] -= large
            if not self._large[account]:
                del self._large[account]

    async def letter(self, account: str, writing: Writing, *, draft: bool = False) -> Letter:
        """ValueError for what is no message, NotFound for parts that are not there. `draft`: addresses that are none yet are left out."""
        told = _so_far if draft else people
        senders = people([writing.sender or account])
        if len(senders) != 1:
            raise ValueError("sender: one address")
        html, pictures = await self._mailboxes.lane.call(without_pictures, writing.html)
        if max(len(writing.text), len(html)) > _TEXT:
            raise ValueError(f"a text of more than {_TEXT:,} characters: it can be attached")
        files = [Attachment(one.name, one.type, one.content, one.cid) for one in writing.attachments]
        left = self._limit() - sum([len(one.content) for one in (*files, *pictures)])
        files += await self._carried(account, writing.carried, left)
        domain = senders[0].address.rpartition("@")[2]
        return Letter(
            sender=_reachable(senders[0]),
            date=stamps.date_time(self._clock.now()),
            message_id=stamps.message_id(ids.text(self._new_id()), ascii_name(domain)),
            to=tuple(map(_reachable, told(writing.to))),
            cc=tuple(map(_reachable, told(writing.cc))),
            bcc=tuple(map(_reachable, told(writing.bcc))),
            reply_to=tuple(map(_reachable, told(writing.reply_to))),
            subject=writing.subject,
            text=writing.text,
            html=html,
            attachments=(*files, *pictures),
            in_reply_to=writing.in_reply_to,
            references=writing.references,
            wants_receipt=writing.receipt,
            is_draft=draft,
        )

    async def _carried(self, account: str, wanted: Sequence[Carried], left: int) -> list[Attachment]:
        """`left`: octets that the message may have still. ValueError where that is too little."""
        mail, found = self._mailboxes.account(account), []
        for one in wanted:
            folder = await mail.by_id(one.folder, "r")
            async with await mail.open(folder, one.uid) as file:
                found.append(await self._part(file, one.section, left))
            left -= len(found[-1].content)
        if left < 0:
            raise _too_large()
        return found

    async def _part(self, file: MessageFile, section: str, left: int) -> Attachment:
        if not section:
            if file.size > left:
                raise _too_large()
            whole = await file.read(0, file.size)
            return Attachment("message.eml", _MESSAGE, whole.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))
        parts = await self._mailboxes.leaves(file)
        leaf = next((one for one in parts if one.section == section), None)
        if leaf is None:
            raise NotFound("a part that was to go along is not there")
        part = leaf.part
        if part.end - part.body > 2 * left:  # encoded
            raise _too_large()
        content = octets(await file.read(part.body, part.end - part.body), part.encoding)
        return Attachment(leaf.name or f"part-{section}", leaf.kind, content)

    async def sent(self, account: str, writing: Writing) -> None:
        """It is in the queue: the draft goes, what it answers is marked."""
        mail = self._mailboxes.account(account)
        if writing.draft:
            await discard(mail, writing.draft)
        if writing.answers is not None:
            folder = await mail.by_id(writing.answers.folder, "r")
            view = await mail.open_view(folder, read_only=True)
            try:
                keywords = (_FORWARDED,) if writing.answers.forwarded else ()
                await view.set_flags([writing.answers.uid], FlagOp.ADD, 0 if keywords else ANSWERED, keywords)
            finally:
                view.close()


def _too_large() -> ValueError:
    return ValueError("the message would be larger than smtp.message_size_limit")


async def discard(mail: AccountMail, uid: int) -> int:
    """A draft is not wanted any more. How many there were of that UID."""
    return await mail.remove(await mail.find(await mail.have("Drafts"), "te"), [uid])


def without_pictures(html: str) -> tuple[str, list[Attachment]]:
    """HTML whose pictures are parts of the message, and those."""
    found: dict[str, Attachment] = {}

    def take(match: re.Match[str]) -> str:
        try:
            content = base64.b64decode(match[2], validate=True)
        except binascii.Error:
            return match[0]
        cid = f"{hashlib.sha256(content).hexdigest()[:24]}@mailhub"
        found[cid] = Attachment(f"picture-{len(found) + 1}.{match[1].rpartition('/')[2]}", match[1], content, cid)
        return f' src="cid:{cid}"'

    return _PICTURE.sub(take, html), list(found.values())


def _so_far(texts: Sequence[str]) -> tuple[Person, ...]:
    """Those that are addresses already."""
    found: list[Person] = []
    for text in texts:
        try:
            found += people([text])
        except ValueError:
            continue
    return tuple(found)


def _reachable(person: Person) -> Person:
    """The domain as DNS has it, so that an address whose local part is ASCII needs no SMTPUTF8."""
    local, _, domain = person.address.rpartition("@")
    return Person(person.name, f"{local}@{domain if domain.startswith('[') else ascii_name(domain)}")
