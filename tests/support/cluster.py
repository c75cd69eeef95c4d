"""Three mailhubs on three Galera servers, a pair in each network namespace; mail goes in, and is read, from this side of their bridge."""

import contextlib
import imaplib
import os
import re
import signal
import smtplib
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from support.balancer import Balancer
from support.galera import Node
from support.radosgw import Radosgw
from support.server import REPOSITORY

SMTP, IMAP, HTTP = 2525, 1143, 8080
BEHIND = 10_000  # to be added to the ports where a balancer is expected
PASSWORD = "between three machines"
_START = 60.0  # seconds
_CONFIG = """
hostname = "{name}.mailhub.test"
domains = ["example.test"]
data = "{folder}/var"
[auth]
allow_plaintext = true
failure_delay = 0
[smtp]
greet_pause = 0
mynetworks = ["10.0.0.0/8", "127.0.0.0/8"]
[spf]
enabled = false
[dmarc]
enabled = false
[dnsbl]
enabled = false
[queue]
retry = [1, 1, 2]
[store]
kind = "mysql"
hosts = [{hosts}]
user = "root"
database = "mailhub"
objects = "{objects}"
inline_limit = 4_096
free_space_floor = 0
timeout = 5
lease_seconds = 4
poll_seconds = {poll}
[[listener]]
protocol = "smtp"
address = "{address}"
port = {smtp}
tls = "none"
[[listener]]
protocol = "imap"
address = "{address}"
port = {imap}
tls = "none"
"""
_BEHIND = """
[[listener]]
name = "smtp-behind"
protocol = "smtp"
address = "{address}"
port = {smtp}
tls = "none"
proxy_protocol = true
proxy_networks = ["{balancer}/32"]
[[listener]]
name = "imap-behind"
protocol = "imap"
address = "{address}"
port = {imap}
tls = "none"
proxy_protocol = true
proxy_networks = ["{balancer}/32"]
[[listener]]
protocol = "http"
address = "{address}"
port = {http}
tls = "none"
[sessions]
leave_delay = 2
"""


@dataclass
class Hub:
    """One mailhub, which asks the server of its own machine first."""

    node: Node
    folder: Path
    objects: str  # where bodies lie
    environment: Mapping[str, str] = field(default_factory=dict)
    behind: bool = False  # a balancer may be in front
    poll: float = 0.2  # seconds
    process: "subprocess.Popen[bytes] | None" = None
    port: int = SMTP

    @property
    def config(self) -> Path:
        return self.folder / "config.toml"

    @property
    def address(self) -> str:
        return self.node.address

    def write(self) -> None:
        self.folder.mkdir()
        hosts = [f"unix:{self.node.socket}", *(f"inet:{other.address}:3306" for other in self.node.others)]
        behind = _BEHIND.format(
            address=self.address, smtp=BEHIND + SMTP, imap=BEHIND + IMAP, http=HTTP, balancer=self.node.side
        )
        self.config.write_text((_CONFIG + (behind if self.behind else "")).format(
            poll=self.poll, name=f"n{self.node.number}", folder=self.folder, hosts=", ".join(f'"{host}"' for host in hosts),
            objects=self.objects, address=self.address, smtp=SMTP, imap=IMAP,
        ))  # fmt: skip

    def _environment(self) -> dict[str, str]:
        return {**os.environ, "PYTHONPATH": str(REPOSITORY), **self.environment}

    def command(self, *words: str, text: str = "") -> str:
        """An operator's command; the server is down, or answers by its socket."""
        done = subprocess.run(
            self.node.command(sys.executable, "-m", "mailhub", "--config", str(self.config), *words),
            input=text, text=True, capture_output=True, check=False, timeout=60, cwd=REPOSITORY,
            env=self._environment(),
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                self.node.command(sys.executable, "-m", "mailhub", "--config", str(self.config), "serve"),
                stdout=log, stderr=log, cwd=REPOSITORY, start_new_session=True, env=self._environment(),
            )  # fmt: skip

    def wait(self) -> None:
        """Until it answers."""
        until = time.monotonic() + _START
        while time.monotonic() < until:
            with (
                contextlib.suppress(OSError, smtplib.SMTPException),
                smtplib.SMTP(self.address, SMTP, timeout=5) as client,
            ):
                if client.noop()[0] == 250:
                    return
            assert self.process is not None
            assert self.process.poll() is None, self.log()
            time.sleep(0.1)  # it has no way to tell
        raise AssertionError(self.log())

    def log(self) -> str:
        return (self.folder / "log").read_text()[-6000:]

    def signal(self, number: int) -> None:
        assert self.process is not None
        os.killpg(self.process.pid, number)

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        assert self.process is not None
        self.process.wait(20)

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                self.signal(signal.SIGCONT)
                self.signal(signal.SIGTERM)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.kill()

    def send(self, account: str, number: int) -> int:
        """The answer to the message of that number."""
        with smtplib.SMTP(self.address, SMTP, timeout=60) as client:
            client.ehlo("out.test")
            client.mail("sender@out.test")
            assert client.rcpt(account)[0] == 250
            return client.data(letter(number))[0]

    def imap(self, account: str) -> imaplib.IMAP4:
        client = imaplib.IMAP4(self.address, IMAP, timeout=30)
        client.login(account, PASSWORD)
        return client


