"""A fresh Debian root with a real systemd as the first process of namespaces of its own, below a control group of its own."""

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from support.debian_root import DebianRoot, Running, missing

PACKAGES = ("systemd", "systemd-sysv", "dbus", "python3-venv")

_APART = ("--mount", "--net", "--uts", "--ipc", "--pid", "--fork", "--kill-child")
# A control group is this system's root of them. What a boot would change of the kernel's settings is not let: /proc/sys can not be written.
_BOOT = """
set -e
group="$1" root="$2"
echo 0 >"$group/cgroup.procs"
mount --make-rprivate /; mount --bind "$root" "$root"; ip link set lo up; hostname mail.example.org
mount -t proc proc "$root/proc"; mount --bind "$root/proc/sys" "$root/proc/sys"; mount -o remount,bind,ro "$root/proc/sys"
for one in run tmp; do mount -t tmpfs -o mode=755 tmpfs "$root/$one"; done; chmod 1777 "$root/tmp"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"; mkdir "$root/dev/shm" "$root/dev/pts"; mount -t tmpfs tmpfs "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"; ln -s pts/ptmx "$root/dev/ptmx"
for one in null:1:3 zero:1:5 full:1:7 random:1:8 urandom:1:9 tty:5:0; do
    rest="${one#*:}"; mknod -m 666 "$root/dev/${one%%:*}" c "${rest%:*}" "${rest#*:}"
done
ln -s /proc/self/fd "$root/dev/fd"; for one in 0:stdin 1:stdout 2:stderr; do ln -s "/proc/self/fd/${one%:*}" "$root/dev/${one#*:}"; done
exec unshare --cgroup sh -ec '
cd "$1"; mount -t sysfs -o ro sysfs sys; mount -t cgroup2 cgroup2 sys/fs/cgroup
mkdir -p .old; pivot_root . .old; umount -l /.old; rmdir /.old; mount --make-rshared /
exec env -i container=test PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --log-target=journal-or-kmsg --show-status=no
' sh "$root"
"""


def lacking() -> list[str]:
    """What a boot needs, and is not here."""
    return [*missing("nsenter", "pivot_root"), *([] if _groups() else ["cgroup2"])]


def _groups() -> str:
    """Where control groups of the second version are."""
    mounts = (line.split() for line in Path("/proc/mounts").read_text().splitlines())
    return next((place for _, place, kind, *_ in mounts if kind == "cgroup2"), "")


def prepare(root: DebianRoot) -> None:
    """`PACKAGES` are installed."""
    root.do(
        "sh",
        "-ec",
        f"apt-get -qq update; apt-get -qq -y install --no-install-recommends {' '.join(PACKAGES)} >/dev/null; apt-get clean",
    )


class Booted(Running):
    """`run` and `do` are commands in there."""

    def _forked(self) -> int:
        """The shell becomes systemd."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self._process.poll() is None:
            with contextlib.suppress(OSError, IndexError):
                children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
                if Path(f"/proc/{children[0]}/comm").read_text() == "systemd\n":
                    return int(children[0])
            time.sleep(0.01)
        raise AssertionError(self.log.read_text())

    def up(self) -> None:
        """Wait until all is begun that belongs to a boot."""
        deadline = time.monotonic() + 120
        while (state := self.run("systemctl", "is-system-running", "--wait").stdout.strip()) != "running":
            assert state in ("", "offline", "initializing", "starting"), self.do("systemctl", "--failed")
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.1)

    def do(self, *words: str, stdin: str = "") -> str:
        done = self.run(*words, stdin=stdin)
        if done.returncode:
            journal = self.run("journalctl", "-u", "mailhub", "-n", "30", "--no-pager").stdout
            raise AssertionError(f"{' '.join(words)}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}\n{journal}")
        return done.stdout

    def shown(self, unit: str, *names: str) -> dict[str, str]:
        """Properties of a unit."""
        lines = self.do("systemctl", "show", unit, *(f"--property={name}" for name in names)).splitlines()
        return dict(line.split("=", 1) for line in lines)


@contextlib.contextmanager
def booted(root: DebianRoot, log: Path) -> Iterator[Booted]:
    """Until the end it runs; then nothing of it is left."""
    group = Path(_groups(), f"mailhub-test-{os.getpid()}")
    group.mkdir()
    with log.open("w") as out:
        process = subprocess.Popen(
            ["unshare", *_APART, "sh", "-c", _BOOT, "sh", str(group), str(root.path)],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    try:
        system = Booted(process, log)
        system.up()
        yield system
    finally:
        process.kill()  # and with it, by --kill-child, the first process there, with all the others
        process.wait()
        _remove(group)


def _remove(group: Path) -> None:
    """It is empty as soon as the kernel has taken the last process away."""
    deadline = time.monotonic() + 30
    while group.exists() and time.monotonic() < deadline:
        for folder, _, _ in os.walk(group, topdown=False):
            with contextlib.suppress(OSError):
                os.rmdir(folder)
        time.sleep(0.05)
