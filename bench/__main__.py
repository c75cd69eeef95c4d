"""All cases against all targets.

    python -m bench [--short] [--only CASE,...] [--runs N] [--json FILE]

The targets run one at a time and in turn (A B A B), so that an hour's change of the machine meets both.
"""

import argparse
import asyncio
import json
import os
import signal
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvloop

from bench import filters, hostile, imap, imap_idle, imap_search, meters, pop3, relay, smtp, web
from bench.bounds import MEASURE, Stuck, within
from bench.clients import Refused
from bench.peers import dovecot, postfix
from bench.target import Target, mailhub

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


@dataclass(frozen=True, slots=True)
class Case:
    """Loads, what is measured of each, and `targets`: name -> how to start it. `compared`: the figures whose ratios are told.
    `short` empty: the case has no short form."""

    full: Sequence[Any]
    short: Sequence[Any]
    measure: Callable[[Target, Any], Awaitable[Row]]
    targets: dict[str, Callable[[], AbstractAsyncContextManager[Target]]]
    compared: tuple[str, ...]
    limit: float = MEASURE  # seconds for each load


def _search(sizes: tuple[int, ...], short: tuple[int, ...] = ()) -> Case:
    loads = imap_search.loads(sizes)
    return Case(
        loads, imap_search.loads(short), imap_search.measure,
        {"mailhub": lambda: imap_search.mailhub(loads), "dovecot": lambda: imap_search.dovecot(loads)},
        tuple(f"{name}{when}_ms" for name in imap_search.QUESTIONS for when in ("_first", "")),
    )  # fmt: skip


def _folder(messages: int, *, short: bool = False) -> Case:
    """A server of its own for each size: it may take in a whole account when it first sees it."""
    loads = imap_search.loads((messages,))
    return Case(
        loads, loads if short else (), imap.measure,
        {"mailhub": lambda: imap_search.mailhub(loads), "dovecot": lambda: imap_search.dovecot(loads)}, imap.COMPARED,
    )  # fmt: skip


CASES = {
    "smtp": Case(
        smtp.FULL, smtp.SHORT, smtp.measure,
        {"mailhub": mailhub, "postfix": postfix.postfix}, ("delivered_per_second",),
    ),
    "relay": Case(
        relay.FULL, relay.SHORT, relay.measure,
        {"mailhub": lambda: relay.to_sink(relay.mailhub), "postfix": lambda: relay.to_sink(relay.postfix)}, ("relayed_per_second",),
    ),
    "relay-million": Case(
        relay.FULL, (), relay.measure,
        {"mailhub": lambda: relay.to_sink(relay.crowded)}, ("relayed_per_second",),
    ),
    "filters": Case(
        filters.FULL, filters.SHORT, filters.measure,
        {"no checks": filters.unchecked, "SPF, DKIM, DMARC": filters.checked, "signing": filters.signing}, (),
    ),
    "hostile": Case(
        hostile.FULL, hostile.SHORT, hostile.measure,
        {"mailhub": lambda: mailhub(hostile.CONFIG)}, ("message_p50_ms",),
    ),
    "imap-search": _search(imap_search.SIZES, imap_search.SIZES[:1]),
    "imap-search-large": _search(imap_search.LARGE),
    "imap-1000": _folder(1_000, short=True),
    "imap-10000": _folder(10_000),
    "imap-100000": _folder(100_000),
    "imap-idle": Case(
        imap_idle.FULL, imap_idle.SHORT, imap_idle.measure,
        {"mailhub": imap_idle.mailhub, "dovecot": imap_idle.dovecot}, ("kib_each", "opened_per_second"),
    ),
    "web": Case(web.FULL, web.SHORT, web.measure, {"mailhub": lambda: web.mailhub(web.FULL)}, ()),
    "pop3": Case(
        pop3.loads(10_000), (), pop3.measure,
        {"mailhub": lambda: pop3.mailhub(10_000), "dovecot": lambda: pop3.dovecot(10_000)},
        ("uidl_first_ms", "uidl_second_ms", "retr_per_second"),
    ),
    "pop3-short": Case(
        (), pop3.loads(1_000), pop3.measure,
        {"mailhub": lambda: pop3.mailhub(1_000), "dovecot": lambda: pop3.dovecot(1_000)},
        ("uidl_first_ms", "uidl_second_ms", "retr_per_second"),
    ),
}  # fmt: skip


