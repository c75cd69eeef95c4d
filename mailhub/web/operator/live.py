"""What happens now, as server-sent events: the log, and the steps of messages."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import get_args

import msgspec
from aiohttp import web

from mailhub.log import item_id
from mailhub.model import ids
from mailhub.model.clock import Clock
from mailhub.model.trace import Event, Stage
from mailhub.trace import Trace

from ..access import Access, Denied
from ..routes import Route
from ..safety import Handler
from ..stream import Feed, Readers, stream
from .actions import ROOT

_TEXT = 4_000  # characters of a line
Still = Callable[[], Awaitable[object]]  # raises where who follows may do so no more


class LogLine(msgspec.Struct, frozen=True):
    """`at`: wall time; `level`: "debug", "info", "warning", "error" or "critical"; `id`: the queue id it is about, or ""."""

    at: float
    level: str
    logger: str
    text: str
    id: str


class StepTold(msgspec.Struct, frozen=True):
    """A step of a message's way, as `mailhub trace` shows it. `id` "": it was refused and has none."""

    at: float
    id: str
    stage: str
    text: str
    address: str


class Live:
    """One per hub. `limit`: readers at one time. `real`: time that passes by itself."""

    def __init__(self, trace: Trace, access: Access, limit: int, real: Clock) -> None:
        self._trace, self._access, self._real = trace, access, real
        self._readers = Readers(limit)

    def routes(self) -> list[Route]:
        about = {"id": "only about this queue id", "text": "only where this stands in it, in capital or small letters"}
        lines = {"level": "from this level on: debug, info (unless said), warning, error", **about}
        steps = {"stage": f"only this: {', '.join(get_args(Stage))}", "address": "only about this address", **about}
        kind, log, trace = "text/event-stream", "log.follow", "trace.follow"
        return [
            Route("GET", ROOT + log, self._guarded(log, self._lines), "Lines of the log as they are written; what log.level leaves out is not there", lines, kind=kind, security="token browser"),
            Route("GET", ROOT + trace, self._guarded(trace, self._steps), "Steps of messages as they happen", steps, kind=kind, security="token browser"),
        ]  # fmt: skip

    def _guarded(self, action: str, answer: Callable[[web.Request, Still], Awaitable[web.StreamResponse]]) -> Handler:
        async def handler(request: web.Request) -> web.StreamResponse:
            try:
                await self._access.operator(request, action)
            except Denied as denied:
                return denied.answer
            with self._readers.one():
                return await answer(request, partial(self._access.operator, request, action, again=True))

        return handler

    async def _lines(self, request: web.Request, still: Still) -> web.StreamResponse:
        level = logging.getLevelNamesMapping().get(request.query.get("level", "info").upper())
        if level is None:
            raise ValueError("level: debug, info, warning or error")
        feed: Feed[LogLine] = Feed()
        tail = _Tail(level, request.query.get("id", ""), request.query.get("text", "").lower(), feed)
        logger = logging.getLogger("mailhub")
        logger.addHandler(tail)
        try:
            return await stream(request, "line", feed, self._real, still)
        finally:
            logger.removeHandler(tail)

    async def _steps(self, request: web.Request, still: Still) -> web.StreamResponse:
        stage, address = request.query.get("stage", ""), request.query.get("address", "").lower()
        item, text = request.query.get("id", ""), request.query.get("text", "").lower()
        if stage and stage not in get_args(Stage):
            raise ValueError(f"stage: one of {', '.join(get_args(Stage))}")
        feed: Feed[StepTold] = Feed()

        def happened(event: Event) -> None:
            told = StepTold(
                event.at, ids.text(event.message) if event.message else "", event.stage, event.text, event.address
            )
            if (
                stage in ("", told.stage)
                and address in ("", told.address)
                and item in ("", told.id)
                and text in told.text.lower()
            ):
                feed.put(told)  # fmt: skip

        with self._trace.followed(happened):
            return await stream(request, "step", feed, self._real, still)


class _Tail(logging.Handler):
    """Gives lines to a feed, from any thread."""

    def __init__(self, level: int, item: str, text: str, feed: Feed[LogLine]) -> None:
        super().__init__(level)
        self._item, self._text, self._feed = item, text, feed
        self._loop = asyncio.get_running_loop()

    def emit(self, record: logging.LogRecord) -> None:
        item, text = item_id(), record.getMessage()[:_TEXT]
        if (not self._item or item == self._item) and self._text in text.lower():
            name = record.name.removeprefix("mailhub.")
            line = LogLine(record.created, record.levelname.lower(), name, text, item)
            with contextlib.suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(self._feed.put, line)
