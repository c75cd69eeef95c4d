"""Fresh Debian roots, made by debootstrap from this machine's own mirror, and kept packed in `.debian` for a week.

Programs run there as root, in process and mount namespaces of their own that end with them, on this machine's network or on a loopback alone.
"""

import contextlib
import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.server import REPOSITORY

NEEDED = ("debootstrap", "unshare", "ip", "apt-get", "tar")
PACKAGES = ("python3", "make", "git", "curl", "ca-certificates")  # what README.md asks for; curl, for its first message
_KEPT = 7 * 86_400  # seconds
_WAIT = 900  # seconds, of one program

_INSIDE = """
set -e
root="$1"; shift
if [ "$NETWORK" = none ]; then ip link set lo up; fi
mount -t proc proc "$root/proc"; mount -t tmpfs tmpfs "$root/tmp"; mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for one in null:3 zero:5 random:8 urandom:9; do mknod -m 666 "$root/dev/${one%:*}" c 1 "${one#*:}"; done
ln -s /proc/self/fd "$root/dev/fd"
exec chroot "$root" env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 "$@"
"""


def missing(*more: str) -> list[str]:
    """Programs that are not there, or the right to use them."""
    return [name for name in (*NEEDED, *more) if shutil.which(name) is None] + (["root"] if os.geteuid() else [])


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert not done.returncode, f"{' '.join(command)}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


def _debian() -> tuple[str, str]:
    """The release of this machine, and the mirror that its apt uses."""
    release = dict(line.split("=", 1) for line in Path("/etc/os-release").read_text().splitlines() if "=" in line)
    suite = release["VERSION_CODENAME"].strip('"')
    for line in run("apt-get", "indextargets", "--format", "$(SITE) $(CODENAME) $(CREATED_BY)").splitlines():
        site, codename, kind = line.split()
        if (codename, kind) == (suite, "Packages"):
            return suite, site
    pytest.skip(f"apt knows no mirror of {suite}")


def _pip() -> str:
    """How pip reaches its index from here: a pip.conf."""
    lines = run(sys.executable, "-m", "pip", "config", "list").splitlines()
    values = dict(line.split("=", 1) for line in lines)
    kept = {}
    for name in ("index-url", "extra-index-url", "trusted-host", "proxy", "cert"):
        value = values.get(f"global.{name}", "").strip("'")
        if value and "file:" not in value:
            kept[name] = value
    return "[global]\n" + "".join(f"{name} = {value}\n" for name, value in kept.items())


def make(root: Path) -> None:
    """A Debian of this machine's release with `PACKAGES`, and this machine's ways to its mirrors. `root` is new."""
    suite, mirror = _debian()
    digest = hashlib.sha256(" ".join(PACKAGES).encode()).hexdigest()[:12]
    kept = REPOSITORY / ".debian" / f"root-{suite}-{digest}.tar"
    kept.parent.mkdir(exist_ok=True)
    with open(kept.with_suffix(".lock"), "w") as alone:
        fcntl.flock(alone, fcntl.LOCK_EX)
        if not kept.exists() or time.time() - kept.stat().st_mtime > _KEPT:
            part = kept.with_suffix(".part")
            shutil.rmtree(part, ignore_errors=True)
            run("debootstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}", suite, str(part), mirror)
            run("tar", "-C", str(part), "-cf", f"{part}.tar", ".")
            shutil.rmtree(part)
            Path(f"{part}.tar").rename(kept)
        root.mkdir()
        run("tar", "-C", str(root), "-xpf", str(kept))
    for file in ("/etc/ssl/certs/ca-certificates.crt", "/etc/resolv.conf"):
        shutil.copy(file, root / file[1:])
    (root / "etc/pip.conf").write_text(_pip())


class DebianRoot:
    """`path`: where it lies."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def copy_repository(self, place: str) -> None:
        """What git would clone, with what is changed here, as a repository there."""
        target = self.path / place[1:]
        listed = run("git", "-C", str(REPOSITORY), "ls-files", "-z", "--cached", "--others", "--exclude-standard")
        for name in filter(None, listed.split("\0")):
            if (REPOSITORY / name).is_file():
                (target / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(REPOSITORY / name, target / name)
        self.do("sh", "-c", f"cd {place} && git init -q && git add -A")

    def command(self, *words: str, network: bool) -> list[str]:
        apart = ["unshare", "--mount", "--pid", "--ipc", "--fork", "--kill-child", *([] if network else ["--net"])]
        return [
            *apart,
            "env",
            f"NETWORK={'host' if network else 'none'}",
            "sh",
            "-c",
            _INSIDE,
            "sh",
            str(self.path),
            *words,
        ]

    def run(self, *words: str, network: bool = True, stdin: str = "") -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            self.command(*words, network=network),
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=_WAIT,
        )

    def do(self, *words: str, network: bool = True, stdin: str = "") -> str:
        """The same, which has to succeed; what it says."""
        done = self.run(*words, network=network, stdin=stdin)
        assert not done.returncode, f"{' '.join(words)}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
        return done.stdout

    @contextlib.contextmanager
    def running(self, log: Path, *words: str) -> Iterator["Running"]:
        """A program that goes on, on a loopback of its own, and what it has started."""
        with log.open("w") as out:
            process = subprocess.Popen(
                self.command(*words, network=False),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        try:
            yield Running(process, log)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


class Running:
    """`pid`: of the first process in there."""

    def __init__(self, process: "subprocess.Popen[bytes]", log: Path) -> None:
        self._process, self.log = process, log
        self.pid = self._forked()

    def _forked(self) -> int:
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        while self._process.poll() is None:
            if found := children.read_text().split():
                return int(found[0])
            time.sleep(0.01)
        raise AssertionError(self.log.read_text())

    def said(self, text: str) -> str:
        """Wait until its output holds `text`; the output."""
        deadline = time.monotonic() + 120
        while text not in (output := self.log.read_text()):
            assert self._process.poll() is None, output
            assert time.monotonic() < deadline, output
            time.sleep(0.05)
        return output

    def run(self, *words: str, stdin: str = "") -> "subprocess.CompletedProcess[str]":
        """Beside it, in the same namespaces. It has said something already, and so has come to where it runs."""
        enter = ["nsenter", "-t", str(self.pid), "-m", "-n", "-p", "-i", f"--root=/proc/{self.pid}/root"]
        path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        clean = ["env", "-i", "-C", "/", path, "LC_ALL=C.UTF-8", "HOME=/root"]
        return subprocess.run(
            [*enter, *clean, *words], input=stdin, capture_output=True, text=True, check=False, timeout=_WAIT
        )

    def do(self, *words: str, stdin: str = "") -> str:
        done = self.run(*words, stdin=stdin)
        assert not done.returncode, (
            f"{' '.join(words)}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}\n{self.log.read_text()[-4000:]}"
        )
        return done.stdout

    def stop(self) -> int:
        os.kill(self.pid, signal.SIGTERM)
        return self._process.wait(60)
