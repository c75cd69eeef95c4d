"""A real Postfix on loopback, private and gone afterwards: one smtpd on a port of its own for each set of parameters.

The smtpds are chrooted into the queue folder, so that their resolver reads the `etc/resolv.conf` that lies there and asks the
test's DNS server. What they accept is thrown away.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

START = 20.0  # seconds
SERVICES = """
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
anvil unix - - n - 1 anvil
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
smtp unix - - n - - smtp
postlog unix-dgram n - n - 1 postlogd
"""


def _needed() -> str:
    found = shutil.which("postfix", path="/usr/sbin:/usr/bin")
    if found is None:
        pytest.skip("postfix is not installed")
    if os.getuid():
        pytest.skip("postfix has to be started by root")
    return found


def _free_ports(count: int) -> list[int]:
    """All different: each is held until the last is found."""
    with contextlib.ExitStack() as held:
        probes = [held.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]


@contextlib.contextmanager
def postfix(common: Mapping[str, str], services: Mapping[str, Mapping[str, str]], dns: str) -> Iterator[dict[str, int]]:
    """The ports of the services, by their names. `dns`: an address whose port 53 is asked for names."""
    program = _needed()
    folder = Path(tempfile.mkdtemp(prefix="pf"))
    folder.chmod(0o755)
    ports = dict(zip(services, _free_ports(len(services)), strict=True))
    try:
        _prepare(folder, common, {ports[name]: parameters for name, parameters in services.items()}, dns)
        with (folder / "out").open("wb") as out:
            process = subprocess.Popen(
                [program, "-c", str(folder / "etc"), "start-fg"], stdout=out, stderr=out, start_new_session=True
            )
        try:
            for port in ports.values():
                _wait(port, process, folder)
            yield ports
        finally:
            _stop(process, folder / "queue/pid/master.pid")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _stop(process: "subprocess.Popen[bytes]", pid: Path) -> None:
    """The master has a session of its own, with all its children in it; it says where in that file."""
    with contextlib.suppress(OSError, ValueError):
        os.killpg(int(pid.read_text()), signal.SIGKILL)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _prepare(folder: Path, common: Mapping[str, str], services: Mapping[int, Mapping[str, str]], dns: str) -> None:
    for name in ("etc", "queue", "queue/etc", "data"):
        (folder / name).mkdir()
    shutil.chown(folder / "data", "postfix", "postfix")
    (folder / "queue/etc/resolv.conf").write_text(f"nameserver {dns}\noptions timeout:2 attempts:1\n")
    (folder / "queue/etc/services").write_text("smtp 25/tcp\n")
    parameters = {
        "compatibility_level": "3.6", "queue_directory": f"{folder}/queue", "data_directory": f"{folder}/data",
        "maillog_file": f"{folder}/log", "maillog_file_prefixes": str(folder), "inet_interfaces": "127.0.0.1",
        "inet_protocols": "all", **common,
    }  # fmt: skip
    (folder / "etc/main.cf").write_text("".join(f"{name} = {value}\n" for name, value in parameters.items()))
    lines = [SERVICES]
    for port, own in services.items():
        lines.append(f"127.0.0.1:{port} inet n - y - - smtpd\n")
        lines += [f"  -o {{ {name} = {value} }}\n" for name, value in own.items()]
    (folder / "etc/master.cf").write_text("".join(lines))


def _wait(port: int, process: "subprocess.Popen[bytes]", folder: Path) -> None:
    until = time.monotonic() + START
    while time.monotonic() < until:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1.0):
            return
        if process.poll() is not None:
            break
        time.sleep(0.05)  # Postfix has no way to tell
    log = folder / "log"
    raise AssertionError((folder / "out").read_text() + (log.read_text() if log.exists() else ""))
