"""Memory and file handles of one process over time, and whether they grow."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

import psutil

from bench.meters import memory

_WARM = 0.3  # of the time looked at, in which caches fill
_MEMORY_SHARE, _MEMORY_LEAST = 0.05, 4.0  # growth that is none: of the level, or MB
_HANDLES = 6.0
_LONG = 180.0  # seconds that have to be looked at before a slope says anything
_AT_REST = 15  # file handles that may be more when all clients have left than before the first came


@dataclass
class Gauge:
    """Samples of (seconds, MB of PSS, file handles)."""

    samples: list[tuple[float, float, int]] = field(default_factory=list)
    rest: list[int] = field(default_factory=list)  # file handles before the first client and after the last

    def at_rest(self, pid: int) -> None:
        self.rest.append(psutil.Process(pid).num_fds())

    def look(self, now: float, pid: int) -> None:
        try:
            self.samples.append((now, memory([pid]), psutil.Process(pid).num_fds()))
        except psutil.Error:
            return

    def judge(self, seconds: float) -> tuple[dict[str, float], list[str]]:
        """Figures, and what is wrong with them. `seconds`: of the whole run."""
        wrong = []
        if self.rest[-1] > self.rest[0] + _AT_REST:
            wrong.append(f"file handles at rest: {self.rest[0]} before the load, {self.rest[-1]} after it")
        rest = {"handles_at_rest_before": float(self.rest[0]), "handles_at_rest_after": float(self.rest[-1])}
        if len(self.samples) < 10:
            return rest, [*wrong, *["memory and file handles were looked at too seldom"] * (seconds > _LONG)]
        begin = self.samples[0][0] + (self.samples[-1][0] - self.samples[0][0]) * _WARM
        late = [sample for sample in self.samples if sample[0] >= begin]
        hours = (late[-1][0] - late[0][0]) / 3_600
        level, handles = (statistics.median(sample[n] for sample in late) for n in (1, 2))
        megabytes, more = (slope([(sample[0], float(sample[n])) for sample in late]) * 3_600 for n in (1, 2))
        figures = {
            "seconds_judged": round(hours * 3_600),
            "memory_mb": round(level, 1),
            "memory_mb_most": max(sample[1] for sample in self.samples),
            "memory_mb_per_hour": round(megabytes, 2),
            "handles": handles,
            "handles_most": max(sample[2] for sample in self.samples),
            "handles_per_hour": round(more, 2),
            **rest,
        }
        if hours * 3_600 < _LONG:
            return figures, wrong
        if megabytes * hours > max(_MEMORY_LEAST, level * _MEMORY_SHARE):
            wrong.append(f"memory grows by {megabytes * hours:.1f} MB in {hours * 60:.0f} minutes")
        if more * hours > _HANDLES:
            wrong.append(f"file handles grow by {more * hours:.0f} in {hours * 60:.0f} minutes")
        return figures, wrong


def slope(points: Sequence[tuple[float, float]]) -> float:
    """The median of the slopes between points half the series apart: a few outliers move it little (after Theil and Sen)."""
    half = len(points) // 2
    slopes = [
        (after[1] - before[1]) / (after[0] - before[0])
        for before, after in zip(points, points[half:], strict=False)
        if after[0] > before[0]
    ]
    return statistics.median(slopes) if slopes else 0.0
