"""The image of the Dockerfile, built by buildah on a Debian root that debootstrap makes here, and run as its own configuration says:
as its user, on a root that can not be written, without a network but a loopback of its own."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from support import debian_root

ROOT = Path(__file__).parents[2]
BASE, IMAGE = "localhost/base:latest", "localhost/mailhub:latest"

# Runs where the container's root is to be: read-only but for /data and /tmp, as `docker run --read-only --tmpfs /tmp` has it.
INSIDE = """
set -e
ip link set lo up
mount --bind "$1" "$1"; mount -o remount,bind,ro "$1"
mount -t proc proc "$1/proc"; mount -t tmpfs tmpfs "$1/tmp"; mount -t tmpfs -o mode=755 tmpfs "$1/dev"
mknod -m 666 "$1/dev/null" c 1 3; mknod -m 666 "$1/dev/urandom" c 1 9
mount --bind "$2" "$1/data"
root="$1" user="$3"; shift 3
exec chroot --userspec="$user" "$root" env -i "$@"
"""


def missing() -> list[str]:
    """Programs that are not there, or the right to use them."""
    return debian_root.missing("buildah", "nsenter")


class Image:
    """`configuration`: what the image says of itself, in Docker's words."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._buildah = (
            "buildah", "--root", f"{folder}/storage", "--runroot", f"{folder}/run", "--storage-driver", "vfs",
        )  # fmt: skip
        self.configuration: dict[str, Any] = {}

    def build(self) -> None:
        base = self._folder / "base"
        debian_root.make(base)
        debian_root.DebianRoot(base).do(
            "sh", "-ec", "apt-get -qq update; apt-get -qq -y install python3-venv; apt-get clean"
        )
        scratch = self._do("from", "scratch").strip()
        self._do("copy", "-q", scratch, str(base), "/")
        self._do("config", "--env", "PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", scratch)
        self._do("commit", "-q", "--rm", scratch, BASE)
        shutil.rmtree(base)
        build = ("bud", "-q", "--isolation", "chroot", "--format", "docker", "--build-arg", f"BASE={BASE}", "-t", IMAGE)
        self._do(*build, str(ROOT))
        self.configuration = json.loads(self._do("inspect", "--type", "image", IMAGE))["Docker"]["config"]
        self.root = self._do("mount", self._do("from", IMAGE).strip()).strip()

    def remove(self) -> None:
        """A gigabyte that nobody wants to keep."""
        self._do("rm", "--all")
        shutil.rmtree(self._folder)

    def _do(self, *words: str) -> str:
        return debian_root.run(*self._buildah, *words)

    @contextmanager
    def running(self, data: Path, *words: str, **environment: str) -> Iterator["Container"]:
        """`words`: instead of the image's command."""
        said = self.configuration
        user = said["User"]
        shutil.chown(data, *map(int, user.split(":")))
        variables = [*said["Env"], *(f"{name}={value}" for name, value in environment.items())]
        command = [*said["Entrypoint"], *(words or said["Cmd"])]
        unshare = ["unshare", "--mount", "--net", "--pid", "--ipc", "--fork", "--kill-child", "sh", "-c", INSIDE, "sh"]
        with (data.parent / "container.log").open("w+") as log:
            process = subprocess.Popen(
                [*unshare, self.root, str(data), user, *variables, *command], stdout=log, stderr=log, start_new_session=True
            )  # fmt: skip
            try:
                yield Container(process, self.root, said["Healthcheck"]["Test"], Path(log.name))
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def _forked(process: "subprocess.Popen[bytes]") -> int:
    """The process that unshare forks, in namespaces of its own."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    while process.poll() is None:
        if found := children.read_text().split():
            return int(found[0])
        time.sleep(0.01)
    raise AssertionError(f"unshare ended with {process.returncode}")


class Container:
    """`health`: the image's own check, as Docker runs it."""

    def __init__(self, process: "subprocess.Popen[bytes]", root: str, health: list[str], log: Path) -> None:
        self._process, self._root, self._health, self._log = process, root, health[1:], log
        self._first = _forked(process)

    def program(self, *command: str) -> "subprocess.CompletedProcess[str]":
        """Run there, beside the server."""
        enter = ["nsenter", "-t", str(self._first), "-m", "-n", "-p", f"--root=/proc/{self._first}/root"]
        return subprocess.run([*enter, *command], capture_output=True, text=True, check=False, timeout=60)

    def probe(self, text: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """A Python program of the machine's, on the container's loopback."""
        enter = ["nsenter", "-t", str(self._first), "-n", sys.executable, "-c", text, *arguments]
        return subprocess.run(enter, capture_output=True, text=True, check=False, timeout=60)

    def healthy(self) -> bool:
        return self.program(*self._health).returncode == 0

    def stop(self) -> int:
        """As `docker stop` does it, which sends SIGTERM to the first process; the status it ends with."""
        os.kill(self._first, signal.SIGTERM)
        return self._process.wait(60)

    @property
    def owner(self) -> int:
        """The uid the server runs as."""
        return os.stat(f"/proc/{self._first}").st_uid

    @property
    def log(self) -> str:
        return self._log.read_text()