@contextlib.contextmanager
def cluster(
    folder: Path,
    nodes: Sequence[Node],
    *accounts: str,
    objects: "Radosgw | None" = None,
    behind: bool = False,
    poll: float = 0.2,
) -> Iterator[list[Hub]]:
    """Running, with these accounts. `objects`: the server of bodies; else they lie in a folder that all share."""
    nodes[0].run("drop database if exists mailhub; create database mailhub character set utf8mb4 collate utf8mb4_bin")
    where = str(folder / "objects") if objects is None else objects.bucket("mail")
    environment = {} if objects is None else objects.environment
    hubs = [Hub(node, folder / f"hub{node.number}", where, environment, behind, poll) for node in nodes]
    for hub in hubs:
        hub.write()
    hubs[0].start()
    try:
        hubs[0].wait()  # it makes the tables
        for account in accounts:
            hubs[0].command("user", "add", account, "--password-stdin", text=PASSWORD + "\n")
        for hub in hubs[1:]:
            hub.start()
        for hub in hubs[1:]:
            hub.wait()
        yield hubs
    finally:
        for hub in hubs:
            hub.stop()


def letter(number: int) -> str:
    """Some are objects."""
    size = 20_000 if number % 7 == 0 else 300
    start = f"Subject: message {number}\r\nMessage-ID: <{number}@out.test>\r\n\r\n"
    return start + ("x" * 70 + "\r\n") * (size // 70)


@dataclass
class Senders:
    """Send messages to whichever node takes them, until told to stop. What was answered with 250 is `promised`; what may have been taken,
    because the answer never came, is `unknown`, too, and was sent again under the same number."""

    hubs: Sequence["Hub | Balancer"]
    account: str
    promised: set[int] = field(default_factory=set)
    unknown: set[int] = field(default_factory=set)
    refused: int = 0

    def __post_init__(self) -> None:
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._next = 0
        self._threads = [threading.Thread(target=self._send, args=(n,), daemon=True) for n in range(2)]

    def __enter__(self) -> "Senders":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join(60)

    def _number(self) -> int:
        with self._lock:
            self._next += 1
            return self._next

    def _send(self, first: int) -> None:
        at = first
        while not self._ended.is_set():
            number = self._number()
            text = letter(number)
            while not self._ended.is_set():
                at += 1
                if self._try(self.hubs[at % len(self.hubs)], number, text):
                    break
                self._ended.wait(0.1)
            self._ended.wait(0.05)

    def _try(self, hub: "Hub | Balancer", number: int, text: str) -> bool:
        handed = False
        try:
            with smtplib.SMTP(hub.address, hub.port, timeout=8) as client:
                client.ehlo("out.test")
                client.mail("sender@out.test")
                if client.rcpt(self.account)[0] != 250:
                    self.refused += 1
                    return False
                handed = True
                code, _ = client.data(text)
                handed = False
                if code != 250:
                    self.refused += 1
                    return False
        except (OSError, smtplib.SMTPException):
            if handed:
                with self._lock:
                    self.unknown.add(number)
            return False
        with self._lock:
            self.promised.add(number)
        return True


def numbers(hub: Hub, account: str, folder: str = "INBOX") -> list[tuple[int, int]]:
    """(UID, number of the message) of all in a folder of the account, as that node shows it."""
    client = hub.imap(account)
    try:
        client.select(folder, readonly=True)
        _, found = client.uid("FETCH", "1:*", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
        pairs = []
        for part in found:
            if isinstance(part, tuple):
                uid, subject = re.search(rb"UID (\d+)", part[0]), re.search(rb"message (\d+)", part[1])
                assert uid is not None
                assert subject is not None
                pairs.append((int(uid[1]), int(subject[1])))
        return pairs
    finally:
        client.logout()
