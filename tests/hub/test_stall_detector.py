"""The stall detector names the function that held the loop, and says it once."""

import asyncio
import logging
import sys
import threading
from types import FrameType

import pytest

from mailhub import stall


def hold_the_loop(until: threading.Event) -> None:
    assert until.wait(60), "the detector never looked"


class Watching(stall.StallDetector):
    """On a busy machine it may also find the loop held by nobody of ours: only `reported` counts holds of `hold_the_loop`."""

    reported = 0

    def _report(self, place: str, held: float) -> None:
        super()._report(place, held)
        self.reported += place == "hold_the_loop"


async def test_it_names_what_held_the_loop_once(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = threading.Event()
    original = stall._place

    def place(frame: FrameType | None) -> str:
        found = original(frame).rpartition("hold_the_loop")[1]  # the frames further in depend on the moment
        if found:
            looked.set()
        return found

    monkeypatch.setattr(stall, "_place", place)
    detector = Watching(0.01)
    with caplog.at_level(logging.WARNING, "mailhub.stall"):
        detector.start()
        for count in (1, 2):
            looked.clear()
            hold_the_loop(looked)
            while detector.reported < count:
                await asyncio.sleep(0)
        detector.stop()
    assert [record.getMessage().rpartition(" ")[2] for record in caplog.records].count("hold_the_loop") == 1
    assert detector.worst > 0


def test_a_place_reads_from_the_inside_out() -> None:
    text = stall._place(sys._getframe())
    assert text.startswith("hub/test_stall_detector.py:")
    assert " test_a_place_reads_from_the_inside_out < " in text
    assert stall._place(None) == "an unknown place"
