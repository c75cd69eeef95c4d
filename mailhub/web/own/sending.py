"""Mail that an account sends by HTTP: made of its parts, through the door of submission; what became of it, and taking it back."""

import asyncio
import re
from typing import Annotated

from aiohttp import web
from msgspec import Meta, Struct

from mailhub.control import words
from mailhub.control.sent import PROTOCOL
from mailhub.control.service import Control
from mailhub.mailbox.heavy import HeavyLane
from mailhub.message import stamps
from mailhub.message.compose import Attachment, Letter, Person, composed, people
from mailhub.model import ids
from mailhub.model.clock import Clock
from mailhub.model.envelope import MailParameters, Notify, Origin
from mailhub.net.names import ascii_name
from mailhub.policy import Policy
from mailhub.policy.counters import Recent
from mailhub.policy.submitting import submit

from ..access import Access
from ..routes import Route, answered, read
from ..safety import client_of
from .signed import OWN, signed_in

_ONCE = "Idempotency-Key"
_REMEMBERED = 86_400.0, 10_000  # seconds, and number of keys
_KEY = re.compile(r"[!-~]{1,200}")
Addresses = Annotated[tuple[Annotated[str, Meta(max_length=2_000)], ...], Meta(max_length=1_000)]
Line = Annotated[str, Meta(max_length=2_000)]


class File(Struct, frozen=True, forbid_unknown_fields=True):
    """`content`: base64. `cid`: the HTML shows it as `cid:...`, and it is no attachment then."""

    name: Annotated[str, Meta(max_length=255)]
    content: bytes
    type: Annotated[str, Meta(max_length=255)] = "application/octet-stream"
    cid: Annotated[str, Meta(max_length=200)] = ""


class Writing(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A message to be sent. Addresses are "a@b" or "Name <a@b>". `sender`: one of the account's own addresses; "" its first. `wait`: seconds
    in which it can be taken back; `at`: not before that time (wall time). `report`: tell me when it has been delivered, or is late (RFC 3461). `receipt`: ask to be
    told when it was displayed (RFC 8098)."""

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


class Queued(Struct, frozen=True):
    """`id`: its queue id."""

    id: str
    message_id: str


class Sending:
    """One per hub."""

    def __init__(self, control: Control, policy: Policy, lane: HeavyLane, access: Access, clock: Clock) -> None:
        self._control, self._policy, self._lane, self._access, self._clock = control, policy, lane, access, clock
        self._queued: Recent[tuple[str, str], asyncio.Task[Queued]] = Recent(*_REMEMBERED)

    def routes(self) -> list[Route]:
        path, one = OWN + "sent", OWN + "sent/{id}"
        take, state, back = (signed_in(self._access, ask) for ask in (self._send, self._state, self._take_back))
        return [
            Route("POST", path, take, f"Send a message; with {_ONCE} the same one once", None, Writing, Queued, security="account"),
            Route("GET", one, state, "What became of a message that was sent here", None, None, words.SentState, security="account"),
            Route("DELETE", one, back, "Take it back, while it waits for its time", None, None, words.Touched, security="account"),
        ]  # fmt: skip

    async def _send(self, account: str, request: web.Request) -> web.StreamResponse:
        writing, client = await read(request, Writing), client_of(request)
        given = request.headers.get(_ONCE)
        if given is None:
            return answered(await self.send(account, client, writing))
        if not _KEY.fullmatch(given):
            raise ValueError(f"{_ONCE}: 1 to 200 printable characters")
        return answered(await self._once((account, given), account, client, writing))

    async def _once(self, key: tuple[str, str], account: str, client: str, writing: Writing) -> Queued:
        """A repetition waits for the first and has its answer; one that failed is done again."""
        now = self._clock.monotonic()
        task = self._queued.get(key, now)
        if task is None or (task.done() and (task.cancelled() or task.exception() is not None)):
            task = asyncio.get_running_loop().create_task(self.send(account, client, writing))
            self._queued.put(key, task, now)
        return await asyncio.shield(task)

    async def _state(self, account: str, request: web.Request) -> web.StreamResponse:
        return answered(await self._control.perform(words.SentShow(account=account, id=request.match_info["id"])))

    async def _take_back(self, account: str, request: web.Request) -> web.StreamResponse:
        return answered(await self._control.perform(words.SentTakeBack(account=account, id=request.match_info["id"])))

    async def send(self, account: str, client: str, writing: Writing) -> Queued:
        """ValueError for what is no message; policy's Refused, or Temporary."""
        letter = self._letter(account, writing)
        if not letter.recipients:
            raise ValueError("to, cc and bcc are empty")
        message = await self._lane.call(composed, letter)
        everybody = (letter.sender.address, *letter.recipients)
        now = self._clock.now()
        release = max(writing.at, now + writing.wait if writing.wait else 0.0)
        parameters = MailParameters(
            size=len(message),
            body="8BITMIME",
            smtputf8=not all(address.isascii() for address in everybody),
            release=release if release > now else None,
        )
        notify = Notify.SUCCESS | Notify.FAILURE | Notify.DELAY if writing.report else Notify.DEFAULT
        origin = Origin(protocol=PROTOCOL, client=client, login=account)
        number = await submit(
            self._policy, origin, letter.sender.address, letter.recipients, message, parameters, notify
        )
        return Queued(number, letter.message_id)

    def _letter(self, account: str, writing: Writing) -> Letter:
        senders = people([writing.sender or account])
        if len(senders) != 1:
            raise ValueError("sender: one address")
        domain = senders[0].address.rpartition("@")[2]
        return Letter(
            sender=_reachable(senders[0]),
            date=stamps.date_time(self._clock.now()),
            message_id=stamps.message_id(ids.text(self._policy.spool.new_id()), ascii_name(domain)),
            to=tuple(map(_reachable, people(writing.to))),
            cc=tuple(map(_reachable, people(writing.cc))),
            bcc=tuple(map(_reachable, people(writing.bcc))),
            reply_to=tuple(map(_reachable, people(writing.reply_to))),
            subject=writing.subject,
            text=writing.text,
            html=writing.html,
            attachments=tuple(Attachment(one.name, one.type, one.content, one.cid) for one in writing.attachments),
            in_reply_to=writing.in_reply_to,
            references=writing.references,
            wants_receipt=writing.receipt,
        )


def _reachable(person: Person) -> Person:
    """The domain as DNS has it, so that an address whose local part is ASCII needs no SMTPUTF8."""
    local, _, domain = person.address.rpartition("@")
    return Person(person.name, f"{local}@{domain if domain.startswith('[') else ascii_name(domain)}")
