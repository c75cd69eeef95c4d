"""Debian's daemons that look at mail, each private: a folder, a port, killed, stalled and started again at will, gone afterwards."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from support.server import free_port

START = 40.0  # seconds
EICAR = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$" + b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"


class Daemon:
    """One that listens on `port` or at `path`. `ready`: raises OSError until it answers."""

    def __init__(
        self,
        command: Sequence[str],
        folder: Path,
        *,
        port: int = 0,
        path: str = "",
        ready: Callable[[], None] | None = None,
    ) -> None:
        self.command, self.folder, self.port, self.path = command, folder, port, path
        self._ready = ready or self._connects
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"unix:{self.path}" if self.path else f"inet:127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def start(self) -> None:
        """Returns when it answers. It dies with this process."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *self.command], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True, env={**os.environ, "HOME": str(self.folder), "LC_ALL": "C"},
            )  # fmt: skip
        until = time.monotonic() + START
        while time.monotonic() < until:
            with contextlib.suppress(OSError):
                return self._ready()
            if self._process.poll() is not None:
                break
            time.sleep(0.05)  # these daemons have no way to tell
        raise AssertionError(self.log)

    def _connects(self) -> None:
        family = socket.AF_UNIX if self.path else socket.AF_INET
        with socket.socket(family) as probe:
            probe.settimeout(5)
            probe.connect(self.path or ("127.0.0.1", self.port))

    def _signal(self, number: int) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)

    def stall(self) -> None:
        """The system takes connections for it, and nothing answers."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """With its children; returns when it is gone."""
        self._signal(signal.SIGKILL)
        if self._process is not None:
            self._process.wait(20)
        if self.path:
            Path(self.path).unlink(missing_ok=True)


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """A short path, open to daemons that run as somebody else."""
    made = Path(tempfile.mkdtemp(prefix="sc"))
    made.chmod(0o755)
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def needed(name: str) -> str:
    found = shutil.which(name, path="/usr/sbin:/usr/bin:/sbin:/bin")
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


@contextlib.contextmanager
def started(daemon: Daemon) -> Iterator[Daemon]:
    try:
        daemon.start()
        yield daemon
    finally:
        daemon.resume()
        daemon.kill()


@contextlib.contextmanager
def clamd(*, unix: bool = False, stream_limit: str = "25M") -> Iterator[Daemon]:
    """It knows EICAR and nothing else."""
    program = needed("clamd")
    with folder() as place:
        (place / "db").mkdir()
        (place / "db" / "test.ndb").write_text(f"Eicar-Test:0:*:{EICAR.hex()}\n")
        port = 0 if unix else free_port()
        listens = f"LocalSocket {place}/s" if unix else f"TCPSocket {port}\nTCPAddr 127.0.0.1"
        (place / "clamd.conf").write_text(
            f"Foreground yes\n{listens}\nDatabaseDirectory {place}/db\nStreamMaxLength {stream_limit}\nMaxThreads 4\n"
            f"TemporaryDirectory {place}\n"
        )
        command = [program, f"--config-file={place}/clamd.conf"]
        with started(Daemon(command, place, port=port, path=f"{place}/s" if unix else "")) as daemon:
            yield daemon
