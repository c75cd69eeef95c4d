"""The trace: every stage of every message, for `mailhub trace`; bounded in size and time, off the way of the mail.

Comes from: policy, queue, mailbox sessions, each of which tells its own step in plain words. Steps are gathered here and
given to the store some times a minute; a crash loses the last of them, never mail. May import: log, model, config.
"""

import asyncio
import contextlib
import logging
import re
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable, Iterator, Sequence

from mailhub.config import schema
from mailhub.log import about
from mailhub.model import ids
from mailhub.model.clock import Clock
from mailhub.model.envelope import Envelope, Origin
from mailhub.model.errors import MailError
from mailhub.model.reply import Reply
from mailhub.model.trace import Event, Stage
from mailhub.model.verdict import UNJUDGED, Verdict

log = logging.getLogger("mailhub.trace")
smtpd, cleanup, qmgr = (
    logging.getLogger(f"mailhub.{name}") for name in ("smtpd", "cleanup", "qmgr")
)  # Postfix's names

Write = Callable[[Sequence[Event], float, int], Awaitable[None]]
_WAIT = 2.0  # seconds until what was told is written
_BATCH = 500  # steps that are written without waiting
_BACKLOG = 20_000  # steps that may wait for the store; more are dropped and counted
_TEXT = 1_000  # characters of one step
_SHOWN = 5  # recipients named where a message is accepted
_FETCHES = 10_000  # fetches remembered, so that each is told once
_ADDRESS = re.compile(r"[^\s<>\[\]=,;:]+@")
_DELIVERY = re.compile(r"\d+\.Q([0-9A-Z]{1,13})R\d+\.")


