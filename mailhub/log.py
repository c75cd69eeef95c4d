"""Log lines: one for each event, as text or as JSON, with the queue id of the message they are about.

Only the program calls `setup`; a hub inside somebody's test leaves the process's logging alone. Lines are written by a
thread, so that a slow reader of stderr never holds the event loop; when it can not follow, lines are dropped and counted.
What clients sent may stand in a message: control characters are escaped here, whatever the caller did.
"""

import contextlib
import functools
import logging
import os
import re
import threading
from collections.abc import Iterator
from contextvars import ContextVar
from datetime import UTC, datetime
from queue import Empty, SimpleQueue
from typing import TextIO

import msgspec

from mailhub.config.schema import Log
from mailhub.log_output import Line, Sink, bare, sink, stamp
from mailhub.model import ids

_BACKLOG = 20_000  # lines that may wait for the writer
_GOODBYE = 5.0  # seconds for the last lines
_GATHER = (
    0.02  # seconds in which lines gather, so that the thread is woken for many; warnings and what is graver do not wait
)
_ESCAPES = {n: f"\\x{n:02x}" for n in (*range(32), *range(127, 160))} | {10: "\\n", 13: "\\r", 9: "\\t"}

_ADDRESS = re.compile(  # what stands before it goes on; a quoted local part, or one of anything but signs that end it
    r"""((?:\b(?:from|to|login|sasl_username|account|user)=)?['<]?)(?:"(?:[^"\\]|\\.)*"|[^\s<>\[\],;:"(]+)@(?=[\w.\[-])"""
)
_DAEMONS = {"protocols": "smtpd", "policy": "smtpd", "queue": "qmgr", "delivery": "smtp"} | {
    name: name for name in ("smtpd", "cleanup", "qmgr", "smtp", "local")
}  # which of Postfix's daemons a logger speaks as; all others: "master"

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


class PostfixFormatter(TextFormatter):
    """`Nov 24 02:10:59 mail postfix/smtp[123]: FQ7C6N2K4M1T: text`, for what reads Postfix's logs; `bare`: from the queue id on."""

    def __init__(self, config: Log, hostname: str, *, bare: bool) -> None:
        super().__init__()
        self._config, self._host, self._bare = config, hostname.partition(".")[0], bare

    def format(self, record: logging.LogRecord) -> str:
        item = _queue_id.get()
        word = f"{record.levelname.lower()}: " if record.levelno > logging.INFO else ""
        known: tuple[str, str] | None = getattr(record, "postfix", None)
        message = (known[1] if known else word + record.getMessage()).translate(_ESCAPES)
        line = f"{item + ': ' if item else ''}{message}"
        if not self._bare:
            line = f"{stamp(record.created)} {self._host} {program(record, self._config)}[{os.getpid()}]: {line}"
        trace = self._trace(record)
        return f"{line}\n{trace}" if trace else line


class BareFormatter(TextFormatter):
    """`smtp: FQ7C6N2K4M1T: text`, where syslog says when and by whom."""

    def format(self, record: logging.LogRecord) -> str:
        return super().format(record).split(" ", 2)[2]


def program(record: logging.LogRecord, config: Log) -> str:
    """Who says it, as syslog names it."""
    if config.format != "postfix":
        return "mailhub"
    known: tuple[str, str] | None = getattr(
        record, "postfix", None
    )  # what is told otherwise there: by whom, in which words
    if known:
        return known[0] if known[0] == "dovecot" else f"{config.syslog_name}/{known[0]}"
    name = record.name.removeprefix("mailhub.")
    return f"{config.syslog_name}/{_DAEMONS.get(name, 'master')}"