MISSING = {"postfix": postfix.missing, "dovecot": dovecot.missing}  # why it can not be measured here


async def run(name: str, case: Case, runs: int, *, short: bool) -> dict[str, object]:
    """The case's table, printed as it grows."""
    found: Results = {}
    versions: dict[str, str] = {}
    failed: list[str] = []
    _end_by_sigterm()
    for turn in range(runs):
        for label, start in case.targets.items():
            if why := MISSING[label]() if label in MISSING else "":
                print(f"{name}: {label} is left out: {why}", file=sys.stderr)
                continue
            try:
                async with start() as target:
                    versions[label] = target.version
                    for load in case.short if short else case.full:
                        async with within(case.limit, getattr(load, "words", str(load))):
                            row = await case.measure(target, load)
                        row["load_average"] = round(os.getloadavg()[0], 1)
                        found.setdefault((str(row["load"]), label), []).append(row)
                        print_row(f"{label} {turn + 1}/{runs}", row)
            except FAILURES as trouble:  # the other targets are measured all the same
                failed.append(f"{name}: {label}: {trouble or type(trouble).__name__}")
                print(failed[-1], file=sys.stderr)
    rows = [{"target": label, **medians(rows)} for (_, label), rows in found.items()]
    ratios = compare(found, case.compared)
    for load, figures in ratios.items():
        told = "  ".join(f"{key.replace('_', ' ')} {ratio:.2f}" for key, ratio in figures.items())
        print(f"{load}: times that of the other: {told}")
    return {"case": name, "versions": versions, "runs": runs, "rows": rows, "ratios": ratios, "failed": failed}


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


def compare(found: Results, keys: Sequence[str]) -> dict[str, dict[str, float]]:
    """mailhub's medians through the other's, for each load that both did."""
    ratios: dict[str, dict[str, float]] = {}
    for (load, label), rows in found.items():
        other = found.get((load, "postfix")) or found.get((load, "dovecot"))
        if label == "mailhub" and other:
            for key in keys:
                ours, theirs = (statistics.median(float(str(row[key])) for row in each) for each in (rows, other))
                if theirs:
                    ratios.setdefault(load, {})[key] = round(ours / theirs, 2)
    return ratios


def print_row(label: str, row: Row) -> None:
    figures = "  ".join(f"{key.replace('_', ' ')} {value}" for key, value in row.items() if key != "load")
    print(f"{label:>14}  {row['load']!s:<34} {figures}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m bench", description="Measure mailhub, and beside it what is installed."
    )
    parser.add_argument("--short", action="store_true", help="a minute instead of many")
    parser.add_argument("--only", default=",".join(CASES), help=f"of {', '.join(CASES)}")
    parser.add_argument("--runs", type=int, default=0, help="turns of each target (default 3; 1 with --short)")
    parser.add_argument("--json", type=Path, default=Path(__file__).parent / "out" / "bench.json")
    options = parser.parse_args()
    names = options.only.split(",")
    if unknown := set(names) - set(CASES):
        parser.error(f"no such case: {', '.join(sorted(unknown))}; there are {', '.join(CASES)}")
    result = {"machine": meters.machine(), "date": time.strftime("%Y-%m-%d"), "cases": []}
    for name in names:
        if not (CASES[name].short if options.short else CASES[name].full):
            continue  # it takes minutes to prepare, or has a longer form
        runs = options.runs or (1 if options.short else 3)
        result["cases"].append(uvloop.run(run(name, CASES[name], runs, short=options.short)))
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(result, indent=2) + "\n")
    print(f"written to {options.json}")
    if failed := [line for case in result["cases"] for line in case["failed"]]:
        raise SystemExit("\n".join(failed))


if __name__ == "__main__":
    main()
