"""haproxy before the mailhubs of a cluster: it asks each whether it takes mail, and says by the PROXY protocol who the client is."""

import contextlib
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

import pytest

_CONFIG = """
global
    maxconn 500
defaults
    mode tcp
    timeout connect 2s
    timeout client 60s
    timeout server 60s
    timeout check 2s
    retries 3
    option redispatch 1
    balance roundrobin
    option httpchk
    http-check send meth GET uri /health/ready ver HTTP/1.1 hdr Host localhost hdr Connection close
    http-check expect status 200
    default-server inter 300ms fall 2 rise 2
listen smtp
    bind 127.0.0.1:{smtp}
{smtp_servers}
listen imap
    bind 127.0.0.1:{imap}
{imap_servers}
frontend figures
    mode http
    bind 127.0.0.1:{figures}
    stats enable
    stats uri /
"""


@dataclass(frozen=True)
class Balancer:
    """Where clients go. `port`: SMTP."""

    address: str
    port: int
    imap: int
    figures: int

    def up(self) -> dict[str, bool]:
        """Whether it sends mail to each server."""
        with urlopen(f"http://127.0.0.1:{self.figures}/;csv", timeout=5) as found:
            rows = [line.split(",") for line in found.read().decode().splitlines()]
        return {
            row[1]: row[17].startswith("UP")
            for row in rows
            if row[0] == "smtp" and row[1] not in ("FRONTEND", "BACKEND")
        }


def _free() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def balancer(
    folder: Path, source: str, servers: Sequence[tuple[str, str]], smtp: int, imap: int, http: int
) -> Iterator[Balancer]:
    """`servers`: names and addresses; `smtp`, `imap`, `http`: their ports. `source`: the address that it speaks from."""
    program = shutil.which("haproxy")
    if program is None:
        pytest.skip("haproxy is not installed")
    made = Balancer("127.0.0.1", _free(), _free(), _free())

    def lines(port: int) -> str:
        return "\n".join(
            f"    server {name} {address}:{port} source {source} check port {http} send-proxy-v2"
            for name, address in servers
        )

    config = folder / "haproxy.cfg"
    config.write_text(
        _CONFIG.format(
            smtp=made.port, imap=made.imap, figures=made.figures, smtp_servers=lines(smtp), imap_servers=lines(imap)
        )
    )
    with (folder / "haproxy.log").open("wb") as log:
        process = subprocess.Popen([program, "-db", "-f", str(config)], stdout=log, stderr=log)
    try:
        until = time.monotonic() + 30
        while True:
            with contextlib.suppress(OSError):
                if all(made.up().values()):
                    break
            assert process.poll() is None, (folder / "haproxy.log").read_text()
            assert time.monotonic() < until, (folder / "haproxy.log").read_text()
            time.sleep(0.1)  # it has no way to tell
        yield made
    finally:
        process.terminate()
        process.wait(20)
