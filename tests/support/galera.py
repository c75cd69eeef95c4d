"""A Galera cluster of one's own: each node in a network namespace, all joined by a bridge; gone afterwards.

The data folder of the first node is copied to the others before they start, so that nobody has to be sent all of it.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

PROVIDER = Path("/usr/lib/galera/libgalera_smm.so")
START = 60.0  # seconds
_OUTSIDE = 254  # this side's number on the bridge
_LETTERS = iter("abcdefghijklmnopqrstuvwxyz")  # one for each cluster of this process


@dataclass
class Node:
    """One server of the cluster. `kill`, `stall` and `cut` are what may happen to it."""

    number: int
    folder: Path
    space: str  # name of its network namespace, and of its end of the bridge
    address: str
    process: "subprocess.Popen[bytes] | None" = None
    others: "list[Node]" = field(default_factory=list)

    @property
    def socket(self) -> Path:
        return self.folder / "s"

    @property
    def side(self) -> str:
        """The address by which the node finds who looks on from outside."""
        return f"{self.address.rpartition('.')[0]}.{_OUTSIDE}"

    def command(self, *rest: str) -> list[str]:
        """Something that runs in the node's namespace."""
        return ["ip", "netns", "exec", self.space, *rest]

    def run(self, statements: str, database: str = "") -> str:
        command = ["mariadb", "--no-defaults", f"--socket={self.socket}", "-u", "root", "-N", database or "mysql"]
        done = subprocess.run(command, input=statements, text=True, capture_output=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start(self, *, first: bool = False) -> None:
        """On its own data; it joins the others, or begins the cluster. Returns when it is in step with them."""
        cluster = "" if first else ",".join(node.address for node in self.others)
        options = [
            f"--datadir={self.folder}/data", f"--socket={self.socket}", "--port=3306", f"--bind-address={self.address}",
            f"--pid-file={self.folder}/pid", "--user=mysql", "--innodb-buffer-pool-size=32M", "--performance-schema=0",
            "--innodb-flush-log-at-trx-commit=0", "--innodb-autoinc-lock-mode=2", "--binlog-format=ROW",
            "--wsrep-on=ON", f"--wsrep-provider={PROVIDER}", f"--wsrep-cluster-address=gcomm://{cluster}",
            f"--wsrep-node-address={self.address}", f"--wsrep-node-name=n{self.number}", "--wsrep-sst-method=rsync",
            "--wsrep-slave-threads=2",
            "--wsrep-provider-options=gcache.size=64M;evs.suspect_timeout=PT2S;evs.inactive_timeout=PT4S;evs.keepalive_period=PT0.5S",
        ]  # fmt: skip
        where = "" if first else self._position()
        if where:
            options.append(f"--wsrep-start-position={where}")
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                self.command("mariadbd", "--no-defaults", *options), stdout=log, stderr=log, start_new_session=True
            )
        self._wait()

    def _position(self) -> str:
        """Where it was when it ended, however that was."""
        done = subprocess.run(
            ["mariadbd", "--no-defaults", f"--datadir={self.folder}/data", "--user=mysql", "--wsrep-recover",
             f"--wsrep-provider={PROVIDER}", "--wsrep-on=ON", "--bind-address=127.0.0.1", "--port=0", "--innodb-buffer-pool-size=32M",
             f"--socket={self.folder}/r", f"--pid-file={self.folder}/rpid"],
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        found = [line for line in done.stderr.splitlines() if "Recovered position:" in line]
        return found[-1].rpartition("position:")[2].strip() if found else ""

    def _wait(self) -> None:
        until = time.monotonic() + START
        while time.monotonic() < until:
            with contextlib.suppress(AssertionError, subprocess.TimeoutExpired):
                if self.ready():
                    return
            assert self.process is not None
            if self.process.poll() is not None:
                break
            time.sleep(0.1)  # the server has no way to tell
        raise AssertionError((self.folder / "log").read_text()[-4000:])

    def ready(self) -> bool:
        return self.run("show status like 'wsrep_ready'").split()[-1:] == ["ON"]

    def size(self) -> int:
        """How many nodes it sees, itself among them."""
        return int(self.run("show status like 'wsrep_cluster_size'").split()[-1])

    def kill(self) -> None:
        """SIGKILL; returns when it is gone."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(20)
        self.socket.unlink(missing_ok=True)

    def stall(self) -> None:
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGSTOP)

    def resume(self) -> None:
        assert self.process is not None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGCONT)

    def cut(self) -> None:
        """From all others, and they from it."""
        _ip("link", "set", self.space, "down")

    def join(self) -> None:
        _ip("link", "set", self.space, "up")

    def stop(self) -> None:
        if self.process is None or self.process.poll() is not None:
            return
        self.resume()
        self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(20)
        if self.process.poll() is None:
            self.kill()


def _ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False, timeout=20)
    assert done.returncode == 0, f"ip {' '.join(words)}: {done.stderr}"


@contextlib.contextmanager
def _network(count: int) -> Iterator[list[tuple[str, str]]]:
    """Namespaces, each with an address, on one bridge; named after this process, so that two runs do not meet."""
    run, made = f"{os.getpid()}{next(_LETTERS)}", []
    place = os.getpid() + 7_919 * ord(run[-1])
    net, bridge = f"10.{64 + place // 250 % 64}.{place % 250}", f"mh{run}"
    with contextlib.ExitStack() as undo:
        _ip("link", "add", bridge, "type", "bridge")
        undo.callback(_ip, "link", "del", bridge)
        _ip("link", "set", bridge, "up")
        _ip("address", "add", f"{net}.{_OUTSIDE}/24", "dev", bridge)  # this side looks on from here
        for number in range(1, count + 1):
            space = f"mh{run}-{number}"
            _ip("netns", "add", space)
            undo.callback(_ip, "netns", "del", space)
            _ip("link", "add", space, "type", "veth", "peer", "name", "eth0", "netns", space)
            _ip("link", "set", space, "master", bridge)
            _ip("link", "set", space, "up")
            _ip("-n", space, "link", "set", "lo", "up")
            _ip("-n", space, "link", "set", "eth0", "up")
            _ip("-n", space, "address", "add", f"{net}.{number}/24", "dev", "eth0")
            made.append((space, f"{net}.{number}"))
        yield made


@contextlib.contextmanager
def galera(count: int = 3) -> Iterator[list[Node]]:
    """Running and in step; skips the test where it can not be had."""
    install = shutil.which("mariadb-install-db")
    if install is None or shutil.which("mariadbd") is None or not PROVIDER.exists():
        pytest.skip("mariadb-server and galera-4 are not installed")
    if os.getuid() != 0:
        pytest.skip("network namespaces need root")
    folder = Path(tempfile.mkdtemp(prefix="galera"))
    folder.chmod(0o755)  # the servers, and rsync between them, run as another user
    try:
        with _network(count) as spaces, contextlib.ExitStack() as undo:
            nodes = [Node(n, folder / str(n), *place) for n, place in enumerate(spaces, 1)]
            for node in nodes:
                node.folder.mkdir()
                shutil.chown(node.folder, "mysql", "mysql")
                node.others = [other for other in nodes if other is not node]
            subprocess.run(
                [install, "--no-defaults", f"--datadir={folder}/1/data", "--auth-root-authentication-method=normal",
                 "--skip-test-db", "--user=mysql"],
                check=True, capture_output=True, timeout=120,
            )  # fmt: skip
            first = nodes[0]
            first.start(first=True)
            undo.callback(first.stop)
            first.run("create user root@'%' identified by ''; grant all on *.* to root@'%' with grant option;")
            first.stop()
            for node in nodes[1:]:
                subprocess.run(["cp", "-a", first.folder / "data", node.folder / "data"], check=True, timeout=60)
            state = first.folder / "data/grastate.dat"
            state.write_text(state.read_text().replace("safe_to_bootstrap: 0", "safe_to_bootstrap: 1"))
            first.start(first=True)
            for node in nodes[1:]:
                undo.callback(node.stop)
                node.start()
            yield nodes
    finally:
        shutil.rmtree(folder, ignore_errors=True)
