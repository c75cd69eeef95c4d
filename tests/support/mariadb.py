"""A MariaDB of one's own: a folder, a socket, a port, and gone afterwards."""

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

START = 30.0  # seconds


@dataclass(frozen=True)
class Mariadb:
    """`run` executes statements as root."""

    folder: Path
    socket: Path
    port: int

    def run(self, statements: str, database: str = "") -> str:
        command = ["mariadb", "--no-defaults", f"--socket={self.socket}", "-u", "root", "-N", database or "mysql"]
        done = subprocess.run(command, input=statements, text=True, capture_output=True, check=False, timeout=30)
        assert done.returncode == 0, done.stderr
        return done.stdout


@contextlib.contextmanager
def mariadb() -> Iterator[Mariadb]:
    """Running; skips the test where it is not installed."""
    server, install = shutil.which("mariadbd"), shutil.which("mariadb-install-db")
    if server is None or install is None:
        pytest.skip("mariadb-server is not installed")
    folder = Path(tempfile.mkdtemp(prefix="mariadb"))
    user = ["--user=root"] if os.getuid() == 0 else []
    try:
        subprocess.run(
            [install, "--no-defaults", f"--datadir={folder}/data", "--auth-root-authentication-method=normal",
             "--skip-test-db", *user],
            check=True, capture_output=True, timeout=60,
        )  # fmt: skip
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        made = Mariadb(folder, folder / "s", port)
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [server, "--no-defaults", f"--datadir={folder}/data", f"--socket={made.socket}", f"--port={port}",
                 "--bind-address=127.0.0.1", f"--pid-file={folder}/pid", "--innodb-buffer-pool-size=16M",
                 "--innodb-flush-log-at-trx-commit=0", "--skip-log-bin", "--performance-schema=0", *user],
                stdout=log, stderr=log,
            )  # fmt: skip
        try:
            _wait(made, process)
            yield made
        finally:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(20)
            process.kill()
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
