"""Log lines: text and JSON, queue ids, hostile text, a reader that is too slow."""

import io
import json
import logging
import threading
from collections.abc import Iterator

import pytest

from mailhub import log
from mailhub.config import schema
from mailhub.model import ids

NAME = "mailhub.test_log_lines"


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Whatever a test sets up is taken back."""
    root, ours = logging.getLogger(), logging.getLogger("mailhub")
    before = (root.level, ours.level, list(root.handlers))
    yield
    root.setLevel(before[0])
    ours.setLevel(before[1])
    for handler in set(root.handlers) - set(before[2]):
        root.removeHandler(handler)
        handler.close()


def written(config: schema.Log, *events: tuple[int, str, tuple[object, ...]]) -> list[str]:
    stream = io.StringIO()
    writer = log.setup(config, stream)
    for level, message, args in events:
        logging.getLogger(NAME).log(level, message, *args)
    logging.getLogger().removeHandler(writer)
    writer.close()
    return stream.getvalue().splitlines()


def test_text_has_time_level_room_and_queue_id() -> None:
    with log.about(ids.number("0FQ7C6N2K4M1T")):
        (line,) = written(schema.Log(), (logging.INFO, "from %s", ("a@b",)))
    time, rest = line.split(" ", 1)
    assert time.endswith("Z")
    assert len(time) == len("2026-11-24T02:10:59.123Z")
    assert rest == "info test_log_lines: FQ7C6N2K4M1T: from a@b"


def test_json_is_one_object_a_line() -> None:
    with log.about(32):
        (line,) = written(schema.Log(format="json"), (logging.WARNING, "a\nb %s", ("\u00fc",)))
    event = json.loads(line)
    assert event.pop("time").endswith("Z")
    assert event == {"level": "warning", "logger": NAME, "message": "a\nb \u00fc", "queue_id": "10"}


def test_hostile_text_stays_in_its_line() -> None:
    hostile = "x\r\n2026-11-24T00:00:00.000Z info smtp: forged\x1b[2J\x9b\x00"
    (line,) = written(schema.Log(), (logging.INFO, "%s", (hostile,)))
    assert line.endswith("x\\r\\n2026-11-24T00:00:00.000Z info smtp: forged\\x1b[2J\\x9b\\x00")


def test_a_traceback_is_indented_so_that_it_forges_no_line() -> None:
    stream = io.StringIO()
    writer = log.setup(schema.Log(), stream)
    try:
        raise ValueError("first\nsecond")
    except ValueError:
        logging.getLogger(NAME).exception("broken")
    logging.getLogger().removeHandler(writer)
    writer.close()
    first, *others = stream.getvalue().splitlines()
    assert first.endswith("error test_log_lines: broken")
    assert others[-2:] == ["    ValueError: first", "    second"]
    assert all(line.startswith("    ") for line in others)


def test_the_level_is_that_of_the_config() -> None:
    lines = written(schema.Log(level="warning"), (logging.INFO, "unheard", ()), (logging.ERROR, "heard", ()))
    assert [line.rsplit(" ", 1)[1] for line in lines] == ["heard"]


class Stuck(io.StringIO):
    """A stream whose reader does not read until told."""

    def __init__(self) -> None:
        super().__init__()
        self.entered, self.go, self.wrote = threading.Event(), threading.Event(), threading.Semaphore(0)

    def write(self, text: str) -> int:
        self.entered.set()
        self.go.wait()
        count = super().write(text)
        self.wrote.release()
        return count


def test_a_stuck_reader_holds_nobody_and_what_is_dropped_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "_BACKLOG", 3)
    stream = Stuck()
    writer = log.setup(schema.Log(), stream)
    logger = logging.getLogger(NAME)
    logger.info("first")
    stream.entered.wait()
    for n in range(10):
        logger.info("line %d", n)
    stream.go.set()
    stream.wrote.acquire()
    stream.wrote.acquire()
    logger.info("last")
    logging.getLogger().removeHandler(writer)
    writer.close()
    said = [line.split(" ", 2)[2] for line in stream.getvalue().splitlines()]
    assert said[:4] == [f"test_log_lines: {text}" for text in ("first", "line 0", "line 1", "line 2")]
    assert said[4].startswith("log: 7 lines dropped")
    assert said[5] == "test_log_lines: last"
