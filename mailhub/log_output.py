"""Where log lines go: a stream, a file that may be renamed meanwhile, syslog, or the journal.

All of it runs in the log's own thread. A sink never waits longer than a second; it answers how many lines were lost.
"""

import contextlib
import logging
import os
import socket
import struct
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Protocol, TextIO

from msgspec import Struct

from mailhub.config.schema import Log

DEVICE = "/dev/log"
JOURNAL = "/run/systemd/journal/socket"
_WAIT = 1.0  # seconds that a stalled syslog may take for one line
_DATAGRAM = 8_000  # octets of one line: what syslogds take at the least
_MAIL = 2 << 3  # the facility "mail" (RFC 3164)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_SEVERITIES = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}


class Line(Struct, frozen=True):
    """`text`: without its end; more lines follow in it where there is a traceback. `program`: who says it, as syslog names it."""

    at: float  # wall time
    level: int
    program: str
    text: str
    item: str = ""  # queue id


class Sink(Protocol):
    def write(self, lines: Sequence[Line]) -> int:
        """How many of them were lost. Never raises OSError."""
        ...

    def reopen(self) -> None:
        """Before the next line; may be called from any thread."""
        ...

    def close(self) -> None: ...


class StreamSink:
    """The standard error, as a rule."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, lines: Sequence[Line]) -> int:
        try:
            self._stream.write("".join(f"{line.text}\n" for line in lines))
            self._stream.flush()
        except (OSError, ValueError):
            return len(lines)
        return 0

    def reopen(self) -> None:
        """There is nothing to open."""

    def close(self) -> None:
        """It belongs to others."""


class FileSink:
    """Lines are appended; who renames or removes the file finds a new one at the next line. A line is there whole or, where the
    disk is full, its rest is ended before the next one."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._file = -1
        self._torn = self._again = False
        self._open()

    def _open(self) -> None:
        opened = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
        if self._file >= 0:
            os.close(self._file)
        self._file, self._again = opened, False

    def write(self, lines: Sequence[Line]) -> int:
        with contextlib.suppress(OSError):  # where no new one can be opened, the old one goes on
            if self._again or self._moved():
                self._open()
        texts = [f"{line.text}\n".encode() for line in lines]
        data = memoryview((b"\n" if self._torn else b"") + b"".join(texts))
        written = 0
        try:
            while written < len(data):
                written += os.write(self._file, data[written:])
        except OSError:
            if written:
                self._torn = data[written - 1] != 10
            whole = bytes(data[:written]).count(b"\n")
            return len(texts) - min(len(texts), whole)
        self._torn = False
        return 0

    def _moved(self) -> bool:
        try:
            there = os.stat(self._path)
        except FileNotFoundError:
            return True
        mine = os.fstat(self._file)
        return (there.st_dev, there.st_ino) != (mine.st_dev, mine.st_ino)

    def reopen(self) -> None:
        self._again = True

    def close(self) -> None:
        os.close(self._file)


class DatagramSink:
    """Syslog (RFC 3164) on a unix socket or by UDP, or the journal's own protocol. It may begin to answer later, or again."""

    def __init__(self, where: str | tuple[str, int], *, hostname: str = "", journal: bool = False) -> None:
        """`hostname`: where the lines go to another host, which has to be told whose they are."""
        self._where, self._hostname, self._journal = where, hostname, journal
        self._socket: socket.socket | None = None

    def write(self, lines: Sequence[Line]) -> int:
        for done, line in enumerate(lines):
            try:
                for text in line.text.split("\n"):
                    self._send(self._packet(line, text))
            except OSError:
                self.close()
                return len(lines) - done
        return 0

    def _send(self, packet: bytes) -> None:
        if self._socket is None:
            family = socket.AF_UNIX if isinstance(self._where, str) else socket.AF_INET
            if not isinstance(self._where, str) and ":" in self._where[0]:
                family = socket.AF_INET6
            self._socket = socket.socket(family, socket.SOCK_DGRAM)
            self._socket.settimeout(_WAIT)
            self._socket.connect(self._where)
        try:
            self._socket.send(packet)
        except ConnectionRefusedError:  # somebody opened it anew
            self._socket.connect(self._where)
            self._socket.send(packet)

    def _packet(self, line: Line, text: str) -> bytes:
        severity = _SEVERITIES.get(line.level, 6)
        said = text.encode()[:_DATAGRAM]
        if self._journal:
            fields = {"PRIORITY": severity, "SYSLOG_FACILITY": _MAIL >> 3, "SYSLOG_IDENTIFIER": line.program}
            fields |= {"QUEUE_ID": line.item} if line.item else {}
            head = "".join(f"{name}={value}\n" for name, value in fields.items())
            return head.encode() + b"MESSAGE\n" + struct.pack("<Q", len(said)) + said + b"\n"
        host = f"{self._hostname} " if self._hostname else ""
        return f"<{_MAIL | severity}>{stamp(line.at)} {host}{line.program}[{os.getpid()}]: ".encode() + said

    def reopen(self) -> None:
        """Each line that fails does."""

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def stamp(at: float) -> str:
    """`Nov  6 21:31:12`, in the host's local time, as syslog has it."""
    moment = datetime.fromtimestamp(at, UTC).astimezone()
    return f"{_MONTHS[moment.month - 1]} {moment.day:2d} {moment:%H:%M:%S}"


def bare(output: str) -> bool:
    """Whether who takes the lines puts time and program before them."""
    return output == "journal" or output.startswith("syslog")


def sink(config: Log, hostname: str, stream: TextIO) -> Sink:
    """Of `log.output`. OSError where a file can not be opened."""
    output = config.output
    if output == "stderr":
        return StreamSink(stream)
    if output == "journal":
        return DatagramSink(JOURNAL, journal=True)
    if output.startswith("/"):
        return FileSink(output)
    place = output.removeprefix("syslog").removeprefix(":") or DEVICE
    if place.startswith("/"):
        return DatagramSink(place)
    host, _, port = place.rpartition(":")
    return DatagramSink((host.strip("[]"), int(port)), hostname=hostname.partition(".")[0])
