"""Traces of OpenTelemetry: each step of a message is a span, posted by OTLP over HTTP as JSON to a collector of the operator's own.

Comes from: the trace, which tells each step as it happens. Gives to: `trace.otlp`. Nothing waits for it, and nothing is kept for it: of what a
collector does not take, the newest steps wait in memory, and the rest is dropped and counted.

A message is a trace, whose id is made of its queue id: the spans of several nodes, and of a life after a restart, are one. A span begins where the
message's step before it ended, so that a picture of it shows where the time went.
"""

import hashlib
import json
import logging
from collections import OrderedDict, deque
from typing import Any

from mailhub.model import ids
from mailhub.model.clock import Clock
from mailhub.model.trace import Event
from mailhub.net.https import Https, HttpsError

log = logging.getLogger("mailhub.jobs")

EVERY = 5.0  # seconds
_PATH = "/v1/traces"
_TIMEOUT = 10.0  # seconds
_ANSWER = 4_096  # octets
_BATCH = 500  # spans of one request
_BACKLOG = 10_000  # spans that wait
_MESSAGES = 10_000  # whose last step is remembered
_INTERNAL, _ERROR = 1, 2  # SpanKind, StatusCode


class Telemetry:
    """`happened` is called on the loop; `work` posts what has come. `base`: the collector's address, without /v1/traces."""

    def __init__(self, base: str, hostname: str, version: str, https: Https, clock: Clock) -> None:
        self._url, self._host, self._https, self._clock = base.rstrip("/") + _PATH, hostname, https, clock
        self._resource = [
            _told("service.name", "mailhub"),
            _told("service.version", version),
            _told("host.name", hostname),
        ]
        self._spans: deque[dict[str, Any]] = deque()
        self._last: OrderedDict[int, tuple[float, int]] = (
            OrderedDict()
        )  # message -> when its last step was, and how many there were
        self._dropped = 0
        self._failing = ""

    def happened(self, event: Event) -> None:
        if event.stage == "fetched":  # what readers do is no part of a message's way
            return
        if len(self._spans) >= _BACKLOG:
            self._spans.popleft()
            self._dropped += 1
        self._spans.append(self._span(event))

    def _span(self, event: Event) -> dict[str, Any]:
        """What was refused before it had a queue id is a trace by itself."""
        known = f"{event.message}" if event.message else f"refused {event.at!r} {event.address} {event.text}"
        before, steps = self._last.pop(event.message, (event.at, 0)) if event.message else (event.at, 0)
        if event.message:
            self._last[event.message] = event.at, steps + 1
            if len(self._last) > _MESSAGES:
                self._last.popitem(last=False)
        attributes = [_told("mailhub.step", event.text)]
        if event.message:
            attributes.append(_told("mailhub.queue_id", ids.text(event.message)))
        if event.address:
            attributes.append(_told("mailhub.address", event.address))
        if event.message_id:
            attributes.append(_told("mailhub.message_id", event.message_id))
        span: dict[str, Any] = {
            "traceId": _digest(known, 16), "spanId": _digest(f"{known} {self._host} {event.at!r} {steps}", 8), "name": event.stage,
            "kind": _INTERNAL, "startTimeUnixNano": _nanoseconds(min(before, event.at)), "endTimeUnixNano": _nanoseconds(event.at),
            "attributes": attributes,
        }  # fmt: skip
        if event.stage == "refused":
            span["status"] = {"code": _ERROR, "message": event.text}
        return span

    async def work(self) -> None:
        """Post all that waits, or until the collector does not take it."""
        while self._spans:
            batch = [self._spans.popleft() for _ in range(min(_BATCH, len(self._spans)))]
            if why := await self._post(batch):
                if why != self._failing:
                    log.warning("telemetry: %s: %s; steps wait", self._url, why)
                self._failing = why
                self._spans.extendleft(reversed(batch))
                break
            if self._failing:
                log.warning("telemetry: %s takes steps again; %d were dropped meanwhile", self._url, self._dropped)
            self._failing, self._dropped = "", 0

    async def _post(self, spans: list[dict[str, Any]]) -> str:
        """Why it was not taken, "" where it was, or will never be."""
        scope = {"scope": {"name": "mailhub"}, "spans": spans}
        body = json.dumps({"resourceSpans": [{"resource": {"attributes": self._resource}, "scopeSpans": [scope]}]})
        try:
            answer = await self._https.post(
                self._url, body.encode(), "application/json", timeout=_TIMEOUT, limit=_ANSWER
            )
        except HttpsError as error:
            return str(error)
        if answer.status // 100 == 2:
            return ""
        if answer.status in (429, 502, 503, 504):  # OTLP: those are worth trying again
            return f"status {answer.status}"
        log.warning("telemetry: %s refused %d steps: status %d", self._url, len(spans), answer.status)
        return ""


def _told(key: str, value: str) -> dict[str, Any]:
    return {"key": key, "value": {"stringValue": value}}


def _digest(text: str, octets: int) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=octets).hexdigest()


def _nanoseconds(moment: float) -> str:
    return str(int(moment * 1e6) * 1000)
