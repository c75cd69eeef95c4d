"""Events of mail, posted to programs of others, signed as Standard Webhooks are (webhook-id, webhook-timestamp, webhook-signature).

An event is in the store with what it tells of, and leaves it once it was taken: each comes once or, after a crash or a lost
answer, again under the same id. What is not taken is tried again, ever later, until its lifetime is over. A hook that does not
answer rests as a whole, so that a thousand events do not knock at a closed door.
"""

import asyncio
import base64
import hashlib
import hmac
import logging
import math
from collections.abc import Mapping
from pathlib import Path

from mailhub.config.webhooks import Webhook
from mailhub.model.clock import Clock, Timer
from mailhub.model.errors import MailError, Permanent
from mailhub.net.https import Https, HttpsError
from mailhub.store.api import WebhookRow, WebhookStore

log = logging.getLogger("mailhub.jobs")

_ANSWER = 1_024  # octets of an answer that are read
_SAID = 200  # characters of it that are remembered
_FIRST, _LONGEST = 5.0, 3_600.0  # seconds until the second attempt, and between late ones
_SECRET = 24  # octets at least
_BUSY = frozenset((408, 425, 429))  # of the answers 4xx, those that speak of the hook and not of the event


def secret(path: str) -> bytes:
    """The first line of the file; "whsec_" before base64 as others write it. Permanent where it is none."""
    try:
        line = Path(path).read_text("utf-8").partition("\n")[0].strip()
        found = base64.b64decode(line[6:], validate=True) if line.startswith("whsec_") else line.encode()
    except (OSError, ValueError) as error:
        raise Permanent(f"secret_file {path}: {error}") from error
    if len(found) < _SECRET:
        raise Permanent(
            f"secret_file {path}: a secret of {_SECRET} octets or more, such as `openssl rand -base64 32` prints"
        )
    return found


def signature(key: bytes, event: str, at: int, body: bytes) -> str:
    digest = hmac.digest(key, f"{event}.{at}.".encode() + body, hashlib.sha256)
    return "v1," + base64.b64encode(digest).decode()


class Hook:
    """One of them. `start`, `wake` when there may be more to tell, `stop`."""

    def __init__(self, name: str, config: Webhook, key: bytes, store: WebhookStore, https: Https, clock: Clock) -> None:
        self._name, self._config, self._key = name, config, key
        self._store, self._https, self._clock = store, https, clock
        self._kick, self._resting = asyncio.Event(), asyncio.Event()
        self._away = False  # it did not answer, in this round
        self._failures, self._rest_until = 0, -math.inf  # rounds in which it did not, one after the other
        self._alarm: Timer | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> "asyncio.Task[None]":
        self._task = asyncio.get_running_loop().create_task(self._run(), name=f"webhook {self._name}")
        return self._task

    def wake(self) -> None:
        self._resting.clear()
        self._kick.set()

    async def idle(self) -> None:
        """Return when only the clock can bring more."""
        await self._resting.wait()

    async def stop(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._resting.set()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        while True:
            self._kick.clear()
            try:
                due = await self._round()
            except MailError as error:
                log.warning("webhook %s: events can not be read now: %s", self._name, error)
                due = self._clock.now() + _FIRST
            if due is not None and due <= self._clock.now():
                continue
            self._sleep(due)
            await self._kick.wait()

    def _sleep(self, due: float | None) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = None if due is None else self._clock.call_later(max(0.0, due - self._clock.now()), self.wake)
        if not self._kick.is_set():
            self._resting.set()

    async def _round(self) -> float | None:
        """Post what is due; when there is more (wall time), or None."""
        now, count = self._clock.now(), 1 if self._failures else self._config.concurrency
        if now >= self._rest_until:
            rows = await self._store.due(self._name, now, count)
            self._away = False
            taken = await asyncio.gather(*map(self._posted, rows))
            self._rest_or_go_on(any(taken))
            await self._store.taken([row.id for row, done in zip(rows, taken, strict=True) if done])
        due = await self._store.next_due(self._name)
        return None if due is None else max(due, self._rest_until)

    async def _posted(self, row: WebhookRow) -> bool:
        """Whether it is done with."""
        said, gone = await self._ask(row)
        if not said:
            return True
        now = self._clock.now()
        if gone or now - row.at >= self._config.lifetime:
            log.error(
                "webhook %s: event %s is given up after %d attempts: %s", self._name, row.event, row.attempts + 1, said
            )
            return True
        log.warning("webhook %s: event %s waits: %s", self._name, row.event, said)
        await self._store.put_off(row, now + _pause(row.attempts), said)
        return False

    async def _ask(self, row: WebhookRow) -> tuple[str, bool]:
        """What was said against it, "" for nothing; and whether it need not be tried again."""
        at = int(self._clock.now())
        headers = {
            "webhook-id": row.event,
            "webhook-timestamp": str(at),
            "webhook-signature": signature(self._key, row.event, at, row.body),
        }
        try:
            answer = await self._https.post(
                self._config.url,
                row.body,
                "application/json",
                timeout=self._config.timeout,
                limit=_ANSWER,
                headers=headers,
            )
        except HttpsError as error:
            self._away = True
            return str(error)[:_SAID], False
        if answer.status // 100 == 2:
            return "", False
        if answer.status >= 500 or answer.status in _BUSY:
            self._away = True
        said = answer.body.decode("utf-8", "replace")
        return f"{answer.status} {' '.join(said.split())}"[:_SAID].strip(), answer.status == 410

    def _rest_or_go_on(self, some: bool) -> None:
        """`some`: one event at least was taken, or given up."""
        if self._away and not some:
            self._rest_until = self._clock.now() + _pause(self._failures)
            self._failures += 1
        else:
            self._failures = 0


def _pause(attempts: int) -> float:
    return float(min(_LONGEST, _FIRST * 2.0 ** min(attempts, 30)))


def hooks(config: Mapping[str, Webhook], store: WebhookStore, https: Https, clock: Clock) -> list[Hook]:
    """A job for each. Permanent where a secret can not be read."""
    return [Hook(name, one, secret(one.secret_file), store, https, clock) for name, one in config.items()]
