"""Mail that an account sends by HTTP: made of its parts, through the door of submission; what became of it, and taking it back."""

import asyncio
import logging
import re

from aiohttp import web
from msgspec import Struct

from mailhub.control import words
from mailhub.control.sent import PROTOCOL
from mailhub.control.service import Control
from mailhub.mailbox.service import Mailboxes
from mailhub.message.compose import composed
from mailhub.model.clock import Clock
from mailhub.model.envelope import MailParameters, Notify, Origin
from mailhub.model.errors import MailError
from mailhub.policy import Policy
from mailhub.policy.counters import Recent
from mailhub.policy.submitting import submit

from ..access import Access
from ..routes import Route, answered
from ..safety import client_of
from .signed import OWN, signed_in
from .writing import Writer, Writing

log = logging.getLogger("mailhub.web")

_ONCE = "Idempotency-Key"
_REMEMBERED = 86_400.0, 10_000  # seconds, and number of keys
_KEY = re.compile(r"[!-~]{1,200}")


class Queued(Struct, frozen=True):
    """`id`: its queue id."""

    id: str
    message_id: str


class Sending:
    """One per hub."""

    def __init__(
        self, control: Control, policy: Policy, mailboxes: Mailboxes, writer: Writer, access: Access, clock: Clock
    ) -> None:
        self._control, self._policy, self._access, self._clock = control, policy, access, clock
        self._mailboxes, self._writer = mailboxes, writer
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
        given, client = request.headers.get(_ONCE), client_of(request)
        if given is not None and not _KEY.fullmatch(given):
            raise ValueError(f"{_ONCE}: 1 to 200 printable characters")
        async with self._writer.reading(account, request) as writing:
            if given is None:
                return answered(await self.send(account, client, writing))
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
        letter = await self._writer.letter(account, writing)
        if not letter.recipients:
            raise ValueError("to, cc and bcc are empty")
        message = await self._mailboxes.lane.call(composed, letter)
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
        try:
            await self._writer.sent(account, writing)
        except MailError as error:
            log.warning("%s: a draft or a mark of what was sent stays as it was: %s", account, error)
        return Queued(number, letter.message_id)
