"""A Ceph of one's own with its S3 gateway (Debian's ceph-mon, ceph-osd and radosgw): a monitor, one disk in a file, and gone afterwards.

One copy of each object, since this is no test of Ceph; but what the gateway has answered is in the file, also after a kill.
"""

import base64
import contextlib
import email.utils
import hmac
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

START = 90.0  # seconds
KEY, SECRET = "mailhub", "between a hub and its bucket"
_PROGRAMS = ("ceph-mon", "ceph-osd", "radosgw", "radosgw-admin", "ceph", "ceph-authtool", "monmaptool")
_CONFIG = """
[global]
fsid = {fsid}
mon initial members = a
mon host = {mon}
mon data = {folder}/mon
osd data = {folder}/osd
osd objectstore = bluestore
bluestore block size = 2147483648
bluestore block create = true
bluestore cache size = 67108864
bluestore cache autotune = false
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
osd max pg per osd hard ratio = 30
mon allow pool size one = true
mon warn on pool no redundancy = false
mon data avail crit = 1
ms bind ipv6 = false
public addr = 127.0.0.1
run dir = {folder}
admin socket = {folder}/$name.$pid.asok
pid file =
log file = {folder}/log-$name
mon cluster log file = {folder}/log-cluster
keyring = {folder}/keyring
rgw cache enabled = false
"""


def _free(address: str = "127.0.0.1") -> int:
    with socket.socket() as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])


@dataclass
class Radosgw:
    """`kill`, `stall`, `resume` and `start` are what may happen to the gateway; the disk behind it goes on."""

    folder: Path
    address: str = "127.0.0.1"
    port: int = 0
    _parts: "list[subprocess.Popen[bytes]]" = field(default_factory=list)
    _gateway: "subprocess.Popen[bytes] | None" = None

    @property
    def endpoint(self) -> str:
        return f"http://{self.address}:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """What mailhub is told by; "s3://BUCKET/PREFIX" says the rest."""
        return {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_ENDPOINT": self.endpoint,
                "AWS_REGION": "us-east-1", "AWS_ALLOW_HTTP": "true"}  # fmt: skip

    def make(self) -> None:
        fsid, monitor, seeds = str(uuid.uuid4()), f"[v2:127.0.0.1:{_free()}]", str(self.folder / "monmap")
        (self.folder / "ceph.conf").write_text(_CONFIG.format(fsid=fsid, mon=monitor, folder=self.folder))
        for name, *caps in (
            ("mon.", "mon", "allow *"), ("client.admin", "mon", "allow *", "osd", "allow *"),
            ("client.rgw", "mon", "allow rwx", "osd", "allow rwx"), ("osd.0", "mon", "allow profile osd", "osd", "allow *"),
        ):  # fmt: skip
            words = [word for n in range(0, len(caps), 2) for word in ("--cap", caps[n], caps[n + 1])]
            made = ["--create-keyring"] if name == "mon." else []
            self._run("ceph-authtool", *made, str(self.folder / "keyring"), "--gen-key", "-n", name, *words)
        for part in ("mon", "osd"):
            (self.folder / part).mkdir()
        self._run("monmaptool", "--create", "--addv", "a", monitor, "--fsid", fsid, seeds)
        self._run("ceph-mon", "--mkfs", "-i", "a", "--monmap", seeds, "--keyring", str(self.folder / "keyring"))
        self._parts.append(self._begin("ceph-mon", "-f", "-i", "a"))
        number = str(uuid.uuid4())
        self._run("ceph", "osd", "new", number)
        self._run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", number)
        self._parts.append(self._begin("ceph-osd", "-f", "-i", "0"))
        self._run("radosgw-admin", "user", "create", "--uid", "mailhub", "--display-name", "mailhub",
                  "--access-key", KEY, "--secret", SECRET)  # fmt: skip
        self.port = _free(self.address)
        self.start()

    def _config(self) -> list[str]:
        return ["-c", str(self.folder / "ceph.conf")]

    def _run(self, program: str, *words: str) -> None:
        done = subprocess.run(
            [program, *self._config(), *words], capture_output=True, text=True, check=False, timeout=START
        )
        assert done.returncode == 0, f"{program} {' '.join(words)}: {done.stderr[-2000:]}"

    def _begin(self, program: str, *words: str) -> "subprocess.Popen[bytes]":
        with (self.folder / "out").open("ab") as out:
            return subprocess.Popen([program, *self._config(), *words], stdout=out, stderr=out, start_new_session=True)

    def start(self) -> None:
        """On the same port; returns when it answers."""
        frontend = f"beast endpoint={self.address}:{self.port}"
        self._gateway = self._begin("radosgw", "-f", "-n", "client.rgw", "--rgw-frontends", frontend)
        until = time.monotonic() + START
        while time.monotonic() < until and self._gateway.poll() is None:
            with contextlib.suppress(OSError, urllib.error.URLError), urllib.request.urlopen(self.endpoint, timeout=5):
                return
            time.sleep(0.1)  # it has no way to tell
        raise AssertionError((self.folder / "out").read_text()[-4000:])

    def bucket(self, name: str) -> str:
        """Make one; what `store.objects` is then. By S3's older signature, which is a line."""
        date = email.utils.formatdate(usegmt=True)
        signed = hmac.digest(SECRET.encode(), f"PUT\n\n\n{date}\n/{name}".encode(), "sha1")
        headers = {"Date": date, "Authorization": f"AWS {KEY}:{base64.b64encode(signed).decode()}"}
        with urllib.request.urlopen(
            urllib.request.Request(f"{self.endpoint}/{name}", method="PUT", headers=headers), timeout=30
        ):
            return f"s3://{name}/bodies"

    def kill(self) -> None:
        """SIGKILL; returns when it is gone."""
        self._signal(signal.SIGKILL)
        assert self._gateway is not None
        self._gateway.wait(20)

    def stall(self) -> None:
        """It takes connections, and answers nothing."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        assert self._gateway is not None
        os.killpg(self._gateway.pid, number)

    def stop(self) -> None:
        for process in [*([self._gateway] if self._gateway is not None else []), *reversed(self._parts)]:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(20)


def installed() -> bool:
    return all(map(shutil.which, _PROGRAMS))


@contextlib.contextmanager
def radosgw(address: str = "127.0.0.1") -> Iterator[Radosgw]:
    """Running, at that address; skips the test where it is not installed. It has no bucket yet: `bucket` makes one."""
    if not installed():
        pytest.skip("ceph-mon, ceph-osd and radosgw are not installed")
    folder = Path(tempfile.mkdtemp(prefix="radosgw"))
    made = Radosgw(folder, address)
    try:
        made.make()
        yield made
    finally:
        made.stop()
        shutil.rmtree(folder, ignore_errors=True)
