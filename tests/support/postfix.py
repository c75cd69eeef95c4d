"""A Postfix of a test's own: its folder, its ports on loopback, gone afterwards. Skipped by name where there is none."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pytest
from support.server import free_port

START = 15.0  # seconds
SERVICES = """
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
proxymap unix - - n - - proxymap
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
"""


@contextlib.contextmanager
def postfix(**options: str) -> Iterator[int]:
    """The port of its smtpd; what it accepts it throws away. `options`: lines of its main.cf."""
    with postfix_in(**options) as (_, port):
        yield port


def resolved(folder: Path, sender: str, address: str) -> tuple[str, str]:
    """The transport and nexthop that trivial-rewrite of the Postfix in that folder finds."""
    with socket.socket(socket.AF_UNIX) as asked:
        asked.settimeout(START)
        asked.connect(str(folder / "queue/private/rewrite"))
        words = ("request", "resolve", "sender", sender, "address", address)
        asked.sendall("".join(word + "\0" for word in words).encode() + b"\0")
        heard = b""
        while b"nexthop\0" not in heard or heard.count(b"\0\0") < 2:
            block = asked.recv(4096)
            assert block, heard
            heard += block
    fields = heard.decode().split("\0")
    return fields[fields.index("transport") + 1], fields[fields.index("nexthop") + 1]


@contextlib.contextmanager
def postfix_in(services: str = "", **options: str) -> Iterator[tuple[Path, int]]:
    """The same with its folder, where its `log` lies. `services`: more lines of its master.cf."""
    port = free_port()
    settings = {
        "myhostname": "postfix.test", "mydestination": "", "mynetworks": "", "inet_protocols": "ipv4",
        "default_transport": "discard", "alias_maps": "", "local_recipient_maps": "", "smtpd_peername_lookup": "no",
        "smtpd_error_sleep_time": "0", "smtpd_client_auth_rate_limit": "0", **options,
    }  # fmt: skip
    with private(f"127.0.0.1:{port} inet n - n - - smtpd\n{services}", settings, [port]) as folder:
        yield folder, port


@contextlib.contextmanager
def private(
    services: str, settings: Mapping[str, str], ports: Iterable[int], in_queue: Mapping[str, str] | None = None
) -> Iterator[Path]:
    """The folder of one that answers at all these ports. `services`: lines of its master.cf besides SERVICES; `settings`: its
    main.cf; `in_queue`: files below its queue directory, for services that are chrooted."""
    program = shutil.which("postfix", path="/usr/sbin:/usr/bin")
    if program is None:
        pytest.skip("postfix is not installed")
    if os.getuid():
        pytest.skip("postfix has to be started by root")
    folder = Path(tempfile.mkdtemp(prefix="mp"))
    folder.chmod(0o755)
    places = {
        "compatibility_level": "3.6", "queue_directory": f"{folder}/queue", "data_directory": f"{folder}/data",
        "maillog_file": "/dev/stdout", "maillog_file_prefixes": "/dev/stdout",
    }  # fmt: skip
    etc = folder / "etc"
    for made in (etc, folder / "data", folder / "queue"):
        made.mkdir()
    shutil.chown(folder / "data", "postfix")
    for name, text in (in_queue or {}).items():
        (folder / "queue" / name).parent.mkdir(exist_ok=True)
        (folder / "queue" / name).write_text(text)
    (etc / "main.cf").write_text("".join(f"{key} = {value}\n" for key, value in {**places, **settings}.items()))
    (etc / "master.cf").write_text(SERVICES + services)
    log = (folder / "log").open("wb")
    subprocess.run([program, "-c", str(etc), "check"], stdout=log, stderr=log, check=True)  # makes its folders
    process = subprocess.Popen(
        [_master(etc), "-d"], stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True,
        env={"MAIL_CONFIG": str(etc), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
    )  # fmt: skip
    try:
        for port in ports:
            answers(port, process, folder / "log")
        yield folder
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # with its children; nothing of theirs is kept
        process.wait()
        log.close()
        shutil.rmtree(folder, ignore_errors=True)


def _master(etc: Path) -> str:
    """The daemon itself, which stays one process group with its children; postfix(1) would give it a session of its own."""
    asked = ["postconf", "-c", str(etc), "-h", "daemon_directory"]
    return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip() + "/master"


def answers(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    """Wait until somebody speaks at that port; AssertionError with the log where nobody does."""
    until = time.monotonic() + START
    while time.monotonic() < until:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=START) as probe:
            if probe.recv(1):
                return
        assert process.poll() is None, log.read_text(errors="replace")
        time.sleep(0.05)  # it has no way to tell
    raise AssertionError(log.read_text(errors="replace"))