class LineWriter(logging.Handler):
    """Formats where the event happens, writes in a thread of its own. `close` waits until all is written, or for some seconds.
    `lost`: lines that did not reach the log, since the start."""

    def __init__(self, sink: Sink, config: Log) -> None:
        super().__init__()
        self._sink, self.config = sink, config
        self.lost = self._untold = 0
        self.losing = False  # lines now
        self._lines: SimpleQueue[Line | None] = SimpleQueue()
        self._dropped = 0
        self._urgent = threading.Event()
        self._thread = threading.Thread(target=self._write, name="mailhub-log", daemon=True)

    def begin(self) -> None:
        """Lines are written from now on; those before wait. Once the process has given up what it gives up: threads do so one by one."""
        if self._thread.ident is None:
            self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        if self._lines.qsize() >= _BACKLOG:
            self._dropped += 1
            return
        try:
            text = self.format(record)
            if not self.config.addresses:
                text = _ADDRESS.sub(r"\1*@", text)
        except Exception:
            self.handleError(record)
            return
        if self._dropped:
            dropped, self._dropped = self._dropped, 0
            self.lost += dropped
            self._lines.put(self._confession(record.created, dropped))
        self._lines.put(Line(record.created, record.levelno, program(record, self.config), text, _queue_id.get()))
        if record.levelno >= logging.WARNING:
            self._urgent.set()

    def reopen(self) -> None:
        """A file that was renamed meanwhile."""
        self._sink.reopen()

    def close(self) -> None:
        self.begin()
        if self._thread.is_alive():
            self._lines.put(None)
            self._urgent.set()
            self._thread.join(_GOODBYE)
        super().close()

    def _write(self) -> None:
        going = True
        while going:
            batch = [self._lines.get()]
            self._urgent.wait(_GATHER)
            self._urgent.clear()
            with contextlib.suppress(Empty):
                while len(batch) < 500:
                    batch.append(self._lines.get_nowait())
            lines = [line for line in batch if line is not None]
            going = len(lines) == len(batch)
            if lines:
                self._hand_over(lines)
        self._sink.close()

    def _hand_over(self, lines: list[Line]) -> None:
        """To the sink; what it loses is told before the next lines, or with later ones where that is lost as well."""
        untold, self._untold = self._untold, 0
        first = [self._confession(lines[0].at, untold)] if untold else []
        lost = self._sink.write(first + lines)
        if lost > len(lines):
            lost, self._untold = len(lines), untold
        self._untold += lost
        self.losing = lost > 0
        self.lost += lost

    def _confession(self, at: float, dropped: int) -> Line:
        text = f"{dropped} lines dropped, the reader of the log is too slow or its disk full"
        record = logging.makeLogRecord(
            {"name": "mailhub.log", "levelno": logging.WARNING, "levelname": "WARNING", "msg": text, "created": at}
        )
        return Line(at, logging.WARNING, program(record, self.config), self.format(record))


def lost() -> tuple[int, bool]:
    """Lines that did not reach the log of this process since its start, and whether those written last were among them."""
    writers = [handler for handler in logging.getLogger().handlers if isinstance(handler, LineWriter)]
    return sum(writer.lost for writer in writers), any(writer.losing for writer in writers)


def setup(config: Log, stream: TextIO, hostname: str = "localhost", *, waiting: bool = False) -> LineWriter:
    """Send the log of the whole process where `config.output` says; `stream` is its "stderr". Libraries are heard from level
    "warning" on. The caller closes it, and, where it is `waiting`, begins it. OSError where a file can not be opened."""
    writer = LineWriter(sink(config, hostname, stream), config)
    if not waiting:
        writer.begin()
    root = logging.getLogger()
    root.addHandler(writer)
    root.setLevel(logging.WARNING)
    apply(config, writer, hostname)
    return writer


def apply(config: Log, writer: LineWriter, hostname: str = "localhost") -> None:
    """Take over level and format, at the start and at each reload; a file is opened again."""
    there = bare(config.output)
    formatter: logging.Formatter
    if config.format == "json":
        formatter = JsonFormatter()
    elif config.format == "postfix":
        formatter = PostfixFormatter(config, hostname, bare=there)
    else:
        formatter = BareFormatter() if there else TextFormatter()
    writer.config = config
    writer.setFormatter(formatter)
    writer.reopen()
    logging.getLogger("mailhub").setLevel(config.level.upper())


def _time(record: logging.LogRecord) -> str:
    second, part = divmod(record.created, 1)
    return f"{_second(second)}{int(part * 1000):03d}Z"


@functools.lru_cache(maxsize=4)  # lines come in bursts: 1.8 % of the loop's time with mail of 4 KB
def _second(second: float) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S.")
