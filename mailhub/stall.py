"""The stall detector: a thread that notices when the event loop is held, and names what held it.

The second seam for real time beside `model.clock`: a loop that is held can not be asked for the time, and virtual time
says nothing about it. Every hold of `seconds` or more is noticed, none of less than half. Each place is logged once
a minute at the most.
"""

import asyncio
import logging
import sys
import threading
import time
import traceback
from pathlib import PurePath
from types import FrameType

log = logging.getLogger("mailhub.stall")

_QUIET = 60.0  # seconds between two lines about one place
_PLACES = 100  # places remembered
_DEPTH = 8  # frames named


class StallDetector:
    """`start()` on the loop to watch; `stop()` from anywhere. `worst`: the longest hold in seconds, for `status`; `lag`: how long
    the loop took to answer last."""

    def __init__(self, seconds: float) -> None:
        self._half = seconds / 2
        self._stopped = threading.Event()
        self._told: dict[str, float] = {}
        self.worst = self.lag = 0.0
        self.stalls = 0

    def start(self) -> None:
        loop = asyncio.get_running_loop()
        arguments = (loop, threading.get_ident())
        threading.Thread(target=self._watch, args=arguments, name="mailhub-stall", daemon=True).start()

    def stop(self) -> None:
        self._stopped.set()

    def _watch(self, loop: asyncio.AbstractEventLoop, thread: int) -> None:
        while not self._stopped.wait(self._half):
            answered = threading.Event()
            asked = time.monotonic()
            try:
                loop.call_soon_threadsafe(answered.set)
            except RuntimeError:  # the loop is closed
                return
            if answered.wait(self._half):
                self.lag = time.monotonic() - asked
                continue
            place = _place(sys._current_frames().get(thread))
            while not answered.wait(self._half) and not self._stopped.is_set() and not loop.is_closed():
                pass
            self._report(place, time.monotonic() - asked)

    def _report(self, place: str, held: float) -> None:
        self.stalls += 1
        self.lag = held
        self.worst = max(self.worst, held)
        now = time.monotonic()
        if self._told.get(place, -_QUIET) + _QUIET > now:
            return
        if len(self._told) >= _PLACES:
            self._told.clear()
        self._told[place] = now
        log.warning("the event loop was held for %.0f ms by %s", held * 1000, place)


def _place(frame: FrameType | None) -> str:
    """`file:line function`, innermost first."""
    frames = traceback.extract_stack(frame)[-_DEPTH:] if frame is not None else []
    named = [f"{'/'.join(PurePath(at.filename).parts[-2:])}:{at.lineno} {at.name}" for at in reversed(frames)]
    return " < ".join(named) or "an unknown place"
