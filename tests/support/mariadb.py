"""A MariaDB of one's own: a folder, a socket, a port, and gone afterwards."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

START = 60.0  # seconds


@dataclass
class Mariadb:
    """`run` executes statements as root. `kill`, `stall`, `resume` and `start` are what may happen to it."""

    folder: Path
    port: int
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def socket(self) -> Path:
        return self.folder / "s"

    def run(self, statements: str, database: str = "") -> str:
        command = ["mariadb", "--no-defaults", f"--socket={self.socket}", "-u", "root", "-N", database or "mysql"]
        command.append("--default-character-set=utf8mb4")
        done = subprocess.run(command, input=statements, text=True, capture_output=True, check=False, timeout=30)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start(self) -> None:
        """On the same data and port; returns when it answers."""
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [str(shutil.which("mariadbd")), "--no-defaults", f"--datadir={self.folder}/data", f"--socket={self.socket}",
                 f"--port={self.port}", "--bind-address=127.0.0.1", f"--pid-file={self.folder}/pid",
                 "--innodb-buffer-pool-size=16M", "--innodb-flush-log-at-trx-commit=0", "--skip-log-bin",
                 "--performance-schema=0", *_user()],
                stdout=log, stderr=log,
            )  # fmt: skip
        _wait(self, self.process)

    def kill(self) -> None:
        """SIGKILL; returns when it is gone."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(20)
        self.socket.unlink(missing_ok=True)

    def stall(self) -> None:
        """It takes connections, and answers nothing."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        if self.process is None:
            return
        self.resume()
        self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(20)
        self.process.kill()
        self.process.wait(20)


def _user() -> list[str]:
    return ["--user=root"] if os.getuid() == 0 else []


@contextlib.contextmanager
def mariadb() -> Iterator[Mariadb]:
    """Running; skips the test where it is not installed."""
    install = shutil.which("mariadb-install-db")
    if shutil.which("mariadbd") is None or install is None:
        pytest.skip("mariadb-server is not installed")
    folder = Path(tempfile.mkdtemp(prefix="mariadb"))
    try:
        installed = subprocess.run(
            [install, "--no-defaults", f"--datadir={folder}/data", "--auth-root-authentication-method=normal",
             "--skip-test-db", *_user()],
            check=False, capture_output=True, text=True, timeout=180,
        )  # fmt: skip
        assert installed.returncode == 0, installed.stdout + installed.stderr
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        made = Mariadb(folder, port)
        try:
            made.start()
            yield made
        finally:
            made.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _wait(made: Mariadb, process: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + START
    while time.monotonic() < until:
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as probe:
            probe.connect(str(made.socket))
            return
        if process.poll() is not None:
            break
        time.sleep(0.05)  # the server has no way to tell
    raise AssertionError((made.folder / "log").read_text())
