"""Log lines: one for each event, as text or as JSON, with the queue id of the message they are about.

Only the program calls `setup`; a hub inside somebody's test leaves the process's logging alone. Lines are written by a
thread, so that a slow reader of stderr never holds the event loop; when it can not follow, lines are dropped and counted.
What clients sent may stand in a message: control characters are escaped here, whatever the caller did.
"""

import contextlib
import logging
import threading
from collections.abc import Iterator
from contextvars import ContextVar
from datetime import UTC, datetime
from queue import Empty, SimpleQueue
from typing import TextIO

import msgspec

from mailhub.config.schema import Log
from mailhub.model import ids

_BACKLOG = 20_000  # lines that may wait for the writer
_ESCAPES = {n: f"\\x{n:02x}" for n in (*range(32), *range(127, 160))} | {10: "\\n", 13: "\\r", 9: "\\t"}

_queue_id: ContextVar[str] = ContextVar("queue_id", default="")


@contextlib.contextmanager
def about(item: int) -> Iterator[None]:
    """Log lines written inside, also by tasks started there, carry this queue id."""
    token = _queue_id.set(ids.text(item))
    try:
        yield
    finally:
        _queue_id.reset(token)


def item_id() -> str:
    """The queue id that a line written now is about, or ""."""
    return _queue_id.get()


class TextFormatter(logging.Formatter):
    """`2026-11-24T02:10:59.123Z info smtp: 0FQ7C6N2K4M1T: text`; a traceback follows, indented."""

    def format(self, record: logging.LogRecord) -> str:
        item = _queue_id.get()
        name = record.name.removeprefix("mailhub.")
        message = record.getMessage().translate(_ESCAPES)
        line = f"{_time(record)} {record.levelname.lower()} {name}: {item + ': ' if item else ''}{message}"
        trace = self._trace(record)
        return f"{line}\n{trace}" if trace else line

    def _trace(self, record: logging.LogRecord) -> str:
        if not record.exc_info:
            return ""
        lines = self.formatException(record.exc_info).splitlines()
        return "\n".join("    " + line.translate(_ESCAPES) for line in lines)


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, and where they apply queue_id and exception."""

    def format(self, record: logging.LogRecord) -> str:
        event = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if item := _queue_id.get():
            event["queue_id"] = item
        if record.exc_info:
            event["exception"] = self.formatException(record.exc_info)
        return msgspec.json.encode(event).decode("utf-8")


class LineWriter(logging.Handler):
    """Formats where the event happens, writes in a thread of its own. `close` waits until all is written."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream
        self._lines: SimpleQueue[str | None] = SimpleQueue()
        self._dropped = 0
        self._thread = threading.Thread(target=self._write, name="mailhub-log", daemon=True)
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        if self._lines.qsize() >= _BACKLOG:
            self._dropped += 1
            return
        try:
            line = self.format(record)
        except Exception:
            self.handleError(record)
            return
        if self._dropped:
            dropped, self._dropped = self._dropped, 0
            self._lines.put(f"{_time(record)} warning log: {dropped} lines dropped, the reader of the log is too slow")
        self._lines.put(line)

    def close(self) -> None:
        if self._thread.is_alive():
            self._lines.put(None)
            self._thread.join()
        super().close()

    def _write(self) -> None:
        going = True
        while going:
            batch = [self._lines.get()]
            with contextlib.suppress(Empty):
                while len(batch) < 500:
                    batch.append(self._lines.get_nowait())
            lines = [line for line in batch if line is not None]
            going = len(lines) == len(batch)
            with contextlib.suppress(OSError, ValueError):  # nobody reads the log: nowhere to say so
                self._stream.write("".join(f"{line}\n" for line in lines))
                self._stream.flush()


def setup(config: Log, stream: TextIO) -> LineWriter:
    """Send the log of the whole process to `stream`. Libraries are heard from level "warning" on. The caller closes it."""
    writer = LineWriter(stream)
    root = logging.getLogger()
    root.addHandler(writer)
    root.setLevel(logging.WARNING)
    apply(config, writer)
    return writer


def apply(config: Log, writer: LineWriter) -> None:
    """Take over level and format, at the start and at each reload."""
    writer.setFormatter(JsonFormatter() if config.format == "json" else TextFormatter())
    logging.getLogger("mailhub").setLevel(config.level.upper())


def _time(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
