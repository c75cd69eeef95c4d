"""One case against its targets, in turn (A B A B), so that an hour's change of the machine meets all of them; medians, spread, ratios."""

import asyncio
import os
import signal
import statistics
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from typing import Any

from bench.bounds import MEASURE, Stuck, within
from bench.clients import Refused
from bench.peers import dovecot, exim, haraka, postfix, postfix_lmtp, pymap
from bench.target import Target

FAILURES = (
    Stuck,
    Refused,
    OSError,
    EOFError,
    RuntimeError,
    SystemExit,
)  # of one target; anything else is the bench's own bug
Row = dict[str, object]
Results = dict[tuple[str, str], list[Row]]  # (load, target) -> a row for each run
Ratios = dict[str, dict[str, dict[str, float]]]
MISSING = {
    "postfix": postfix.missing,
    "postfix+lmtp": postfix_lmtp.missing,
    "dovecot": dovecot.missing,
    "exim": exim.missing,
    "haraka": haraka.missing,
    "pymap": pymap.missing,
}  # why it can not be measured here


@dataclass(frozen=True, slots=True)
class Case:
    """Loads, what is measured of each, and `targets`: name -> how to start it. `compared`: the figures whose ratios are told.
    `short` empty: the case has no short form. `together`: the servers stand side by side, and each load meets one after the other, so that
    seconds lie between them; else there is a fresh server for each turn."""

    full: Sequence[Any]
    short: Sequence[Any]
    measure: Callable[[Target, Any], Awaitable[Row]]
    targets: dict[str, Callable[[], AbstractAsyncContextManager[Target]]]
    compared: tuple[str, ...]
    limit: float = MEASURE  # seconds for each load
    together: bool = False


@dataclass(slots=True)
class Found:
    """What the turns of one case brought."""

    name: str
    rows: Results
    versions: dict[str, str]
    failed: list[str]

    async def measure(self, case: Case, label: str, target: Target, load: Any, turn: str) -> None:
        async with within(case.limit, getattr(load, "words", str(load))):
            row = await case.measure(target, load)
        if not target.all_cpu:
            row.pop("server_cpu_ms_each", None)
        row["load_average"] = round(os.getloadavg()[0], 1)
        self.rows.setdefault((str(row["load"]), label), []).append(row)
        print_row(f"{label} {turn}", row)

    def fail(self, label: str, trouble: BaseException) -> None:
        """The other targets are measured all the same."""
        self.failed.append(f"{self.name}: {label}: {str(trouble) or type(trouble).__name__}")
        print(self.failed[-1], file=sys.stderr)


async def run(name: str, case: Case, runs: int, *, short: bool) -> dict[str, object]:
    """The case's table, printed as it grows."""
    _end_by_sigterm()
    found = Found(name, {}, {}, [])
    targets = {}
    for label, start in case.targets.items():
        if why := MISSING[label]() if label in MISSING else "":
            print(f"{name}: {label} is left out: {why}", file=sys.stderr)
        else:
            targets[label] = start
    await (_side_by_side if case.together else _one_by_one)(
        case, targets, case.short if short else case.full, runs, found
    )
    rows = [{"target": label, **medians(rows)} for (_, label), rows in found.rows.items()]
    ratios = compare(found.rows, case.compared)
    for label, load, figures in ((label, *one) for label, loads in ratios.items() for one in loads.items()):
        told = "  ".join(f"{key.replace('_', ' ')} {ratio:.2f}" for key, ratio in figures.items())
        print(f"{load}: times that of {label}: {told}")
    return {
        "case": name,
        "versions": found.versions,
        "runs": runs,
        "rows": rows,
        "ratios": ratios,
        "failed": found.failed,
    }


Starts = dict[str, Callable[[], AbstractAsyncContextManager[Target]]]


async def _one_by_one(case: Case, targets: Starts, loads: Sequence[Any], runs: int, found: Found) -> None:
    for turn in range(runs):
        for label, start in targets.items():
            try:
                async with start() as target:
                    found.versions[label] = target.version
                    for load in loads:
                        await found.measure(case, label, target, load, f"{turn + 1}/{runs}")
            except FAILURES as trouble:
                found.fail(label, trouble)


async def _side_by_side(case: Case, targets: Starts, loads: Sequence[Any], runs: int, found: Found) -> None:
    async with AsyncExitStack() as servers:
        running: dict[str, Target] = {}
        for label, start in targets.items():
            try:
                running[label] = await servers.enter_async_context(start())
                found.versions[label] = running[label].version
            except FAILURES as trouble:
                found.fail(label, trouble)
        for load in loads:
            for turn in range(runs):
                for label in list(running):
                    try:
                        await found.measure(case, label, running[label], load, f"{turn + 1}/{runs}")
                    except FAILURES as trouble:
                        found.fail(label, trouble)
                        del running[label]


def _end_by_sigterm() -> None:
    """As by Ctrl-C: every server is ended and every folder removed on the way out."""
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)


def medians(rows: Sequence[Row]) -> Row:
    """One row of many: of each figure its median, and of those that varied the least and the most."""
    out: Row = {}
    for key, first in rows[0].items():
        if not isinstance(first, int | float):
            out[key] = first
            continue
        values = [float(str(row[key])) for row in rows]
        out[key] = statistics.median(values)
        if len(values) > 1 and min(values) != max(values):
            out[f"{key}_range"] = [min(values), max(values)]
    return out


def compare(found: Results, keys: Sequence[str]) -> Ratios:
    """mailhub's medians through each other's, for each load that both did: other -> load -> figure -> ratio."""
    ratios: Ratios = {}
    for (load, label), rows in found.items():
        ours = found.get((load, "mailhub"))
        if label == "mailhub" or not ours:
            continue
        for key in keys:
            if key in rows[0] and (theirs := _median(rows, key)):
                ratios.setdefault(label, {}).setdefault(load, {})[key] = round(_median(ours, key) / theirs, 2)
    return ratios


def _median(rows: Sequence[Row], key: str) -> float:
    return statistics.median(float(str(row[key])) for row in rows)


def print_row(label: str, row: Row) -> None:
    figures = "  ".join(f"{key.replace('_', ' ')} {value}" for key, value in row.items() if key != "load")
    print(f"{label:>14}  {row['load']!s:<34} {figures}", flush=True)
