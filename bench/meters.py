"""What a server used while something ran: CPU time and memory of its processes; and percentiles of times."""

import os
import re
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import psutil

_ROLLUP = re.compile(r"^Pss:\s+(\d+)", re.M)


def percentile(times: Sequence[float], share: float) -> float:
    """Of times in seconds, in milliseconds."""
    return round(sorted(times)[min(len(times) - 1, int(len(times) * share))] * 1000, 3) if times else 0.0


def processes(roots: Iterable[int]) -> list[psutil.Process]:
    """The roots and all their descendants."""
    found: list[psutil.Process] = []
    for pid in roots:
        try:
            root = psutil.Process(pid)
            found += [root, *root.children(recursive=True)]
        except psutil.NoSuchProcess:
            continue
    return found


def memory(roots: Iterable[int]) -> float:
    """Proportional set size (shared pages counted once), in MB."""
    total = 0
    for process in processes(roots):
        try:
            total += int(_ROLLUP.findall(Path(f"/proc/{process.pid}/smaps_rollup").read_text())[0])
        except (OSError, IndexError):
            continue
    return round(total * 1024 / 1e6, 1)


class Meter:
    """CPU seconds of a server's processes, also of those that ended meanwhile as far as their parents waited for them."""

    def __init__(self, roots: Sequence[int]) -> None:
        self._roots = roots
        self._cpu, self._began = self._used(), time.perf_counter()

    def _used(self) -> float:
        total = 0.0
        for process in processes(self._roots):
            try:
                times = process.cpu_times()
            except psutil.NoSuchProcess:
                continue
            total += times.user + times.system + times.children_user + times.children_system
        return total

    @property
    def wall(self) -> float:
        return time.perf_counter() - self._began

    def cpu(self) -> float:
        return max(0.0, self._used() - self._cpu)


def machine() -> dict[str, object]:
    """What the figures were measured on."""
    uname = os.uname()
    return {
        "cpus": psutil.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "system": f"{uname.sysname} {uname.release} {uname.machine}",
        "python": ".".join(map(str, __import__("sys").version_info[:3])),
        "load_before": os.getloadavg()[0],
    }