class Trace:
    """`close` writes what is left. Where `config.enabled` is false all of it does nothing. `config` may be changed.
    `counts`: of what came, "accepted" and "refused", since the start, whether or not it is kept."""

    def __init__(self, config: schema.Trace, clock: Clock, write: Write) -> None:
        self.config, self._clock, self._write = config, clock, write
        self._events: list[Event] = []
        self._dropped = 0
        self._alarm: asyncio.Task[None] | None = None
        self._writing = asyncio.Lock()
        self._fetched: OrderedDict[tuple[int, str, str], None] = OrderedDict()
        self.counts: Counter[str] = Counter()
        self._followers: list[Callable[[Event], object]] = []

    @contextlib.contextmanager
    def followed(self, happened: Callable[[Event], object]) -> Iterator[None]:
        """Meanwhile each step is told to `happened`, on the loop."""
        self._followers.append(happened)
        try:
            yield
        finally:
            self._followers.remove(happened)

    @classmethod
    def off(cls, clock: Clock) -> "Trace":
        """One that keeps nothing."""

        async def nowhere(events: Sequence[Event], keep: float, limit: int) -> None:
            return None

        return cls(schema.Trace(enabled=False), clock, nowhere)

    # --- steps ---

    def refused(self, origin: Origin, sender: str, recipient: str, reply: Reply, verdict: Verdict = UNJUDGED) -> None:
        """A recipient or a message that did not come in; `recipient` "" for the message, which checks have judged."""
        self.counts["refused"] += 1
        why = f" [{verdict}]" if verdict.evidence else ""
        command, whose = ("RCPT", f" {_path(recipient)}:") if recipient else ("END-OF-MESSAGE", "")
        smtpd.info(
            "NOQUEUE: reject: %s from %s: %d %s%s %s; from=%s%s proto=%s helo=%s", command, _client(origin), reply.code,
            reply.enhanced, whose, reply.text, _path(sender), f" to={_path(recipient)}" if recipient else "", origin.protocol,
            _path(origin.helo),
        )  # fmt: skip
        self._note(0, "refused", f"{_came(origin)}, from={_path(sender)}: {reply}{why}", recipient or sender)

    def accepted(self, number: int, envelope: Envelope, origin: Origin, size: int, message_id: str) -> None:
        """It is on disk, and 250 said."""
        self.counts["accepted"] += 1
        with about(number):
            smtpd.info("client=%s%s", _client(origin), f", sasl_username={origin.login}" if origin.login else "")
            cleanup.info("message-id=%s", message_id or "<>")
            qmgr.info(
                "from=%s, size=%d, nrcpt=%d (queue active)", _path(envelope.sender), size, len(envelope.recipients)
            )
        shown = [_path(recipient.address) for recipient in envelope.recipients[:_SHOWN]]
        if more := len(envelope.recipients) - len(shown):
            shown.append(f"{more} more")
        text = f"{_came(origin)}, from={_path(envelope.sender)}, to={', '.join(shown)}, size={size}"
        self._note(number, "accepted", text, envelope.sender, message_id)

    def judged(self, number: int, verdict: Verdict) -> None:
        """What the checks think of it."""
        if verdict.evidence:
            self._note(number, "judged", str(verdict))

    def attempted(self, number: int, address: str, text: str) -> None:
        """What one attempt came to for one recipient."""
        self._note(number, "attempted", f"to={_path(address)}, {text}", address)

    def expanded(self, number: int, address: str, children: Sequence[str]) -> None:
        """An alias became other addresses."""
        shown = [_path(child) for child in children[:_SHOWN]]
        if more := len(children) - len(shown):
            shown.append(f"{more} more")
        became = ", ".join(shown) or "addresses that have it already"
        self._note(number, "expanded", f"{_path(address)} became {became}", address)

    def reported(self, number: int, report: int, recipient: str) -> None:
        """A report about it went into the queue."""
        self._note(number, "reported", f"report {ids.text(report)} to {_path(recipient)}", recipient)
        self._note(report, "accepted", f"report about {ids.text(number)}, to={_path(recipient)}", recipient)

    def operator(self, number: int, text: str) -> None:
        """A command about this message."""
        self._note(number, "operator", text)

    def fetched(self, file: str, account: str, service: str, client: str) -> None:
        """A client has read the text of a delivery's file; told once for each account and address."""
        if not self.config.enabled or (found := _DELIVERY.match(file)) is None:
            return
        try:
            number = ids.number(found[1])
        except ValueError:
            return
        key = (number, account, client)
        if key in self._fetched:
            return
        self._fetched[key] = None
        if len(self._fetched) > _FETCHES:
            self._fetched.popitem(last=False)
        self._note(number, "fetched", f"by {_path(account)} with {service} from [{client}]", account)

    # --- to the store ---

    def _note(self, number: int, stage: Stage, text: str, address: str = "", message_id: str = "") -> None:
        if not self.config.enabled:
            return
        address = address.lower()
        if not self.config.addresses:
            text, address = _ADDRESS.sub("*@", text), ""
        event = Event(self._clock.now(), number, stage, text[:_TEXT], address, message_id)
        for happened in self._followers:
            happened(event)
        if len(self._events) >= _BACKLOG:
            self._dropped += 1
            return
        self._events.append(event)
        if len(self._events) >= _BATCH or self._alarm is None:
            self._set_alarm()

    def _set_alarm(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        wait = 0.0 if len(self._events) >= _BATCH else _WAIT
        self._alarm = asyncio.get_running_loop().create_task(self._later(self._clock.now() + wait))

    async def _later(self, when: float) -> None:
        await self._clock.sleep_until(when)
        self._alarm = None
        await self.flush()

    async def flush(self) -> None:
        """All that was told so far is in the store. What cannot be written is lost, with a line in the log."""
        async with self._writing:
            events, self._events = self._events, []
            if self._dropped:
                log.warning("%d steps of messages were not kept: the store does not follow", self._dropped)
                self._dropped = 0
            if not events:
                return
            try:
                await self._write(events, self.config.keep, self.config.limit)
            except MailError as error:
                log.warning("%d steps of messages were not kept: %s", len(events), error)

    async def close(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        await self.flush()


def _path(address: str) -> str:
    return f"<{address}>"


def _client(origin: Origin) -> str:
    return f"{origin.name or 'unknown'}[{origin.client}]" if origin.client else "localhost[127.0.0.1]"


def _came(origin: Origin) -> str:
    if not origin.client:
        return origin.protocol
    words = f"{origin.protocol} from {origin.name or 'unknown'}[{origin.client}], helo={origin.helo}"
    words += f", login={origin.login}" if origin.login else ""
    return words + (f", {origin.tls}" if origin.tls else "")
