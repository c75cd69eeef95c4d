"""Where log lines go: files that are renamed, full disks, syslog by both ways, the journal; and who can read them."""

import asyncio
import io
import logging
import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from mailhub import log, log_output
from mailhub.config import schema
from mailhub.directory.authenticator import Authenticator
from mailhub.log_output import DatagramSink, FileSink, Line
from mailhub.model import ids
from mailhub.model.clock import VirtualClock
from mailhub.model.envelope import Envelope, Origin, Recipient
from mailhub.model.reply import Reply
from mailhub.trace import Trace

ITEM = ids.number("0FQ7C6N2K4M1T")
logger = logging.getLogger("mailhub.test_log_output")


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    root, ours = logging.getLogger(), logging.getLogger("mailhub")
    before = (root.level, ours.level, list(root.handlers))
    yield
    root.setLevel(before[0])
    ours.setLevel(before[1])
    for handler in set(root.handlers) - set(before[2]):
        root.removeHandler(handler)
        handler.close()


def lines(*texts: str) -> list[Line]:
    return [Line(0.0, logging.INFO, "mailhub", text, "10") for text in texts]


def ended(writer: log.LineWriter) -> None:
    logging.getLogger().removeHandler(writer)
    writer.close()


def test_a_file_that_was_renamed_is_opened_anew(tmp_path: Path) -> None:
    path = tmp_path / "mail.log"
    sink = FileSink(str(path))
    sink.write(lines("one"))
    path.rename(tmp_path / "mail.log.1")
    sink.write(lines("two"))
    path.unlink()
    sink.write(lines("three"))
    sink.close()
    assert (tmp_path / "mail.log.1").read_text() == "one\n"
    assert path.read_text() == "three\n"
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_file_goes_on_where_no_new_one_can_be_made(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    sink = FileSink(str(folder / "mail.log"))
    folder.rename(tmp_path / "old")
    assert sink.write(lines("one")) == 0
    sink.close()
    assert (tmp_path / "old" / "mail.log").read_text() == "one\n"


def test_what_a_full_disk_took_is_counted_and_told_later(tmp_path: Path) -> None:
    full = FileSink("/dev/full")
    assert full.write(lines("one", "two")) == 2
    full.close()
    path = tmp_path / "mail.log"
    path.symlink_to("/dev/full")
    writer = log.setup(schema.Log(output=str(path)), io.StringIO())
    logger.info("lost")
    while not writer.lost:
        os.sched_yield()
    path.unlink()
    logger.info("there")
    ended(writer)
    said = [line.split(" ", 1)[1] for line in path.read_text().splitlines()]
    assert said == [
        "warning log: 1 lines dropped, the reader of the log is too slow or its disk full",
        "info test_log_output: there",
    ]


def test_syslog_on_its_socket_and_again_after_it_began_anew(tmp_path: Path) -> None:
    path = str(tmp_path / "log")
    sink = DatagramSink(path)
    assert sink.write(lines("nobody there")) == 1
    for turn in ("one", "two"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as daemon:
            daemon.bind(path)
            assert sink.write(lines(f"{turn}\n    trace")) == 0
            first, second = daemon.recv(9_000), daemon.recv(9_000)
        os.unlink(path)
        assert first.startswith(b"<22>")
        assert first.endswith(f" mailhub[{os.getpid()}]: {turn}".encode())
        assert second.endswith(b"]:     trace")
    sink.close()


def test_a_stalled_syslog_loses_lines_and_holds_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_output, "_WAIT", 0.01)
    path = str(tmp_path / "log")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as daemon:
        daemon.bind(path)
        sink = DatagramSink(path)
        assert sink.write(lines(*["x" * 7_000] * 2_000)) > 0
        sink.close()


def test_syslog_by_udp_names_this_host() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as daemon:
        daemon.bind(("127.0.0.1", 0))
        output = f"syslog:127.0.0.1:{daemon.getsockname()[1]}"
        writer = log.setup(schema.Log(output=output, format="postfix"), io.StringIO(), "mail.example.org")
        with log.about(32):
            logger.error("to %s", "a\nb")
        ended(writer)
        daemon.settimeout(10)
        said = daemon.recv(9_000)
    assert said.startswith(b"<19>")
    assert said.endswith(f" mail postfix/master[{os.getpid()}]: 10: error: to a\\nb".encode())


def test_the_journal_gets_fields(tmp_path: Path) -> None:
    path = str(tmp_path / "journal")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as daemon:
        daemon.bind(path)
        sink = DatagramSink(path, journal=True)
        sink.write(lines("hello"))
        said = daemon.recv(9_000)
        sink.close()
    assert said == (
        b"PRIORITY=6\nSYSLOG_FACILITY=2\nSYSLOG_IDENTIFIER=mailhub\nQUEUE_ID=10\nMESSAGE\n\x05\0\0\0\0\0\0\0hello\n"
    )


def test_addresses_are_left_out_where_asked() -> None:
    stream = io.StringIO()
    writer = log.setup(schema.Log(addresses=False), stream)
    logger.info("from=<a.b@example.org>, to='\"c d\"@example.net', <o'hara=x@example.com>")
    ended(writer)
    said = stream.getvalue()
    assert said.endswith("from=<*@example.org>, to='*@example.net', <*@example.com>\n")
    assert "a.b" not in said
    assert "c d" not in said


async def _story(trace: Trace) -> None:
    origin = Origin(client="192.0.2.7", helo="client.example")
    envelope = Envelope("a@example.org", (Recipient("b@example.net"),))
    trace.accepted(ITEM, envelope, origin, 1_234, "<1@example.org>")
    trace.refused(origin, "a@example.org", "c@example.net", Reply(554, "5.7.1", "Relay access denied"))


def test_pflogsumm_reads_the_lines_of_postfix(tmp_path: Path) -> None:
    path = tmp_path / "mail.log"
    config = schema.Log(output=str(path), format="postfix")
    writer = log.setup(config, io.StringIO(), "mail.example.net")

    async def told() -> None:
        clock = VirtualClock()
        trace = Trace.off(clock)
        await _story(trace)

    asyncio.run(told())
    with log.about(ITEM):
        logging.getLogger("mailhub.smtp").info(
            "to=<b@example.net>, relay=mx.example.net[192.0.2.1]:25, delay=0.2, delays=0.1/0/0/0.1, dsn=2.0.0, status=sent (ok)"
        )
    ended(writer)
    report = subprocess.run(
        ["pflogsumm", str(path)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        env={**os.environ, "LC_ALL": "C"},
    ).stdout
    counts = {w[1]: w[0] for line in report.splitlines() if len(w := line.split()) == 2 and w[0].isdigit()}
    assert (counts["received"], counts["delivered"]) == ("1", "1")
    assert "1   rejected" in report
    assert "1234   bytes delivered" in report
    assert "1   a@example.org" in report
    assert "Relay access denied" in report


@pytest.mark.parametrize(
    ("service", "filter_name"),
    [
        ("smtp", "postfix[mode=auth]"),
        ("submission", "postfix[mode=auth]"),
        ("imap", "dovecot"),
        ("pop3", "dovecot"),
        ("managesieve", "dovecot"),
    ],
)
def test_fail2ban_finds_wrong_logins(tmp_path: Path, service: str, filter_name: str) -> None:
    path = tmp_path / "mail.log"
    writer = log.setup(schema.Log(output=str(path), format="postfix"), io.StringIO(), "mail.example.net")
    hostile = "x>, method=PLAIN, rip=198.51.100.9, lip=1\n"

    async def told() -> None:
        clock, nothing = VirtualClock(), cast(Any, None)
        authenticator = Authenticator(nothing, nothing, schema.Auth(failure_delay=0.0), clock, nothing, ())
        for login in ("ann@example.org", hostile):
            await authenticator.failed(login, "wrong password", service=service, client="192.0.2.7")

    asyncio.run(told())
    ended(writer)
    done = subprocess.run(
        ["fail2ban-regex", "-o", "ip", str(path), filter_name], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout.split() == ["192.0.2.7", "192.0.2.7"], done.stdout + path.read_text()


def test_fail2ban_finds_whom_postfix_refused(tmp_path: Path) -> None:
    path = tmp_path / "mail.log"
    writer = log.setup(schema.Log(output=str(path), format="postfix"), io.StringIO(), "mail.example.net")

    async def told() -> None:
        await _story(Trace.off(VirtualClock()))

    asyncio.run(told())
    ended(writer)
    done = subprocess.run(
        ["fail2ban-regex", str(path), "postfix"], capture_output=True, text=True, timeout=60, check=False
    )
    assert "1 matched" in done.stdout, done.stdout
