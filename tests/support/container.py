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

import pytest

ROOT = Path(__file__).parents[2]
NEEDED = ("debootstrap", "buildah", "unshare", "nsenter", "ip", "apt-get")
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
    return [name for name in NEEDED if shutil.which(name) is None] + (["root"] if os.geteuid() else [])


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert not done.returncode, f"{' '.join(command)}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


def _debian() -> tuple[str, str]:
    """The release of this machine, and the mirror that its apt uses."""
    release = dict(line.split("=", 1) for line in Path("/etc/os-release").read_text().splitlines() if "=" in line)
    suite = release["VERSION_CODENAME"].strip('"')
    for line in _run("apt-get", "indextargets", "--format", "$(SITE) $(CODENAME) $(CREATED_BY)").splitlines():
        site, codename, kind = line.split()
        if (codename, kind) == (suite, "Packages"):
            return suite, site
    pytest.skip(f"apt knows no mirror of {suite}")


def _pip() -> str:
    """How pip reaches its index from here, for the base: a pip.conf."""
    lines = _run(sys.executable, "-m", "pip", "config", "list").splitlines()
    values = dict(line.split("=", 1) for line in lines)
    kept = {}
    for name in ("index-url", "extra-index-url", "trusted-host", "proxy", "cert"):
        value = values.get(f"global.{name}", "").strip("'")
        if value and "file:" not in value:
            kept[name] = value
    return "[global]\n" + "".join(f"{name} = {value}\n" for name, value in kept.items())


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
        suite, mirror = _debian()
        packages = "--include=python3,python3-venv,ca-certificates"
        _run("debootstrap", "--variant=minbase", packages, suite, str(base), mirror)
        for file in ("/etc/ssl/certs/ca-certificates.crt", "/etc/resolv.conf"):
            shutil.copy(file, base / file[1:])
        (base / "etc/pip.conf").write_text(_pip())
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
        return _run(*self._buildah, *words)

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
